"""Lists page by page: every row once, in both directions, whatever the sort and wherever values are missing."""

import base64
import json
from datetime import date
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database_pool import execute_query
from portal import paging
from portal.clients.queries import SORTS as CLIENTS
from portal.paging import SIZES, Sort, listing, page_filters, page_order, read_page
from portal.policies.queries import SORTS as POLICIES

SORTS = (
    Sort("name", "name", "agent_id", key_kind="whole"),
    Sort("email", "email", "agent_id", key_kind="whole", nullable=True, descending=True),
    Sort("added", "created_at", "agent_id", kind="time", key_kind="whole"),
    Sort("number", "agent_id", "agent_id", kind="whole", key_kind="whole"),
)
HOW_MANY = 61


@pytest.fixture(scope="module", autouse=True)
def agents(database):
    """Agents of whom a third have no e-mail, several the same one, with a name in another script among them."""
    execute_query(
        "agents",
        "insert",
        data=[
            {
                "name": f"Agent {number:03d}" if number % 7 else f"मेहता {number}",
                "email": (None if number % 3 == 0 else f"e{number % 5}@example.in"),
            }
            for number in range(HOW_MANY)
        ],
    )
    execute_query("clients", "insert", data=[{"client_id": f"RM0{number}", "name": "Rohan"} for number in range(3)])


def walk(arguments, link="next_link", size=25, filters=None):
    """All pages from the one of `arguments` on, following a link."""
    while True:
        page = read_page("agents", listing(arguments, SORTS, size=size), filters=filters)
        yield page
        if not getattr(page, link):
            return
        arguments = dict(parse_qsl(getattr(page, link)[1:]))


@pytest.mark.parametrize("word", ["", "name", "-name", "email", "-email", "added", "-added", "number", "-number"])
def test_following_next_shows_every_row_once_in_the_order_of_the_database(word):
    pages = list(walk({"sort": word}))
    rows = [row["agent_id"] for page in pages for row in page.rows]
    wanted = listing({"sort": word}, SORTS)
    assert rows == [row["agent_id"] for row in execute_query("agents", order=page_order(wanted)).data]
    assert [page.start for page in pages] == [0, 25, 50] and [page.total for page in pages] == [HOW_MANY] * 3


@pytest.mark.parametrize("word", ["name", "-name", "email", "-email", "-added"])
def test_following_previous_leads_back_over_the_same_pages(word):
    forwards = list(walk({"sort": word}))
    last = dict(parse_qsl(forwards[-2].next_link[1:]))
    backwards = list(walk(last, "previous_link"))
    assert [page.rows for page in backwards] == [page.rows for page in forwards[::-1]]
    assert [page.start for page in backwards] == [50, 25, 0]
    assert not backwards[-1].previous_link and backwards[-1].next_link


def test_empty_values_come_last_in_both_directions():
    for word in ("email", "-email"):
        emails = [row["email"] for page in walk({"sort": word}) for row in page.rows]
        assert emails.index(None) == sum(email is not None for email in emails)


def test_a_row_added_meanwhile_shifts_no_other_row():
    first, *_ = walk({"sort": "name"})
    execute_query("agents", "insert", data={"name": "Aaa First"})
    second = read_page("agents", listing(dict(parse_qsl(first.next_link[1:])), SORTS, size=25))
    assert not {row["agent_id"] for row in first.rows} & {row["agent_id"] for row in second.rows}
    execute_query("agents", "delete", filters={"name_eq": "Aaa First"})


def test_conditions_of_the_list_hold_on_every_page_even_alternatives():
    filters = {"or": [{"email_eq": "e1@example.in"}, {"email_eq": "e2@example.in"}], "agent_id_gte": 1}
    rows = [row for page in walk({}, filters=filters, size=5) for row in page.rows]
    assert len(rows) == execute_query("agents", filters=filters, count=True, limit=1).count
    assert {row["email"] for row in rows} == {"e1@example.in", "e2@example.in"}


def test_a_page_whose_rows_are_gone_shows_the_first_one():
    *_, last = walk({"sort": "name"})
    cursor = dict(parse_qsl(list(walk({"sort": "name"}))[-2].next_link[1:]))
    gone = [row["agent_id"] for row in last.rows]
    page = read_page("agents", listing(cursor, SORTS, size=25), filters={"agent_id_not_in": gone})
    assert page.start == 0 and len(page.rows) == 25


def packed(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%%%",
        "=",
        "W10",
        "bnVsbA",
        "e30",
        "x" * 5000,
        packed(["name"]),
        packed(["name", False, 0, "a"]),
        packed(["name", False, 0, "a", "x"]),
        packed(["name", False, 0, "a", "1e400"]),
        packed(["name", False, 0, "a", "NaN"]),
        packed(["name", False, 0, "a", str(2**63)]),
        packed(["name", False, 0, "a\0", "1"]),
        packed(["name", False, 0, "\ud800", "1"]),
        packed(["name", False, -1, "a", "1"]),
        packed(["name", False, True, "a", "1"]),
        packed(["name", 1, 0, "a", "1"]),
        packed(["name", False, 0, None, "1"]),
        packed(["name", False, 0, 5, "1"]),
        packed(["name", False, 0, {"a": 1}, "1"]),
        packed(["-name", False, 0, "a", "1"]),
        packed({"name": 1}),
        "W1" * 900,
    ],
)
def test_a_cursor_that_is_not_ours_shows_the_first_page(cursor):
    wanted = listing({"sort": "name", "cursor": cursor}, SORTS, size=25)
    assert wanted.cursor is None
    assert read_page("agents", wanted).start == 0


def test_a_date_or_time_in_a_cursor_must_be_one():
    sorts = (Sort("due", "next_due", "client_id", kind="date"), Sort("added", "created_at", "client_id", kind="time"))
    on_a_day = listing({"cursor": packed(["due", False, 0, "2026-11-23", "RM01"])}, sorts).cursor
    assert on_a_day is not None and on_a_day.value == date(2026, 11, 23)
    assert listing({"cursor": packed(["due", False, 0, "2026-02-31", "RM01"])}, sorts).cursor is None
    assert listing({"sort": "added", "cursor": packed(["added", False, 0, "2026-11-23", "x"])}, sorts).cursor is None


MOMENTS = st.datetimes(timezones=st.timezones()).map(str) | st.sampled_from(
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-11-23T10:00:00+23:59", "20261123T101112Z"]
)
NUMBERS = st.one_of(
    st.integers().map(str),
    st.decimals().map(str),
    st.sampled_from(["1.5", "1_0", " 7", "٣", "-0", "1e18", "1e-30", "9" * 18, str(2**63), "0x1f", "1e2", "sNaN"]),
)
VALUES = st.one_of(NUMBERS, st.dates().map(str), MOMENTS, st.text(max_size=30), st.sampled_from(["0001-01-01", "{}"]))
FORGED = st.tuples(st.booleans(), st.integers(-1, 2**40), st.none() | VALUES, VALUES)


@pytest.mark.parametrize(
    ("relation", "sorts"),
    [("agents", SORTS), ("client_list", CLIENTS), ("policy_list", tuple(POLICIES.values()))],
    ids=["agents", "clients", "policies"],
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_cursor_however_forged_breaks_a_list(relation, sorts, data):
    sort = data.draw(st.sampled_from(sorts))
    word = sort.name if data.draw(st.booleans()) else f"-{sort.name}"
    cursor = data.draw(FORGED.map(lambda content: packed([word, *content])) | st.text(max_size=60))
    columns = ", ".join(dict.fromkeys([sort.column, sort.key]))
    page = read_page(relation, listing({"sort": word, "cursor": cursor}, sorts, size=25), columns=columns)
    assert len(page.rows) <= 25


@pytest.mark.parametrize("moment", ["2026-11-23T10:00:00+23:59", "0001-01-01T00:00:00+14:00"])
def test_a_moment_with_an_odd_offset_breaks_no_list(moment):
    cursor = packed(["added", False, 0, moment, "1"])
    assert len(read_page("agents", listing({"sort": "added", "cursor": cursor}, SORTS, size=25)).rows) == 25


def test_a_key_with_decimals_shows_the_first_page_where_keys_are_whole_numbers():
    for key in ("1.5", "1.0", "1e2", " 7", "٣", "1_0", "9" * 25):
        assert listing({"sort": "name", "cursor": packed(["name", False, 0, "a", key])}, SORTS).cursor is None, key


@pytest.mark.parametrize(("size", "used"), [("", 50), ("25", 25), ("100", 100), ("7", 50), ("-1", 50), ("x", 50)])
def test_only_the_offered_page_sizes_are_used(size, used):
    assert listing({"size": size}, SORTS).size == used and used in SIZES


def test_headings_lead_to_their_own_direction_first_and_then_to_the_other():
    wanted = listing({"city": "Pune", "cursor": "x"}, SORTS)
    assert (wanted.aria_sort("name"), wanted.aria_sort("email")) == ("ascending", "")
    assert wanted.heading_link("name") == "?city=Pune&sort=-name"
    assert wanted.heading_link("email") == "?city=Pune&sort=-email"
    assert listing({"sort": "-email"}, SORTS).heading_link("email") == "?sort=email"


def test_links_keep_the_other_parameters_and_drop_the_empty_ones():
    wanted = listing({"q": "a&b", "city": "", "cursor": "x"}, SORTS)
    assert wanted.link(group="G H") == "?q=a%26b&group=G+H"
    assert wanted.link(q=None) == "?"


def test_a_sort_that_is_never_empty_gives_the_index_a_place_to_start():
    cursor = packed(["number", False, 25, "7", "7"])
    filters = page_filters(listing({"sort": "number", "cursor": cursor}, SORTS), {"name_ilike": "a%"})
    assert filters["agent_id_gte"] == Decimal(7) and filters["name_ilike"] == "a%"


def test_a_letter_leads_to_the_first_name_that_begins_with_it_or_a_later_one(by_letter):
    page = read_page("client_list", listing({"sort": "name", "at": "m"}, CLIENTS, size=25), filters=by_letter)
    assert [row["name"] for row in page.rows] == ["Mira", "Zoya"]
    assert (page.start, page.total) == (2, 4)
    before = read_page("client_list", listing(dict(parse_qsl(page.previous_link[1:])), CLIENTS), filters=by_letter)
    assert [row["name"] for row in before.rows] == ["Asha", "Kavita"]


def test_a_letter_works_downwards_too(by_letter):
    page = read_page("client_list", listing({"sort": "-name", "at": "k"}, CLIENTS, size=25), filters=by_letter)
    assert [row["name"] for row in page.rows] == ["Kavita", "Asha"]
    assert (page.start, page.total) == (2, 4)


@pytest.mark.parametrize(("at", "ids"), [("2026-03", ["JM2", "JM3"]), ("2026-02", ["JM2", "JM3"]), ("2025-12", "all")])
def test_a_month_leads_to_its_first_day(by_letter, at, ids):
    sort = Sort("added", "created_at", "client_id", kind="time")
    page = read_page("client_list", listing({"at": at}, [sort], size=25), filters=by_letter)
    found = [row["client_id"] for row in page.rows]
    assert found == (["JM0", "JM1", "JM2", "JM3"] if ids == "all" else ids)
    assert page.start == 4 - len(found)


@pytest.mark.parametrize("at", ["", "mm", "1", "é", "2026-13", "2026-00", "0000-01", "9999-12", "' or 1=1"])
def test_a_place_that_does_not_exist_is_the_first_page(by_letter, at):
    for sort in (CLIENTS[0], Sort("added", "created_at", "client_id", kind="time")):
        assert read_page("client_list", listing({"at": at}, [sort]), filters=by_letter).start == 0


def test_a_jump_past_the_end_shows_the_first_page(by_letter):
    others = {**by_letter, "name_neq": "Zoya"}
    page = read_page("client_list", listing({"sort": "name", "at": "z"}, CLIENTS), filters=others)
    assert page.start == 0 and len(page.rows) == 3


def test_a_list_is_read_to_its_end_in_its_order(monkeypatch):
    monkeypatch.setattr(paging, "AT_ONCE", 7)
    for word in ("name", "-email"):
        wanted = listing({"sort": word}, SORTS)
        rows = [row["agent_id"] for row in paging.read_all("agents", wanted)]
        assert rows == [row["agent_id"] for row in execute_query("agents", order=page_order(wanted)).data]


@pytest.fixture(scope="module")
def by_letter(agents):
    """Four clients, one of each name, added in the order of their ids: two in January and two in March 2026."""
    names = {"JM0": "Zoya", "JM1": "Asha", "JM2": "Mira", "JM3": "Kavita"}
    moments = ("2026-01-05T10:00:00Z", "2026-01-31T18:29:00Z", "2026-02-28T18:31:00Z", "2026-03-09T10:00:00Z")
    rows = [{"client_id": client_id, "name": name, "created_at": moment}
            for (client_id, name), moment in zip(names.items(), moments, strict=True)]
    execute_query("clients", "insert", data=rows)
    return {"client_id_in": list(names)}
