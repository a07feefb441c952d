"""Global search: one field that finds people, policies and vehicles however they are written."""

import re

import pytest

from database_pool import execute_query, transaction
from portal.search import queries
from portal.search.service import mark
from tests.cast import sign_in
from tests.clients.counting import questions_of


def search(browser, typed, **more):
    return browser.get("/search", query_string={"q": typed, **more})


def headings(page):
    return re.findall(r'<h2 id="h-(\w+)">', page.text)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("mehta", ["clients", "members"]),
        ("MEHTA rohan", ["clients"]),
        ("12345", ["clients", "vehicles"]),
        ("98200 12345", ["clients"]),
        ("+91-98200 54321", ["clients"]),
        ("98200", ["clients"]),
        ("rohan@example", ["clients"]),
        ("neha", ["members"]),
        ("9769011111", ["members"]),
        ("204511", ["policies"]),
        ("2856 2045", ["policies"]),
        ("OG26 1905", ["policies"]),
        ("og/26/1905-1801x", []),
        ("MH 02 DN 4417", ["policies", "vehicles"]),
        ("mh-02-dn", ["policies", "vehicles"]),
        ("02dn4417", ["policies", "vehicles"]),
        ("swift", ["vehicles"]),
        ("00123456", ["vehicles"]),
        ("22 bh 1234", ["policies", "vehicles"]),
        ("मेहता", ["clients"]),
        ("mumbai", ["clients"]),
    ],
)
def test_parts_of_names_and_numbers_are_found_however_they_are_written(clerk, typed, found):
    page = search(clerk, typed)
    assert page.status_code == 200 and headings(page) == found


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("RM01", "/clients/RM01"),
        ("rm 01", "/clients/RM01"),
        ("2856/204511/2026", "/policies/1"),
        ("2856 204511 2026", "/policies/1"),
        ("og261905 1801", "/policies/2"),
    ],
)
def test_the_exact_id_or_number_opens_the_record(clerk, typed, address):
    answer = search(clerk, typed)
    assert (answer.status_code, answer.location) == (303, address)


def test_the_latest_terms_are_found_first_however_few_are_asked_for(clerk):
    def found(kind, query, most):
        return [row["policy_id"] for row in queries.found(query, [kind], most)[kind]]

    everyone, cars = found("policies", "'2026':* | '26':* | 'mh':*", 100), found("vehicles", "'mh':* | '22':*", 100)
    assert len(everyone) > 1 and len(cars) > 1
    for some in (1, 2):
        assert found("policies", "'2026':* | '26':* | 'mh':*", some) == everyone[:some]
        assert found("vehicles", "'mh':* | '22':*", some) == cars[:some]


@pytest.mark.parametrize("typed", ["gone", "Gone Mehta", "GM01"])
def test_what_is_in_the_trash_is_not_found(clerk, typed):
    assert "No match for" in search(clerk, typed).text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Find anybody or anything"),
        ("a", "At least two letters or digits"),
        (" - ", "At least two letters or digits"),
        ("zzzz", "No match for"),
        ("🙂🙂", "At least two letters or digits"),
        ("' or 1=1 --", "No match for"),
        ("x':* | 'y", "No match for"),
        ("<b>bold</b>", "No match for"),
        ("eq.RM01,or(name.eq.x)", "No match for"),
        ("x" * 199, "No match for"),
        ("%%__", "At least two letters or digits"),
    ],
)
def test_nothing_found_and_nothing_understood_are_said_plainly(clerk, typed, sentence):
    page = search(clerk, typed)
    assert page.status_code == 200 and sentence in page.text and "<b>bold" not in page.text


def test_a_text_beyond_the_limit_and_unknown_kinds_are_left_out(clerk):
    assert "Find anybody" in search(clerk, "x" * 5000).text
    assert headings(search(clerk, "mehta", kind="wizards")) == ["clients", "members"]
    assert headings(search(clerk, "mehta", kind="members")) == ["members"]


def test_the_matched_part_is_marked(clerk):
    assert "Rohan <mark>Mehta</mark>" in search(clerk, "mehta").text
    assert "<mark>98200 12345</mark>" in search(clerk, "9820012345").text
    assert "<mark>MH 02 DN</mark> 4417" in search(clerk, "mh02dn").text


@pytest.mark.parametrize(
    ("text", "typed", "pieces"),
    [
        ("Rohan Mehta", "meh", [("Rohan ", False), ("Meh", True), ("ta", False)]),
        ("Rohan Mehta", "ehta", [("Rohan Mehta", False)]),
        ("2856/204511/2026", "56204", [("28", False), ("56/204", True), ("511/2026", False)]),
        ("+91 98200 12345", "12345", [("+91 98200 ", False), ("12345", True)]),
        ("MH 02 DN 4417", "02dn 44", [("MH ", False), ("02 DN 44", True), ("17", False)]),
        ("İstanbul İnci", "inci", [("İstanbul İnci", False)]),
        ("aaaa", "a", [("a", True), ("aaa", False)]),
        (None, "x", []),
        ("", "x", []),
        ("name", "", [("name", False)]),
    ],
)
def test_marking_shows_the_part_that_the_search_found(text, typed, pieces):
    assert mark(text, typed) == pieces


def test_more_than_five_of_a_kind_can_be_opened(clerk, database):
    execute_query("clients", "insert", data=[{"client_id": f"QQ{n:02d}", "name": f"Quentin {n:02d}"} for n in range(8)])
    page = search(clerk, "quentin")
    assert page.text.count('href="/clients/QQ') == 5 and "Show more clients" in page.text
    assert search(clerk, "quentin", kind="clients").text.count('href="/clients/QQ') == 8


def test_an_id_comes_before_the_longer_ids_that_begin_with_it(clerk):
    page = search(clerk, "RM0").text
    assert page.index("Rohan") < page.index("Rohini")


@pytest.mark.parametrize("who", ["accounts", "reader", "manager"])
def test_every_role_may_search(app, who):
    assert headings(search(sign_in(app, who), "mehta")) == ["clients", "members"]


def test_a_search_asks_one_question_besides_the_session(clerk, monkeypatch):
    assert questions_of(clerk, "/search?q=mehta", monkeypatch) <= 2
    assert questions_of(clerk, "/search?q=", monkeypatch) <= 1


def test_terms_in_force_come_before_those_that_ended(clerk):
    common = {"client_id": "RM01", "insurer_id": 1, "product_id": 1, "line": "motor", "policy_from": "2025-01-01"}
    with transaction() as tx:
        for number, state in enumerate(["cancelled", "live", "lost", "pending", "renewed"]):
            end = f"203{9 - number}-01-01"
            tx.insert(
                "policies",
                {
                    **common,
                    "policy_id": 11 + number,
                    "policy_number": f"ORDER/{number}",
                    "state": state,
                    "policy_to": end,
                    "due_on": end,
                },
            )
    page = search(clerk, "order").text
    assert re.findall(r"<mark>ORDER</mark>/(\d)", page) == ["1", "3", "0", "2", "4"]
