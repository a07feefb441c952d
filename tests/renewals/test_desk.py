"""The Renewals page: what is due, overdue first, with figures that can be worked out by hand."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest

from database_pool import execute_query, new_id, transaction
from portal.formats import today
from portal.freshness import Fresh
from portal.renewals import queries
from tests.cast import make_cast, sign_in
from tests.renewals.desk import open_desk, term


@pytest.fixture(scope="module")
def book(app):
    return open_desk()


@pytest.fixture(scope="module")
def clerk(app, book):
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def desk(book):
    """Terms on both sides of every border of the page."""
    colleagues = make_cast()
    due = {days: term(book, days) for days in (-40, -3, 0, 7, 8, 30, 31, 60, 61)}
    due["car"] = term(book, -3, "motor")
    due["once"] = term(book, 5, one_time=True)
    due["snoozed"] = term(book, 12)
    due["late snoozed"] = term(book, -9)
    with transaction() as tx:
        tx.insert(
            "renewals",
            [
                {
                    "policy_id": due["snoozed"],
                    "snoozed_until": today() + timedelta(days=5),
                    "stage": "due",
                    "owner_id": None,
                    "quoted_premium": None,
                },
                {
                    "policy_id": due["late snoozed"],
                    "snoozed_until": today() + timedelta(days=5),
                    "stage": "due",
                    "owner_id": None,
                    "quoted_premium": None,
                },
                {
                    "policy_id": due[7],
                    "snoozed_until": None,
                    "stage": "quoted",
                    "owner_id": colleagues["staff"],
                    "quoted_premium": Decimal(12862),
                },
            ],
        )
    return due


def shown(page):
    return [int(number) for number in re.findall(r'class="mono break" href="/renewals/(\d+)"', page.text)]


def test_the_usual_view_has_everything_overdue_and_sixty_days_without_what_is_snoozed(clerk, desk):
    expected = [desk[-40], desk["late snoozed"], desk[-3], desk["car"], *(desk[days] for days in (0, 7, 8, 30, 31, 60))]
    assert shown(clerk.get("/renewals")) == expected


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("view=overdue", [-40, "late snoozed", -3, "car"]),
        ("view=snoozed", ["snoozed"]),
        ("view=mine", [7]),
        ("view=all", [-40, "late snoozed", -3, "car", 0, 7, 8, "snoozed", 30, 31, 60, 61]),
        ("stage=quoted", [7]),
        ("line=motor", ["car"]),
        ("view=overdue&q=no-such-thing", []),
        ("premium_from=11,801", []),
        ("view=overdue&stage=nonsense&month=2026-99", [-40, "late snoozed", -3, "car"]),
    ],
)
def test_a_view_and_its_filters_are_in_the_address(clerk, desk, query, keys):
    assert shown(clerk.get(f"/renewals?{query}")) == [desk[key] for key in keys]


def test_a_policy_is_found_by_its_number_and_its_client(clerk, desk):
    number = execute_query("policies", filters={"policy_id_eq": desk[8]}).data[0]["policy_number"]
    assert shown(clerk.get(f"/renewals?q={number}")) == [desk[8]]
    assert desk[8] in shown(clerk.get("/renewals?q=rohan"))


def test_a_page_ends_and_the_next_one_goes_on(clerk, desk):
    first = clerk.get("/renewals?view=all&size=25")
    assert 'rel="next"' not in first.text
    assert first.text.count("<tr>") == 12 + 1


def test_a_row_tells_what_was_quoted_the_bonus_and_what_being_late_means(clerk, desk):
    page = clerk.get("/renewals").text
    assert "→ ₹12,862" in page
    assert "+9 %" in page  # 12,862 is 9 % above 11,800
    assert "Uninsured" in page
    assert "In grace" in page
    assert "20 %" in page


def test_the_tiles_count_what_is_open(desk, book):
    board = queries.board(today(), Fresh())
    # By hand: -40, -9, -3 and the car; then 0 and 7; then those and 8, 12, 30.
    assert (board.overdue, board.week, board.month) == (4, 2, 5)


def test_the_strip_has_twelve_months_with_number_and_premium(desk, book):
    strip = queries.board(today(), Fresh()).strip
    assert strip[0].month == today().strftime("%Y-%m")
    assert len(strip) == 12
    days = [today() + timedelta(days=number) for number in (-40, -9, -3, -3, 0, 7, 8, 12, 30, 31, 60, 61)]
    for month in strip:
        in_it = sum(day.strftime("%Y-%m") == month.month for day in days)
        assert (month.policies, month.gross) == (in_it, in_it * Decimal(11800)), month.month


def test_a_month_without_renewals_says_so(clerk, desk):
    page = clerk.get("/renewals?month=2031-12").text
    assert "No policy expires in December 2031." in page


def test_the_count_and_the_sum_above_the_list_are_of_all_its_pages(clerk, desk):
    page = clerk.get("/renewals?view=overdue&size=25").text
    assert "4 policies · ₹47,200 gross premium" in page


# A month worked out by hand: (state, premium, days after the due date that "today" is, what the next term became).
GOLDEN = [
    ("renewed", 10000),
    ("renewed", 20000),
    ("renewed", 5000),
    ("lost", 15000),
    ("lost", 2000),
    ("live", 8000),  # lapsed: its grace is over
    ("dropped", 40000),  # renewed on paper, and the new term dropped before it had a number: lost
]


def test_retention_by_number_and_by_premium_equals_the_hand_calculation(book):
    due, other = date(2024, 2, 29), open_desk("GD01")
    for place, (state, premium) in enumerate(GOLDEN):
        policy_id = new_id("policies")
        row = {
            "policy_id": policy_id,
            "client_id": other.client,
            "insurer_id": other.insurer,
            "line": "health",
            "product_id": other.products["health"],
            "policy_number": f"G/{place}",
            "policy_from": date(2023, 3, 1),
            "policy_to": due,
            "due_on": due,
            "gross_premium": Decimal(premium),
            "renewed_from_id": None,
            "state": "renewed" if state == "dropped" else state,
        }
        with transaction() as tx:
            tx.insert("policies", row)
            if state == "dropped":
                tx.insert(
                    "policies",
                    {
                        **row,
                        "policy_id": new_id("policies"),
                        "policy_number": None,
                        "state": "lost",
                        "renewed_from_id": policy_id,
                        "policy_from": date(2024, 3, 1),
                        "policy_to": date(2025, 2, 28),
                        "due_on": date(2025, 2, 28),
                    },
                )
    for extra in ({"one_time": True, "state": "live"}, {"state": "cancelled"}):
        with transaction() as tx:
            tx.insert(
                "policies", {**row, "policy_id": new_id("policies"), "policy_number": f"G/x{extra['state']}", **extra}
            )
    month = queries.retention(date(2024, 2, 1), 1, today())[0]
    # 3 of 7 are kept: 42.857 % -> 42.9; ₹35,000 of ₹1,00,000: 35.0 %.
    assert (month.renewed, month.lost, month.lapsed, month.open) == (3, 3, 1, 0)
    assert (month.by_count, month.by_premium) == (Decimal("42.9"), Decimal("35.0"))
    assert (month.renewed_gross, month.decided_gross) == (Decimal(35000), Decimal(100000))


def test_a_term_in_its_grace_is_not_decided_yet(book):
    month = queries.retention(date(2024, 2, 1), 1, date(2024, 3, 30))[0]  # 29/02 and 30 days of grace
    assert (month.lapsed, month.open) == (0, 1)
    assert month.by_count == Decimal("50.0")


def test_a_month_in_which_nothing_fell_due_has_no_percentage(book):
    month = queries.retention(date(2019, 5, 1), 1, today())[0]
    assert (month.decided, month.by_count, month.by_premium) == (0, None, None)


def test_the_retention_page_shows_twelve_months(clerk, desk):
    page = clerk.get("/renewals/retention").text
    assert page.count('data-l="Lapsed"') == 12


def test_a_reader_sees_the_page_and_no_buttons(app, desk):
    page = sign_in(app, "reader").get("/renewals").text
    assert "Send reminders" not in page
    assert 'value="remind"' not in page and 'value="assign"' not in page
