"""What the writes promise, on every way to the data alike."""

import datetime as dt
import itertools
from decimal import Decimal

import pytest

from database_pool import (
    Conflict,
    DatabaseError,
    Duplicate,
    InvalidData,
    InvalidQuery,
    ReferenceMissing,
    execute_query,
    new_id,
    transaction,
)

_numbers = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def masters(backend):
    backend.sql.execute("""
        insert into insurers (insurer_id, name) values (101, 'Example General');
        insert into products (product_id, name, line) values (101, 'Fire Cover', 'fire');
    """)


@pytest.fixture
def client_id():
    """A client of its own for each test."""
    identifier = f"W{next(_numbers):03}"
    execute_query("clients", "insert", data={"client_id": identifier, "name": f"Client {identifier}"})
    return identifier


def stored(table, **filters):
    return execute_query(table, filters={f"{name}_eq": value for name, value in filters.items()}).data


def term(client_id, **given):
    return {
        "policy_id": new_id("policies"),
        "client_id": client_id,
        "insurer_id": 101,
        "product_id": 101,
        "line": "fire",
        "policy_number": f"N/{next(_numbers)}",
        "policy_from": dt.date(2026, 4, 1),
        "policy_to": dt.date(2027, 3, 31),
        "due_on": dt.date(2027, 3, 31),
        **given,
    }


def test_execute_query_writes_one_row_and_answers_it(backend):
    inserted = execute_query("clients", "insert", data={"client_id": "EX01", "name": "One"}).data
    assert (inserted[0]["client_id"], inserted[0]["version"]) == ("EX01", 1)
    updated = execute_query("clients", "update", data={"name": "Two"}, filters={"client_id_eq": "EX01"}).data
    assert (updated[0]["name"], updated[0]["version"]) == ("Two", 2)
    upserted = execute_query(
        "clients", "upsert", data={"client_id": "EX01", "name": "Three"}, on_conflict="client_id"
    ).data
    assert upserted[0]["name"] == "Three"
    deleted = execute_query("clients", "delete", filters={"client_id_eq": "EX01"}).data
    assert deleted[0]["name"] == "Three"
    assert stored("clients", client_id="EX01") == []


def test_execute_query_writes_many_rows_at_once(backend):
    rows = [{"client_id": f"MX{n:02}", "name": f"Many {n}"} for n in range(30)]
    assert len(execute_query("clients", "insert", data=rows).data) == 30
    assert execute_query("clients", filters={"client_id_like": "MX%"}, count=True).count == 30


def test_a_transaction_applies_all_of_its_changes_and_gives_their_rows(backend, client_id):
    with transaction() as tx:
        policy = tx.insert("policies", term(client_id))
        members = tx.insert("members", [{"client_id": client_id, "name": "A"}, {"client_id": client_id, "name": "B"}])
        renamed = tx.update("clients", {"city": "Pune"}, filters={"client_id_eq": client_id, "version_eq": 1}, expect=1)
        kept = tx.upsert("settings", {"key": f"of {client_id}", "value": {"a": [1, 2]}}, on_conflict="key")
        assert policy.rows == []
    assert policy.rows[0]["gross_premium"] == Decimal("0.00")
    assert policy.rows[0]["policy_to"] == dt.date(2027, 3, 31)
    assert "search" not in policy.rows[0]
    assert [row["name"] for row in members.rows] == ["A", "B"]
    assert (renamed.rows[0]["city"], renamed.rows[0]["version"]) == ("Pune", 2)
    assert kept.rows[0]["value"] == {"a": [1, 2]}
    assert len(stored("members", client_id=client_id)) == 2


def test_nothing_is_sent_before_the_end_of_the_block(backend, client_id):
    with transaction() as tx:
        tx.update("clients", {"city": "Surat"}, filters={"client_id_eq": client_id})
        assert stored("clients", client_id=client_id)[0]["city"] is None
    assert stored("clients", client_id=client_id)[0]["city"] == "Surat"


def test_an_error_in_the_block_means_that_nothing_was_done(backend, client_id):
    with pytest.raises(ZeroDivisionError), transaction() as tx:
        tx.update("clients", {"city": "Surat"}, filters={"client_id_eq": client_id})
        _ = 1 / 0
    assert stored("clients", client_id=client_id)[0]["city"] is None


def test_an_empty_transaction_does_nothing(backend):
    with transaction() as tx:
        nothing = tx.insert("clients", [])
    assert nothing.rows == []


@pytest.mark.parametrize(
    ("last_change", "expected"),
    [
        (
            lambda tx, c: tx.update("clients", {"city": "X"}, filters={"client_id_eq": c, "version_eq": 99}, expect=1),
            Conflict,
        ),
        (lambda tx, c: tx.delete("clients", filters={"client_id_eq": "nobody"}, expect=1), Conflict),
        (lambda tx, c: tx.insert("clients", {"client_id": c, "name": "again"}), Duplicate),
        (lambda tx, c: tx.insert("members", {"client_id": "ZZ99", "name": "orphan"}), ReferenceMissing),
        (lambda tx, c: tx.insert("members", {"client_id": c, "name": None}), InvalidData),
        (lambda tx, c: tx.insert("members", {"client_id": c}), InvalidData),
        (lambda tx, c: tx.update("clients", {"date_of_birth": "31/02/2026"}, filters={"client_id_eq": c}), InvalidData),
        (lambda tx, c: tx.update("clients", {"date_of_birth": "2026-02-31"}, filters={"client_id_eq": c}), InvalidData),
        (lambda tx, c: tx.update("clients", {"agent_id": "many"}, filters={"client_id_eq": c}), InvalidData),
        (lambda tx, c: tx.update("clients", {"agent_id": 10**30}, filters={"client_id_eq": c}), InvalidData),
        (lambda tx, c: tx.insert("policies", term(c, gross_premium=Decimal("1e15"))), InvalidData),
        (lambda tx, c: tx.update("clients", {"name": "nul\x00"}, filters={"client_id_eq": c}), InvalidData),
        (lambda tx, c: tx.update("clients", {"name": "half \ud83d"}, filters={"client_id_eq": c}), InvalidData),
        (
            lambda tx, c: tx.insert("clients", {"client_id": f"{c}X", "name": "x", "search": "x"}),
            (InvalidData, InvalidQuery),
        ),
    ],
)
def test_one_change_that_fails_undoes_all(backend, client_id, last_change, expected):
    with pytest.raises(expected), transaction() as tx:
        tx.insert("members", {"client_id": client_id, "name": "goes with the rest"})
        last_change(tx, client_id)
    assert stored("members", client_id=client_id) == []
    assert stored("clients", client_id=client_id)[0]["version"] == 1


def test_keys_of_yesterday_go_with_the_writes_of_today_and_hold_no_password(backend):
    backend.sql.execute("""insert into applied_changes (key, answer, applied_at)
                           values ('old', '[]', now() - interval '25 hours')""")
    with transaction(key="fresh") as tx:
        made = tx.insert("users", {"email": "keys@example.in", "name": "K", "role": "staff", "password_hash": "secret"})
    assert "password_hash" not in made.rows[0]
    asked = "select key, answer::text from applied_changes where key in ('old', 'fresh')"
    stored_answers = backend.sql.execute(asked).fetchall()
    assert [key for key, _ in stored_answers] == ["fresh"]
    assert "secret" not in stored_answers[0][1]


def test_rows_that_nobody_asks_back_are_written_all_the_same(backend, client_id):
    with transaction() as tx:
        rows = [{"client_id": client_id, "name": f"Quiet {n}"} for n in range(3)]
        quiet = tx.insert("members", rows, returning=False)
        asked = tx.insert("members", {"client_id": client_id, "name": "Asked"})
    assert quiet.rows == []
    assert asked.rows[0]["name"] == "Asked"
    assert len(stored("members", client_id=client_id)) == 4


@pytest.mark.parametrize(
    "last_change",
    [
        lambda tx, c: tx.insert("clients", {"client_id": "bad id", "name": "x"}),
        lambda tx, c: tx.insert("policies", term(c, gross_premium=Decimal("-1"))),
        lambda tx, c: tx.insert("policies", term(c, policy_to=dt.date(2020, 1, 1))),
        lambda tx, c: tx.update("clients", {"language": "klingon"}, filters={"client_id_eq": c}),
    ],
)
def test_a_rule_of_the_schema_undoes_all(backend, client_id, last_change):
    with pytest.raises(DatabaseError, match="check constraint"), transaction() as tx:
        tx.insert("members", {"client_id": client_id, "name": "goes with the rest"})
        last_change(tx, client_id)
    assert stored("members", client_id=client_id) == []
    assert stored("clients", client_id=client_id)[0]["version"] == 1


def test_a_duplicate_names_what_was_twice(backend, client_id):
    with pytest.raises(Duplicate) as refused:
        execute_query("clients", "insert", data={"client_id": client_id, "name": "again"})
    assert refused.value.constraint == "clients_pkey"
    with pytest.raises(Duplicate) as refused, transaction() as tx:
        tx.insert("insurers", {"name": "EXAMPLE general"})
    assert refused.value.constraint == "insurers_name"


def test_a_row_that_others_name_cannot_go(backend, client_id):
    execute_query("members", "insert", data={"client_id": client_id, "name": "child"})
    with pytest.raises(ReferenceMissing):
        execute_query("clients", "delete", filters={"client_id_eq": client_id})


def test_a_rule_of_the_schema_is_named_as_bad_data(backend, client_id, known_fault_of_lite):
    known_fault_of_lite("check violations")
    with pytest.raises(InvalidData) as refused:
        execute_query("clients", "update", data={"language": "klingon"}, filters={"client_id_eq": client_id})
    assert "clients_language_check" in refused.value.message


def test_an_edit_of_a_row_that_changed_meanwhile_is_refused(backend, client_id):
    seen = stored("clients", client_id=client_id)[0]["version"]
    mine = {"client_id_eq": client_id, "version_eq": seen}
    with transaction() as tx:
        tx.update("clients", {"city": "Pune"}, filters=mine, expect=1)
    with pytest.raises(Conflict), transaction() as tx:
        tx.update("clients", {"city": "Surat"}, filters=mine, expect=1)
    row = stored("clients", client_id=client_id)[0]
    assert (row["city"], row["version"]) == ("Pune", seen + 1)


def test_expect_may_be_none_many_or_zero(backend, client_id):
    with transaction() as tx:
        tx.insert("members", [{"client_id": client_id, "name": str(n)} for n in range(3)])
        everyone = tx.update("members", {"nominee": "N"}, filters={"client_id_eq": client_id}, expect=3)
        nobody = tx.delete("members", filters={"client_id_eq": client_id, "name_eq": "9"}, expect=0)
        whoever = tx.delete("members", filters={"client_id_eq": client_id, "name_eq": "9"})
    assert (len(everyone.rows), nobody.rows, whoever.rows) == (3, [], [])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"name_eq": "a"}, ["a"]),
        ({"name": "a"}, ["a"]),
        ({"name_neq": "a"}, ["b", "c", 'd, (e) "f"']),
        ({"name_in": ["a", 'd, (e) "f"']}, ["a", 'd, (e) "f"']),
        ({"name_in": []}, []),
        ({"name_like": "%(e)%"}, ['d, (e) "f"']),
        ({"name_ilike": "A"}, ["a"]),
        ({"nominee_is": None}, ["b", "c", 'd, (e) "f"']),
        ({"nominee": None}, ["b", "c", 'd, (e) "f"']),
        ({"name_gt": "a", "name_lte": "c"}, ["b", "c"]),
        ({"date_of_birth_gte": dt.date(2000, 1, 1)}, ["a"]),
    ],
)
def test_writes_take_the_filters_of_reads(backend, client_id, filters, expected):
    with transaction() as tx:
        tx.insert("members", [{"client_id": client_id, "name": name} for name in ("b", "c", 'd, (e) "f"')])
        tx.insert(
            "members", {"client_id": client_id, "name": "a", "nominee": "x", "date_of_birth": dt.date(2001, 1, 1)}
        )
    with transaction() as tx:
        met = tx.update("members", {"phone": "+911234567"}, filters={"client_id_eq": client_id, **filters})
    assert sorted(row["name"] for row in met.rows) == expected
    with transaction() as tx:
        gone = tx.delete("members", filters={"client_id_eq": client_id, **filters})
    assert sorted(row["name"] for row in gone.rows) == expected
    assert len(stored("members", client_id=client_id)) == 4 - len(expected)


def test_an_update_may_empty_a_column(backend, client_id):
    execute_query("clients", "update", data={"city": "Pune"}, filters={"client_id_eq": client_id})
    execute_query("clients", "update", data={"city": None}, filters={"client_id_eq": client_id})
    assert stored("clients", client_id=client_id)[0]["city"] is None


def test_an_upsert_adds_or_replaces(backend, client_id):
    key = f"upsert {client_id}"
    for value in ({"n": 1}, {"n": 2}):
        with transaction() as tx:
            tx.upsert(
                "settings", [{"key": key, "value": value}, {"key": f"{key} other", "value": value}], on_conflict="key"
            )
    assert stored("settings", key=key)[0]["value"] == {"n": 2}
    assert stored("settings", key=f"{key} other")[0]["version"] == 2


def test_an_upsert_falls_back_on_the_primary_key(backend):
    for number in (1, 2):
        execute_query("client_prefixes", "upsert", data={"prefix": "UP", "last_number": number})
    assert stored("client_prefixes", prefix="UP")[0]["last_number"] == 2


def test_rows_of_one_insert_must_have_the_same_columns(backend, client_id):
    with pytest.raises(InvalidQuery), transaction() as tx:
        tx.insert(
            "members", [{"client_id": client_id, "name": "A"}, {"client_id": client_id, "name": "B", "nominee": "C"}]
        )
    with pytest.raises(InvalidQuery):
        execute_query("members", "insert", data=[{"client_id": client_id, "name": "A"}, {"client_id": client_id}])


@pytest.mark.parametrize("filters", [None, {}])
@pytest.mark.parametrize("operation", ["update", "delete"])
def test_a_write_without_a_filter_is_refused(backend, client_id, operation, filters):
    with pytest.raises(InvalidQuery, match="filter"):
        execute_query("clients", operation, data={"city": "X"} if operation == "update" else None, filters=filters)
    with pytest.raises(InvalidQuery, match="filter"), transaction() as tx:
        if operation == "update":
            tx.update("clients", {"city": "X"}, filters=filters or {})
        else:
            tx.delete("clients", filters=filters or {})
    assert stored("clients", client_id=client_id)[0]["city"] is None


def test_one_transaction_may_carry_thousands_of_rows(backend):
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    prefixes = [f"Z{a}{b}" for a in letters for b in letters] + [f"Y{a}{b}" for a in letters for b in letters]
    prefixes += [f"X{a}{b}" for a in letters for b in letters] + [f"W{a}{b}" for a in letters for b in letters]
    with transaction() as tx:
        change = tx.insert("client_prefixes", [{"prefix": prefix, "last_number": 1} for prefix in prefixes[:2500]])
    assert len(change.rows) == 2500
    assert execute_query("client_prefixes", filters={"prefix_in": ["ZAA", "WAA"]}, count=True, limit=1).count == 2


def test_a_change_with_a_key_is_applied_once(backend, client_id):
    rows = []
    for _ in range(3):
        with transaction(key=f"once {client_id}") as tx:
            change = tx.insert("members", {"client_id": client_id, "name": "only one"})
        rows.append(change.rows)
    assert len(stored("members", client_id=client_id)) == 1
    assert rows[0] == rows[1] == rows[2]


def test_a_change_with_a_key_that_failed_may_be_tried_again(backend, client_id):
    with pytest.raises(DatabaseError), transaction(key=f"again {client_id}") as tx:
        tx.insert("members", {"client_id": client_id, "name": ""})
    with transaction(key=f"again {client_id}") as tx:
        tx.insert("members", {"client_id": client_id, "name": "mended"})
    assert len(stored("members", client_id=client_id)) == 1


def test_new_ids_are_never_given_twice(backend):
    taken = [new_id("policies") for _ in range(250)]
    assert len(set(taken)) == 250
    assert all(isinstance(number, int) for number in taken)
    with pytest.raises(DatabaseError):
        new_id("clients")
