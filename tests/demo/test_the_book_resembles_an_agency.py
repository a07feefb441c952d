"""The shares and sums of the demo book, against those of the agency it stands for."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import pytest

from portal.demo.book import Book
from portal.demo.records import ClientFile, Term
from portal.formats import financial_year
from tests.demo.conftest import TODAY

pytestmark = pytest.mark.slow

GRACE = {"health": 30, "life": 30}


def standing(term: Term, today: date = TODAY) -> str:
    """What the list of policies would call the term."""
    policy = term.policy
    if policy["state"] != "live":
        return str(policy["state"])
    if policy["due_on"] >= today:
        return "in force"
    if policy["one_time"]:
        return "ended"
    return "in grace" if (today - policy["due_on"]).days <= GRACE.get(policy["line"], 0) else "expired"


def share(wanted: Iterable[bool]) -> float:
    values = list(wanted)
    return sum(values) / len(values)


def last_year(terms: list[Term]) -> list[Term]:
    return [term for term in terms if TODAY - timedelta(days=365) < term.policy["policy_from"] <= TODAY]


def line(term: Term) -> str:
    """Lines as the figures have them: marine and liability are counted with fire."""
    return "fire" if term.policy["line"] == "other" else str(term.policy["line"])


def test_one_client_in_seven_is_a_firm(files):
    assert share(file.is_firm for file in files) == pytest.approx(0.14, abs=0.025)


def test_families_make_about_5094_members(files):
    assert sum(len(file.members) for file in files) == pytest.approx(5094, rel=0.04)


def test_there_are_about_6000_terms_and_about_2957_in_force(terms):
    count = Counter(standing(term) for term in terms)
    assert len(terms) == pytest.approx(6000, rel=0.04)
    assert count["in force"] == pytest.approx(2957, rel=0.05)
    assert count["renewed"] == pytest.approx(2197, rel=0.06)
    assert count["lost"] == pytest.approx(620, rel=0.15)
    assert count["ended"] == pytest.approx(175, rel=0.25)
    assert count["in grace"] == pytest.approx(51, rel=0.35)
    assert all(count[state] for state in ("pending", "cancelled", "expired"))


@pytest.mark.parametrize("today", [date(2027, 4, 2), date(2028, 2, 29)])
def test_the_book_moves_with_the_day_it_is_made_for(rules, today):
    terms = [term for file in Book(3, today, rules).files(1000) for term in file.terms]
    count = Counter(standing(term, today) for term in terms)
    assert len(terms) == pytest.approx(3000, rel=0.07)
    assert count["in force"] == pytest.approx(1478, rel=0.07)
    assert max(term.policy["created_at"].date() for term in terms) < today


def test_the_book_spans_three_financial_years(terms):
    begun = [term.policy["policy_from"] for term in terms if term.policy["policy_from"] <= TODAY]
    sheets = Counter(financial_year(day) for day in begun)
    assert sorted(sheets) == ["2024-25", "2025-26", "2026-27"]
    assert min(sheets.values()) > 1000


def test_a_year_brings_about_3022_terms_and_6_74_crore(terms):
    year = last_year(terms)
    gross = sum(term.policy["gross_premium"] for term in year)
    commission = sum(term.policy["commission_amount"] for term in year)
    assert len(year) == pytest.approx(3022, rel=0.05)
    assert float(gross) == pytest.approx(6.74e7, rel=0.10)
    assert float(commission) == pytest.approx(67.2e5, rel=0.12)
    assert share(not term.policy["commission_received"] for term in year) == pytest.approx(0.24, abs=0.04)


def test_health_and_motor_carry_the_premium(terms):
    year = last_year(terms)
    gross: Counter[str] = Counter()
    for term in year:
        gross[line(term)] += term.policy["gross_premium"]
    shares = {name: 100 * float(value) / float(sum(gross.values())) for name, value in gross.items()}
    expected = {"health": 40.9, "motor": 34.3, "life": 13.8, "fire": 10.7, "travel": 0.3}
    assert shares == pytest.approx(expected, abs=6)
    counts = Counter(line(term) for term in year)
    shares = {name: 100 * number / len(year) for name, number in counts.items()}
    assert shares == pytest.approx({"health": 34.2, "motor": 46.8, "life": 8.8, "fire": 7.9, "travel": 2.3}, abs=2.5)


def test_most_clients_hold_one_line_and_few_hold_many(files):
    held = [[term for term in file.terms if standing(term) in ("in force", "in grace")] for file in files]
    sizes = sorted(len(of_client) for of_client in held if of_client)
    assert sum(sizes) / len(sizes) == pytest.approx(1.69, abs=0.12)
    assert sizes[int(len(sizes) * 0.95)] == 4
    assert 6 <= sizes[-1] <= 9
    assert share(len({line(term) for term in of_client}) == 1 for of_client in held if of_client) == pytest.approx(
        0.69, abs=0.05)


def test_every_thirty_days_bring_renewals(terms):
    coming: Counter[int] = Counter()
    for term in terms:
        if standing(term) == "in force" and not term.policy["one_time"]:
            coming[(term.policy["due_on"] - TODAY).days // 30] += 1
    assert all(130 <= coming[month] <= 330 for month in range(12))


def test_cities_are_those_of_the_agency(files):
    expected = {"Mumbai": 38, "Thane": 14, "Navi Mumbai": 12, "Pune": 12, "Surat": 9, "Ahmedabad": 9, "Vadodara": 6}
    counts = Counter(file.client["city"] for file in files)
    assert {city: number / 20 for city, number in counts.items()} == pytest.approx(expected, abs=3)


def test_contacts_have_the_gaps_of_a_real_book(files):
    clients = [file.client for file in files]
    assert share(client["phone"] is None for client in clients) == pytest.approx(0.03, abs=0.012)
    assert share(client["email"] is None for client in clients) == pytest.approx(0.37, abs=0.04)
    assert share(client["whatsapp_opt_in"] for client in clients) == pytest.approx(0.81, abs=0.03)
    assert share(bool(client["group_name"]) for client in clients) == pytest.approx(0.18, abs=0.035)


def test_some_clients_are_in_the_book_twice_and_some_share_a_telephone(files):
    phones = [file.client["phone"] for file in files if file.client["phone"]]
    assert 1 - len(set(phones)) / len(phones) == pytest.approx(0.09, abs=0.025)
    addresses = [(file.client["address"], file.client["pin"]) for file in files]
    assert 1 - len(set(addresses)) / len(addresses) == pytest.approx(0.06, abs=0.02)


def test_sums_insured_of_health_plans_have_the_usual_steps(terms):
    lakhs = Counter(
        term.detail["floater_sum_insured"] // 100_000 for term in terms if term.product == "floater")
    total = sum(lakhs.values())
    expected: dict[Any, float] = {5: 34, 10: 36, 15: 8, 25: 12, 50: 6, 100: 4}
    assert {step: 100 * number / total for step, number in lakhs.items()} == pytest.approx(expected, abs=5)


def test_what_was_paid_long_ago_has_mostly_brought_its_commission(terms):
    def received(youngest: int, oldest: int) -> float:
        days = range(youngest, oldest)
        return share(term.policy["commission_received"] for term in terms
                     if (TODAY - term.policy["policy_from"]).days in days)

    assert received(91, 1000) == pytest.approx(0.93, abs=0.03)
    assert received(31, 91) == pytest.approx(0.45, abs=0.08)
    assert received(0, 31) < 0.12


def test_firms_buy_other_things_than_families(files: list[ClientFile]):
    of_firms = Counter(term.product for file in files if file.is_firm for term in file.terms)
    of_families = Counter(term.product for file in files if not file.is_firm for term in file.terms)
    assert of_firms["group"] and not of_families["group"]
    assert of_firms["floater"] == 0 and of_families["floater"] > 500
    assert of_firms["small business"] > of_families["small business"] / 2
