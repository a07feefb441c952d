"""What select promises, on every way to the data alike."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import pytest

from database_pool import InvalidData, InvalidQuery, Question, execute_queries, execute_query
from tests.database.conftest import Backend

# Names that mean something to SQL, to PostgREST's filters, to JSON, or to a careless template.
AWKWARD = {
    "AW01": "O'Neil",
    "AW02": 'the "Quoted" Company',
    "AW03": "back\\slash\\",
    "AW04": "Comma, Dot. Colon: (Paren)",
    "AW05": "100% *Star* under_score",
    "AW06": "null",
    "AW07": "true",
    "AW08": "{brace} [bracket] <angle> & ; -- /* */",
    "AW09": "रोहन उदाहरण",
    "AW10": "ગુજરાતી નામ",
    "AW11": "smile 😀 family 👨‍👩‍👧",
    "AW12": " leading and trailing ",
    "AW13": "eq.5",
    "AW14": "a,b),or(name.eq.x",
    "AW15": "line\nbreak\ttab",
    "AW16": "%s %(name)s {} $1 :name ?",
    "AW17": "é is not é",
    "AW18": "+91 & plus+plus",
    "AW19": "#hash?query=1&x=2",
    "AW20": "1",
    "AW21": "+919800000009",
    "AW22": "1.50",
}
FAULTS_OF_WORDS = dict.fromkeys(["AW06", "AW07"], "null and true") | dict.fromkeys(["AW21", "AW22"], "numbers in text")
FAULTS = {**FAULTS_OF_WORDS, "AW12": "spaces at the ends"}
FAULTS_IN_OR = {**FAULTS_OF_WORDS, "AW02": "quoted in or", "AW03": "quoted in or"}
PREFIXES = [f"{a}{b}{c}" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for c in "ABCDEFGHIJ"][:2500]


@pytest.fixture(scope="module", autouse=True)
def book(backend: Backend) -> Iterator[None]:
    """A few clients with awkward names, a few policies, and 2,500 rows of something small."""
    with backend.sql.cursor() as cursor:
        cursor.executemany("insert into clients (client_id, name) values (%s, %s)", list(AWKWARD.items()))
        cursor.execute("""
            insert into agents (agent_id, name) values (1, 'First Agent'), (2, 'Second Agent');
            insert into insurers (insurer_id, name) values (1, 'Example General');
            insert into products (product_id, name, line, is_group) values
              (1, 'Fire Cover', 'fire', false), (2, 'Staff Health', 'health', true);
            insert into clients (client_id, name, city, phone, date_of_birth, agent_id, email_opt_in, created_at) values
              ('RM01', 'Rohan Meta', 'Pune', '+919800000001', '1980-02-29', 1, true, '2026-01-01 00:00+05:30'),
              ('RM02', 'Rohini Meta', 'Pune', null, '1999-12-31', 2, false, '2026-01-01 00:00+00:00'),
              ('RM03', 'rohit META', 'Surat', '+919800000003', null, null, true, '2026-06-30 23:59:59.999999+00:00'),
              ('RM04', 'Asha', null, null, null, 1, false, now());
            insert into policies (policy_id, client_id, insurer_id, product_id, line, policy_number, policy_from,
                                  policy_to, due_on, gross_premium, sum_insured, waiting_for) values
              (1, 'RM01', 1, 1, 'fire', 'P/1', '2026-04-01', '2027-03-31', '2027-03-31', 12.50, 1000000, '{}'),
              (2, 'RM01', 1, 1, 'fire', 'P/2', '2026-04-01', '2027-03-31', '2027-03-31', 99.95, null, '{papers}'),
              (3, 'RM02', 1, 2, 'health', 'P/3', '2026-05-01', '2027-04-30', '2027-04-30', 0, 500000, '{}');
        """)
        cursor.executemany(
            "insert into client_prefixes (prefix, last_number) values (%s, %s)",
            [(prefix, place % 7) for place, prefix in enumerate(PREFIXES)],
        )
    yield


def ids(filters, table="clients", column="client_id", **asked):
    asked.setdefault("order", column)
    return [row[column] for row in execute_query(table, columns=column, filters=filters, **asked).data]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"client_id_eq": "RM01"}, ["RM01"]),
        ({"client_id": "RM01"}, ["RM01"]),
        ({"client_id_neq": "RM01", "client_id_like": "RM%"}, ["RM02", "RM03", "RM04"]),
        ({"client_id_gt": "RM02"}, ["RM03", "RM04"]),
        ({"client_id_gte": "RM02"}, ["RM02", "RM03", "RM04"]),
        ({"client_id_lt": "RM02", "client_id_gte": "RM"}, ["RM01"]),
        ({"client_id_lte": "RM02", "client_id_gte": "RM"}, ["RM01", "RM02"]),
        ({"name_like": "Roh%Meta"}, ["RM01", "RM02"]),
        ({"name_ilike": "roh%meta"}, ["RM01", "RM02", "RM03"]),
        ({"client_id_in": ["RM01", "RM03", "nobody"]}, ["RM01", "RM03"]),
        ({"client_id_in": ("RM04",)}, ["RM04"]),
        ({"client_id_in": []}, []),
        ({"client_id_not_in": ["RM01", "RM02"], "client_id_like": "RM%"}, ["RM03", "RM04"]),
        ({"client_id_not_in": [], "client_id_like": "RM%"}, ["RM01", "RM02", "RM03", "RM04"]),
        ({"city_is": None, "client_id_like": "RM%"}, ["RM04"]),
        ({"city_eq": None, "client_id_like": "RM%"}, ["RM04"]),
        ({"city": None, "client_id_like": "RM%"}, ["RM04"]),
        ({"city_not_is": None}, ["RM01", "RM02", "RM03"]),
        ({"city_neq": None}, ["RM01", "RM02", "RM03"]),
        ({"city_neq": "Pune"}, ["RM03"]),
        ({"email_opt_in_is": True}, ["RM01", "RM03"]),
        ({"email_opt_in_eq": True}, ["RM01", "RM03"]),
        ({"email_opt_in_is": False, "client_id_like": "RM%"}, ["RM02", "RM04"]),
        ({"email_opt_in_not_is": False, "client_id_like": "RM%"}, ["RM01", "RM03"]),
        ({"agent_id_eq": 1}, ["RM01", "RM04"]),
        ({"agent_id_in": [1, 2]}, ["RM01", "RM02", "RM04"]),
        ({"date_of_birth_lt": dt.date(1990, 1, 1)}, ["RM01"]),
        ({"date_of_birth_eq": "1999-12-31"}, ["RM02"]),
        ({"created_at_lt": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, ["RM01"]),
        (
            {"created_at_eq": dt.datetime(2026, 1, 1, 5, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))},
            ["RM02"],
        ),
        ({"created_at_eq": dt.datetime(2026, 6, 30, 23, 59, 59, 999999, tzinfo=dt.UTC)}, ["RM03"]),
        ({"client_id_eq": "' or 1=1 --"}, []),
    ],
)
def test_a_filter_finds_the_rows_it_describes_and_no_others(backend, filters, expected):
    assert ids(filters) == expected


def test_several_questions_in_one_trip_answer_what_each_alone_does():
    questions = [
        Question("clients", filters={"client_id_like": "RM%"}, order="client_id desc", limit=3),
        Question("policies", filters={"policy_id_in": [1, 2], "state_is": None}),
        Question("policies", filters={"or": [{"policy_id_eq": 1}, {"gross_premium_eq": Decimal("99.95")}]},
                 order=["policy_id"]),
        Question("clients", ("name", "client_id"), {"client_id_eq": "AW09"}, limit=1),
        Question("change_marks", order="subject"),   # has a column "rows"
    ]
    alone = [
        execute_query(one.table, columns=one.columns, filters=one.filters, order=one.order, limit=one.limit).data
        for one in questions
    ]
    assert execute_queries(questions) == alone
    assert [len(rows) for rows in alone[:4]] == [3, 0, 2, 1]
    assert execute_queries([]) == []


def test_a_wrong_name_in_one_of_several_questions_is_told():
    with pytest.raises(InvalidQuery, match="no column 'nam' in clients; did you mean 'name'"):
        execute_queries([Question("policies", limit=1), Question("clients", columns="nam")])
    with pytest.raises(InvalidQuery, match="limit"):
        execute_queries([Question("clients", limit=-1)])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"gross_premium_eq": Decimal("12.50")}, [1]),
        ({"gross_premium_eq": Decimal("12.5")}, [1]),
        ({"gross_premium_gte": 12.5}, [1, 2]),
        ({"gross_premium_in": [Decimal("99.95"), 0]}, [2, 3]),
        ({"sum_insured_is": None}, [2]),
        ({"policy_to_lte": dt.date(2027, 3, 31)}, [1, 2]),
        ({"policy_id_gt": 1, "policy_id_lt": 3}, [2]),
    ],
)
def test_numbers_and_days_are_compared_as_such(backend, filters, expected):
    assert ids(filters, "policies", "policy_id") == expected


@pytest.mark.parametrize("client_id", AWKWARD)
def test_an_awkward_value_is_found_literally(backend, client_id, known_fault_of_lite):
    known_fault_of_lite(FAULTS.get(client_id))
    name = AWKWARD[client_id]
    assert ids({"name_eq": name}) == [client_id]
    assert ids({"name_in": [name, "nobody"]}) == [client_id]
    assert client_id not in ids({"name_neq": name})
    assert client_id not in ids({"name_not_in": [name]})


@pytest.mark.parametrize("client_id", AWKWARD)
def test_an_awkward_value_is_found_literally_in_an_or_group(backend, client_id, known_fault_of_lite):
    known_fault_of_lite(FAULTS_IN_OR.get(client_id))
    name = AWKWARD[client_id]
    assert ids({"or": [{"name_eq": name}, {"client_id_eq": "RM01"}]}) == [client_id, "RM01"]
    assert ids({"or": [{"name_in": [name, "nobody"]}, {"client_id_eq": "RM01", "city_eq": "Surat"}]}) == [client_id]


def test_awkward_values_come_back_as_they_are(backend):
    rows = execute_query("clients", columns=["client_id", "name"], filters={"client_id_like": "AW%"}).data
    assert {row["client_id"]: row["name"] for row in rows} == AWKWARD


def test_wildcards_find_what_contains_them(backend):
    assert ids({"name_like": "%*Star*%"}) == ["AW05"]
    assert ids({"name_like": "100\\%%"}) == ["AW05"]
    assert ids({"name_ilike": "%under\\_SCORE"}) == ["AW05"]
    assert ids({"name_ilike": "%, dot. colon: (%"}) == ["AW04"]
    assert ids({"name_ilike": "%रोहन%"}) == ["AW09"]


def test_groups_of_or_hold_together_and_beside_other_conditions(backend):
    groups = [{"city_eq": "Pune", "email_opt_in_is": True}, {"city_eq": "Surat"}]
    assert ids({"or": groups}) == ["RM01", "RM03"]
    assert ids({"or": groups, "client_id_neq": "RM03"}) == ["RM01"]
    assert ids({"or": [{"name_ilike": "asha"}, {"phone_is": None, "city_eq": "Pune"}, {"agent_id_in": [2, 7]}]}) == [
        "RM02",
        "RM04",
    ]
    assert ids({"or": [{"client_id_in": ["RM01", "RM02"]}, {"date_of_birth_gte": dt.date(1999, 1, 1)}]}) == [
        "RM01",
        "RM02",
    ]
    assert ids({"or": [{"name_ilike": "%rohan meta%"}, {"name_like": "As%"}]}) == ["RM01", "RM04"]


def test_a_pattern_with_marks_is_found_in_an_or_group(backend, known_fault_of_lite):
    known_fault_of_lite("patterns in or")
    assert ids({"or": [{"name_ilike": "%, dot. colon: (%"}, {"name_like": "As%"}]}) == ["AW04", "RM04"]


def test_words_are_found_through_the_search_column(backend):
    assert ids({"search_fts": "'roh':*"}) == ["RM01", "RM02", "RM03"]
    assert ids({"search_fts": "'meta':* & 'pune'"}) == ["RM01", "RM02"]
    assert ids({"search_fts": "'9800000003'"}) == ["RM03"]
    assert ids({"search_fts": "'0003'"}) == ["RM03"]
    assert ids({"search_fts": "'रोहन':*"}) == ["AW09"]
    assert ids({"search_fts": "'quoted'", "client_id_like": "AW%"}) == ["AW02"]


def test_search_vectors_never_come_back(backend):
    row = execute_query("clients", filters={"client_id_eq": "RM01"}).data[0]
    assert "search" not in row
    assert row["name"] == "Rohan Meta"


def test_only_the_columns_asked_for_come_back_in_their_order(backend):
    row = execute_query("clients", columns="name, client_id", filters={"client_id_eq": "RM01"}).data[0]
    assert list(row.items()) == [("name", "Rohan Meta"), ("client_id", "RM01")]


def test_views_are_read_like_tables(backend):
    row = execute_query(
        "client_list",
        columns=["client_id", "agent_name", "live_policies", "gross_premium"],
        filters={"client_id_eq": "RM01"},
    ).data[0]
    assert row == {
        "client_id": "RM01",
        "agent_name": "First Agent",
        "live_policies": 2,
        "gross_premium": Decimal("112.45"),
    }


def test_the_order_is_kept(backend):
    living = {"client_id_like": "RM%"}
    assert ids(living, order="city desc nulls last, client_id desc") == ["RM03", "RM02", "RM01", "RM04"]
    assert ids(living, order="city nulls first, client_id") == ["RM04", "RM01", "RM02", "RM03"]
    assert ids(living, order=["city asc", "name desc"]) == ["RM02", "RM01", "RM03", "RM04"]
    assert ids(living, order="phone desc, client_id") == [
        "RM02",
        "RM04",
        "RM03",
        "RM01",
    ]  # PostgreSQL: nulls first when descending


def test_limit_and_offset_cut_and_count_tells_of_all(backend):
    living = {"client_id_like": "RM%"}
    found = execute_query(
        "clients", columns="client_id", filters=living, order="client_id", limit=2, offset=1, count=True
    )
    assert [row["client_id"] for row in found.data] == ["RM02", "RM03"]
    assert found.count == 4
    assert execute_query("clients", filters=living).count is None
    assert ids(living, limit=0) == []


def test_an_offset_past_the_end_finds_nothing_and_still_counts(backend):
    living = {"client_id_like": "RM%"}
    assert ids(living, offset=50, limit=10) == []
    found = execute_query("clients", filters=living, offset=50, limit=10, order="client_id", count=True)
    assert (found.data, found.count) == ([], 4)
    assert execute_query("clients", filters={"client_id_eq": "nobody"}, count=True).count == 0


def test_more_rows_than_one_page_come_complete_each_once_and_in_order(backend):
    rows = execute_query("client_prefixes", order="prefix").data
    assert [row["prefix"] for row in rows] == PREFIXES
    assert {row["prefix"] for row in execute_query("client_prefixes").data} == set(PREFIXES)


def test_pages_do_not_overlap_when_the_order_has_ties(backend):
    found = execute_query("client_prefixes", order="last_number desc", count=True)
    assert found.count == 2500
    assert {row["prefix"] for row in found.data} == set(PREFIXES)
    assert [row["last_number"] for row in found.data] == sorted(
        (row["last_number"] for row in found.data), reverse=True
    )


def test_a_limit_above_one_page_is_met(backend):
    assert ids({}, "client_prefixes", "prefix", limit=1500) == PREFIXES[:1500]
    assert ids({}, "client_prefixes", "prefix", limit=2100, offset=300) == PREFIXES[300:2400]
    assert ids({}, "client_prefixes", "prefix", offset=2400) == PREFIXES[2400:]


def test_a_list_of_many_hundred_values_is_no_obstacle(backend):
    wanted = PREFIXES[::3]
    assert ids({"prefix_in": wanted}, "client_prefixes", "prefix") == wanted
    assert ids({"prefix_not_in": wanted}, "client_prefixes", "prefix") == [p for p in PREFIXES if p not in set(wanted)]


def test_a_list_of_two_thousand_long_values_is_no_obstacle(backend):
    wanted = [f"no such client under this very long number {number:08}" for number in range(2000)]
    found = execute_query("clients", columns="client_id", filters={"name_in": [*wanted, "Asha", *wanted, "Rohan Meta"]})
    assert sorted(row["client_id"] for row in found.data) == ["RM01", "RM04"]


def test_a_text_of_any_length_is_no_breakdown(backend):
    for length in (5_000, 100_000, 3_000_000):
        try:
            assert execute_query("clients", filters={"name_eq": "x" * length}).data == []
        except InvalidData as refused:
            assert "too long" in refused.message
            assert backend.name == "supabase"
    assert ids({"client_id_eq": "RM01"}) == ["RM01"]


def test_nothing_found_is_an_empty_list(backend):
    assert execute_query("clients", filters={"client_id_eq": "nobody"}).data == []
