"""Calls of SQL functions: every shape of answer, every kind of argument, on every way to the data."""

import datetime as dt
from decimal import Decimal

import pytest

from database_pool import BusinessRule, Conflict, InvalidQuery, call_function, execute_query

FUNCTIONS = """
create table shapes (
  shape_id bigint primary key, amount numeric(12, 2), day date, moment timestamptz, words text[], search tsvector);
insert into shapes values
  (1, 12.50, '2026-11-23', '2026-11-23 15:36:08+00', '{a,b}', to_tsvector('simple', 'x')),
  (2, 99.95, null, null, '{}', null);
create function shape_rows(above bigint) returns setof shapes
  language sql stable as $$ select * from shapes where shape_id > above order by 1 $$;
create function shape_maybe(wanted bigint) returns setof shapes
  language sql stable as $$ select * from shapes where shape_id = wanted $$;
create function shape_row(wanted bigint) returns shapes
  language sql stable as $$ select * from shapes where shape_id = wanted $$;
create function shape_number() returns numeric language sql stable as $$ select 12.5::numeric $$;
create function shape_day() returns date language sql stable as $$ select '2026-11-23'::date $$;
create function shape_moment() returns timestamptz
  language sql stable as $$ select '2026-11-23 15:36:08.03+00'::timestamptz $$;
create function shape_text() returns text language sql stable as $$ select 'देव "quoted" 😀' $$;
create function shape_truth() returns boolean language sql stable as $$ select true $$;
create function shape_nothing() returns text language sql stable as $$ select null::text $$;
create function shape_void() returns void
  language sql as $$ update shapes set words = '{touched}' where shape_id = 2 $$;
create function shape_texts() returns setof text language sql stable as $$ values ('a'), ('b') $$;
create function shape_json() returns jsonb language sql stable as $$ select '{"a": [1, 2, {"b": null}]}'::jsonb $$;
create function shape_many() returns jsonb
  language sql stable as $$ select jsonb_agg(n) from generate_series(1, 3000) n $$;
create function shape_echo(a text, b integer, c date, d boolean, e text[], f numeric) returns jsonb
  language sql stable as $$ select jsonb_build_array(a, b, c, d, e, f) $$;
create function shape_default(a text, b text default 'standard') returns text
  language sql stable as $$ select a || b $$;
create function shape_refuse(code text) returns void language plpgsql as $$
begin
  raise exception 'refused for a reason' using errcode = code, detail = 'the detail', hint = 'the hint';
end $$;
select protect_schema();
"""


@pytest.fixture(scope="module", autouse=True)
def functions(backend):
    """Functions of every shape, known to the server and to the data layer."""
    backend.sql.execute(FUNCTIONS)
    if backend.lite is not None:
        backend.lite.restart()


def test_a_set_of_rows_comes_back_typed(backend):
    rows = call_function("shape_rows", {"above": 0})
    assert rows == [
        {
            "shape_id": 1,
            "amount": Decimal("12.50"),
            "day": dt.date(2026, 11, 23),
            "moment": dt.datetime(2026, 11, 23, 15, 36, 8, tzinfo=dt.UTC),
            "words": ["a", "b"],
        },
        {"shape_id": 2, "amount": Decimal("99.95"), "day": None, "moment": None, "words": []},
    ]
    assert call_function("shape_rows", {"above": 9}) == []


def test_none_or_one_row_as_a_set(backend):
    assert len(call_function("shape_maybe", {"wanted": 1})) == 1
    assert call_function("shape_maybe", {"wanted": 9}) == []


def test_a_single_row_is_a_dict_or_none(backend):
    assert call_function("shape_row", {"wanted": 1})["amount"] == Decimal("12.50")
    assert call_function("shape_row", {"wanted": 9}) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shape_number", Decimal("12.5")),
        ("shape_day", dt.date(2026, 11, 23)),
        ("shape_moment", dt.datetime(2026, 11, 23, 15, 36, 8, 30000, tzinfo=dt.UTC)),
        ("shape_text", 'देव "quoted" 😀'),
        ("shape_truth", True),
        ("shape_nothing", None),
        ("shape_void", None),
        ("shape_texts", ["a", "b"]),
        ("shape_json", {"a": [1, 2, {"b": None}]}),
        ("shape_many", list(range(1, 3001))),
    ],
)
def test_a_value_comes_back_as_its_python_type(backend, name, expected):
    answer = call_function(name)
    assert (answer, type(answer)) == (expected, type(expected))


def test_arguments_of_every_kind_arrive(backend):
    sent = {
        "a": "quote ' \" \\ , ( ) देव",
        "b": 7,
        "c": dt.date(2026, 2, 28),
        "d": True,
        "e": ["x, y", 'z"', "{w}"],
        "f": Decimal("12.50"),
    }
    assert call_function("shape_echo", sent) == [sent["a"], 7, "2026-02-28", True, sent["e"], 12.5]
    assert call_function("shape_echo", dict.fromkeys(sent)) == [None] * 6


def test_arguments_with_a_default_may_be_left_out(backend):
    assert call_function("shape_default", {"a": "by "}) == "by standard"
    assert call_function("shape_default", {"a": "by ", "b": "choice"}) == "by choice"


def test_a_reading_function_may_be_called_as_such(backend):
    assert call_function("shape_rows", {"above": 1}, read_only=True)[0]["shape_id"] == 2
    assert call_function("grace_days", {"of_line": "health", "on_day": dt.date(2026, 1, 1)}, read_only=True) == 30


def test_a_void_function_did_its_work(backend):
    call_function("shape_void")
    assert execute_query("shapes", columns="words", filters={"shape_id_eq": 2}).data == [{"words": ["touched"]}]


@pytest.mark.parametrize("status", [404, 409, 422])
def test_a_refusal_of_ours_keeps_its_reason(backend, status):
    expected = Conflict if status == 409 else BusinessRule
    with pytest.raises(expected) as refused:
        call_function("shape_refuse", {"code": f"PT{status}"})
    assert refused.value.message == "refused for a reason"
    assert (refused.value.detail, refused.value.hint) == ("the detail", "the hint")
    assert refused.value.code == f"PT{status}"


def test_client_ids_are_numbered_by_prefix(backend):
    assert [call_function("next_client_id", {"wanted_prefix": "RM"}) for _ in range(3)] == ["RM01", "RM02", "RM03"]
    execute_query("clients", "insert", data={"client_id": "RM04", "name": "came from elsewhere"})
    assert call_function("next_client_id", {"wanted_prefix": "RM"}) == "RM05"
    with pytest.raises(BusinessRule) as refused:
        call_function("next_client_id", {"wanted_prefix": "x; drop table clients"})
    assert refused.value.status == 422


def test_lists_of_text_reach_the_brake_on_sign_in(backend):
    attempt = {"subjects": ["email:a", "ip:b, c"], "free_failures": [2, 5]}
    waits = [call_function("reserve_sign_in_attempt", attempt) for _ in range(4)]
    assert waits[:2] == [0, 0]
    assert all(0 < wait <= 2 for wait in waits[2:])
    rows = execute_query("sign_in_brakes", columns="subject, failures", order="subject").data
    assert rows == [{"subject": "email:a", "failures": 2}, {"subject": "ip:b, c", "failures": 2}]
    call_function("undo_sign_in_attempt", attempt)
    assert call_function("reserve_sign_in_attempt", attempt) == 0


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("no_such_function", {}),
        ("next_client_ids", {"wanted_prefix": "RM"}),
        ("next_client_id", {"prefix": "RM"}),
        ("next_client_id", {}),
        ("next_client_id", {"wanted_prefix\" => 'RM') --": "x"}),
        ("pg_sleep", {"seconds": 1}),
        ("next_client_id(wanted_prefix => 'RM') --", {}),
    ],
)
def test_an_unknown_function_or_argument_is_refused(backend, name, parameters):
    with pytest.raises(InvalidQuery):
        call_function(name, parameters)


def test_an_unknown_function_gets_a_hint(backend):
    with pytest.raises(InvalidQuery, match="next_client_id"):
        call_function("next_client_ids", {"wanted_prefix": "RM"})
