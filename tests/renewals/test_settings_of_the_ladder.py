"""The ladder as an administrator settles it."""

import pytest

from database_pool import execute_query
from tests.cast import sign_in
from tests.policies.book import days_from_today


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


def add(browser, **typed):
    return browser.submit("/renewals/ladder", {"line": "fire", "days": "-60", "occasion": "before",
                                               "valid_from": days_from_today(0), **typed})  # fmt: skip


def test_every_line_is_shown_with_its_steps_and_travel_with_none(administrator):
    page = administrator.get("/renewals/ladder").text
    assert page.count(">45 days before<") == 2
    assert "80 days after" in page
    assert "never reminded of" in page


def test_a_step_is_added_and_ended(administrator):
    assert add(administrator).status_code == 303
    step = execute_query("reminder_steps", filters={"line_eq": "fire", "days_eq": -60}).data[0]
    path = f"/renewals/ladder/{step['reminder_step_id']}/end"
    day = days_from_today(3)
    assert administrator.submit(path, {"version": str(step["version"]), "valid_to": day}).status_code == 303
    assert f">{day}<" in administrator.get("/renewals/ladder").text
    again = administrator.submit(path, {"version": str(step["version"]), "valid_to": day}, follow_redirects=True)
    assert "changed by someone else" in again.text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"days": "5"}, "does not fit the day"),
        ({"days": "-200"}, "must be at least -120"),
        ({"days": "soon"}, "Days: this cannot be used"),
        ({"valid_from": days_from_today(-1)}, "today or later"),
        ({"line": "boats"}, "please choose one of the list"),
        ({"days": "-45", "line": "health"}, ""),
    ],
)
def test_a_step_without_sense_is_refused(administrator, typed, sentence):
    answer = add(administrator, **typed)
    assert answer.status_code == (422 if sentence else 303)
    assert sentence in answer.text


def test_two_steps_on_one_day_are_refused(administrator):
    assert add(administrator, days="-50").status_code == 303
    answer = add(administrator, days="-50")
    assert answer.status_code == 422
    assert "has a step on this day already" in answer.text


def test_staff_look_at_the_ladder_and_do_not_change_it(app):
    clerk = sign_in(app, "staff")
    assert clerk.get("/renewals/ladder").status_code == 200
    assert add(clerk).status_code == 403
