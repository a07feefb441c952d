"""The family of a client on one screen: who is covered by what, until when, and what is missing."""

import re
from datetime import timedelta

import pytest

from database_pool import execute_query, transaction
from portal.formats import office_date, today
from tests.clients.counting import questions_of

LINES = (("health", "", 1), ("health", "personal accident", 2), ("motor", "private car", 3), ("life", "", 4))


@pytest.fixture(scope="module", autouse=True)
def covers(database):
    """A family with a floater for two of four, a car, a member who works for them; and a firm."""
    later, ended = today() + timedelta(days=90), today() - timedelta(days=3)
    with transaction() as tx:
        tx.insert("insurers", {"insurer_id": 9, "name": "Family General"})
        tx.insert("products", [
            {"product_id": 90 + number, "name": f"Product {number}", "line": line, "subtype": subtype}
            for line, subtype, number in LINES])
        tx.insert("clients", [
            {"client_id": "FA01", "name": "Kavita Iyer", "client_type": "individual"},
            {"client_id": "FA02", "name": "Iyer Traders", "client_type": "firm"}])
        tx.insert("members", [
            {"member_id": 900 + number, "client_id": "FA01", "name": name, "relation": relation, "date_of_birth": born}
            for number, (name, relation, born) in enumerate([
                ("Kavita Iyer", "self", "1980-05-05"), ("Anand Iyer", "son", "2010-05-05"),
                ("Meera Iyer", "mother", "1950-05-05"), ("Sunil Cook", "employee", "1990-05-05")])])
        tx.insert("policies", [
            {"policy_id": 900 + number, "client_id": "FA01", "member_id": member, "insurer_id": 9, "line": line,
             "product_id": 90 + product, "policy_number": f"FA/{number}", "policy_from": "2026-01-01", "state": state,
             "policy_to": end, "due_on": end, "asset": asset}
            for number, (member, line, product, state, end, asset) in enumerate([
                (900, "health", 1, "live", later, None), (None, "motor", 3, "live", ended, "MH02DN4417"),
                (902, "health", 1, "lost", later, None)])])
        tx.insert("health_details", {"policy_id": 900, "plan": "floater", "floater_sum_insured": 1000000})
        tx.insert("insured_persons", [
            {"policy_id": 900, "member_id": 900, "name": "Kavita Iyer", "sum_insured": None},
            {"policy_id": 900, "member_id": 901, "name": "Anand Iyer", "sum_insured": 300000}])
        tx.insert("motor_details", {"policy_id": 901, "vehicle_class": "private car", "vehicle_number": "MH02DN4417",
                                    "insured_declared_value": 450000})


def grid(browser, client_id="FA01"):
    """What stands in each row of the grid, by member and column."""
    page = browser.get(f"/clients/{client_id}").text
    table = re.search(r'<table class="stack family">(.*?)</table>', page, re.DOTALL)
    rows = re.findall(r"<tr>\s*(<th scope=\"row\".*?)</tr>", table[1], re.DOTALL) if table else []
    found = {}
    for row in rows:
        cells = {label: " ".join(re.sub(r"<[^>]+>", " ", text).split())
                 for label, text in re.findall(r'data-l="([^"]+)">(.*?)</t[dh]>', row, re.DOTALL)}
        found[cells.pop("Member")] = cells
    return found


def test_each_member_shows_cover_sum_and_end(clerk):
    until = office_date(today() + timedelta(days=90))
    shown = grid(clerk)
    assert shown["Kavita Iyer Self"]["Health"] == f"₹10 L until {until}"
    assert shown["Anand Iyer Son"]["Health"] == f"₹3 L until {until}"


def test_what_names_nobody_has_a_row_of_its_own(clerk):
    ended = office_date(today() - timedelta(days=3))
    assert grid(clerk)["Nobody named"]["Motor"] == f"₹4.5 L MH 02 DN 4417 ended {ended}"


def test_gaps_are_named_where_a_family_has_them(clerk):
    shown = grid(clerk)
    assert shown["Meera Iyer Mother"]["Health"] == "No health cover"   # a lost term covers nobody
    assert shown["Kavita Iyer Self"]["Life"] == "No life cover"
    assert shown["Meera Iyer Mother"]["Life"] == ""
    assert shown["Sunil Cook Employee"]["Health"] == ""
    assert "Car without a personal accident cover" in clerk.get("/clients/FA01").text


def test_a_gap_is_gone_once_it_is_covered(clerk):
    later = today() + timedelta(days=200)
    row = {"policy_id": 950, "client_id": "FA01", "member_id": 900, "insurer_id": 9, "line": "health", "product_id": 92,
           "policy_number": "PA/1", "policy_from": "2026-01-01", "policy_to": later, "due_on": later}
    execute_query("policies", "insert", data=row)
    try:
        assert "Car without" not in clerk.get("/clients/FA01").text
        # An accident cover is no health cover.
        execute_query("policies", "update", filters={"policy_id": 950}, data={"member_id": 902})
        assert "No health cover" in grid(clerk)["Meera Iyer Mother"]["Health"]
    finally:
        execute_query("policies", "delete", filters={"policy_id": 950})


def test_a_firm_has_no_gaps_of_a_family(clerk):
    page = clerk.get("/clients/FA02").text
    assert "No health cover" not in page and "No life cover" not in page


@pytest.mark.parametrize("tab", ["", "/policies", "/activity"])
def test_each_tab_has_an_address_and_asks_at_most_six_questions(clerk, monkeypatch, tab):
    assert questions_of(clerk, f"/clients/FA01{tab}", monkeypatch) <= 6
    page = clerk.get(f"/clients/FA01{tab}").text
    assert re.search(rf'href="/clients/FA01{tab}" aria-current="page"', page)
