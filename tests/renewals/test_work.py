"""One renewal: stage, owner, quote, snooze, and two colleagues at it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from database_pool import execute_query
from portal.formats import today
from tests.cast import found, make_cast, sign_in
from tests.policies.book import days_from_today
from tests.renewals.desk import open_desk, term


@pytest.fixture(scope="module")
def book(app):
    return open_desk()


@pytest.fixture(scope="module")
def clerk(app, book):
    return sign_in(app, "staff")


def stored(policy_id):
    found = execute_query("renewals", filters={"policy_id_eq": policy_id}).data
    return found[0] if found else None


def save(browser, policy_id, version=0, **typed):
    return browser.submit(f"/renewals/{policy_id}", {"version": str(version), "stage": "due", **typed})


def test_what_a_colleague_notes_is_kept_and_can_be_cleared(clerk, book):
    policy_id, me = term(book, 10), make_cast()["staff"]
    answer = save(clerk, policy_id, stage="contacted", owner_id=str(me), quoted_premium="12,500",
                  snoozed_until=days_from_today(3), note="Calls back on Monday")  # fmt: skip
    assert answer.status_code == 303
    row = stored(policy_id)
    assert (row["stage"], row["owner_id"], row["quoted_premium"]) == ("quoted", me, Decimal(12500))
    assert (row["snoozed_until"], row["note"]) == (today() + timedelta(days=3), "Calls back on Monday")
    page = clerk.get(f"/renewals/{policy_id}").text
    assert "Calls back on Monday" in page
    assert save(clerk, policy_id, row["version"], stage="payment awaited").status_code == 303
    row = stored(policy_id)
    assert (row["stage"], row["owner_id"], row["quoted_premium"], row["note"]) == ("payment awaited", None, None, None)


def test_a_renewal_whose_snooze_has_run_out_can_be_saved(clerk, book):
    policy_id = term(book, 10)
    for until in (today() - timedelta(days=2), today()):
        execute_query("renewals", "upsert", data={"policy_id": policy_id, "snoozed_until": until})
        shown = found(r'name="snoozed_until" type="text" value="([^"]*)"', clerk.get(f"/renewals/{policy_id}").text)
        answer = save(clerk, policy_id, stored(policy_id)["version"], snoozed_until=shown, note="rang")
        assert (answer.status_code, stored(policy_id)["note"]) == (303, "rang")
        assert stored(policy_id)["snoozed_until"] is None


def test_a_snooze_that_runs_stays_in_the_form(clerk, book):
    policy_id = term(book, 10)
    save(clerk, policy_id, snoozed_until=days_from_today(3))
    assert f'value="{days_from_today(3)}"' in clerk.get(f"/renewals/{policy_id}").text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"stage": "sold"}, "Stage: please choose one of the list"),
        ({"quoted_premium": "abc"}, "write the amount in figures"),
        ({"snoozed_until": "31/02/2027"}, "there is no 31 February 2027"),
        ({"snoozed_until": "01/01/2020"}, "choose a day after today"),
        ({"owner_id": "999999"}, "Looked after by: please choose one of the list"),
    ],
)
def test_what_makes_no_sense_is_refused_with_everything_typed(clerk, book, typed, sentence):
    policy_id = term(book, 10)
    answer = save(clerk, policy_id, note="stays on the page", **typed)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "stays on the page" in answer.text
    assert stored(policy_id) is None


def test_of_two_colleagues_the_second_sees_both_versions(app, clerk, book):
    policy_id, colleague = term(book, 10), sign_in(app, "manager")
    assert save(clerk, policy_id, note="first").status_code == 303
    answer = save(colleague, policy_id, note="second")
    assert answer.status_code == 409
    assert "first" in answer.text
    assert "second" in answer.text
    assert stored(policy_id)["note"] == "first"


def test_the_page_shows_the_ladder_with_its_days_and_both_channels(clerk, book):
    policy_id = term(book, 10)
    page = clerk.get(f"/renewals/{policy_id}").text
    assert page.count("Planned") == 4  # D-7, D-1, D+3, D+25
    assert page.count("Not sent") == 3  # D-45, D-30, D-15 lie in the past
    assert page.count("Agreed") == 2
    assert f'href="/policies/{policy_id}/loss"' in page


def test_a_renewal_of_a_one_time_policy_does_not_exist(clerk, book):
    assert clerk.get(f"/renewals/{term(book, 10, one_time=True)}").status_code == 404
    assert clerk.get("/renewals/99999999").status_code == 404


def test_several_are_given_to_a_colleague_and_keep_their_notes(clerk, book):
    first, second, me = term(book, 10), term(book, 11), make_cast()["staff"]
    save(clerk, first, note="kept", stage="contacted")
    page = clerk.submit("/renewals/bulk", {"action": "assign", "chosen": [str(first), str(second)]})
    assert page.status_code == 200
    assert "Assign 2 renewals" in page.text
    answer = clerk.submit("/renewals/assignment",
                          {"policy_ids": f"{first} {second}", "owner_id": str(me), "key": "0" * 32})  # fmt: skip
    assert answer.status_code == 303
    assert (stored(first)["owner_id"], stored(second)["owner_id"]) == (me, me)
    assert (stored(first)["note"], stored(first)["stage"]) == ("kept", "contacted")


def test_nothing_ticked_leads_back_to_the_list_with_a_hint(clerk, book):
    answer = clerk.submit("/renewals/bulk", {"action": "remind", "query": "view=overdue"})
    assert (answer.status_code, answer.location) == (303, "/renewals?view=overdue")


def test_a_reader_changes_nothing(app, book):
    policy_id, reader = term(book, 10), sign_in(app, "reader")
    assert reader.get(f"/renewals/{policy_id}").status_code == 200
    for path in (f"/renewals/{policy_id}", f"/renewals/{policy_id}/reminder", "/renewals/bulk", "/renewals/reminders",
                 "/renewals/assignment", "/renewals/ladder"):  # fmt: skip
        assert reader.submit(path, {"action": "remind", "chosen": str(policy_id)}).status_code == 403, path
