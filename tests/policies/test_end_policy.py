"""Cancelling, losing, deleting and restoring a term."""

import pytest

from database_pool import execute_query
from portal.formats import today
from tests.policies.book import add, days_from_today, errors, stored, trail


def press(browser, policy_id, what, **typed):
    typed.setdefault("version", str(stored(policy_id)["version"]))
    return browser.submit(f"/policies/{policy_id}/{what}", typed)


def new_policy(browser, book, number, **typed):
    return add(browser, book.form("other", policy_number=number, policy_from=days_from_today(-100), **typed))


def test_a_policy_is_cancelled_on_a_day_for_a_reason(clerk, book):
    policy_id = new_policy(clerk, book, "EN/1")
    answer = press(clerk, policy_id, "cancellation", cancelled_on=days_from_today(0), reason="Car sold")
    assert answer.status_code == 303, errors(answer)
    row = stored(policy_id)
    assert (row["state"], row["cancelled_on"], row["lost_reason"]) == ("cancelled", today(), "Car sold")
    assert trail(policy_id)[-1]["action"] == "cancel"
    assert "Car sold" in clerk.get(f"/policies/{policy_id}").text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"cancelled_on": "31/02/2026", "reason": "x"}, "there is no 31 February 2026"),
        ({"cancelled_on": "", "reason": "x"}, "Cancelled on is needed"),
        ({"cancelled_on": "01/01/2020", "reason": "x"}, "lies outside the policy"),
        ({"cancelled_on": "01/11/2026", "reason": ""}, "Reason is needed"),
    ],
)
def test_a_cancellation_that_makes_no_sense_is_refused_with_its_content(clerk, book, typed, sentence):
    policy_id = next(iter(execute_query("policies", filters={"policy_number_eq": "EN/2"}).data), None)
    policy_id = policy_id["policy_id"] if policy_id else new_policy(clerk, book, "EN/2")
    answer = press(clerk, policy_id, "cancellation", **typed)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{typed["cancelled_on"]}"' in answer.text


def test_a_policy_is_marked_as_lost_with_its_reason(clerk, book):
    policy_id = new_policy(clerk, book, "EN/3")
    assert press(clerk, policy_id, "loss", reason="insurer switch", remark="cheaper elsewhere").status_code == 303
    assert (stored(policy_id)["state"], stored(policy_id)["lost_reason"]) == (
        "lost",
        "insurer switch: cheaper elsewhere",
    )


def test_a_loss_without_a_reason_of_the_list_is_refused(clerk, book):
    policy_id = new_policy(clerk, book, "EN/4")
    for reason in ("", "because", "'; drop table policies; --"):
        assert press(clerk, policy_id, "loss", reason=reason).status_code == 422
    assert stored(policy_id)["state"] == "live"


def test_a_pending_policy_without_a_number_can_be_dropped(clerk, book):
    policy_id = add(clerk, book.form("other", policy_number="", action="pending"))
    assert press(clerk, policy_id, "loss", reason="no response").status_code == 303
    assert stored(policy_id)["state"] == "lost"
    assert clerk.get(f"/policies/{policy_id}").status_code == 200


def test_a_policy_that_was_lost_can_still_be_renewed(clerk, book):
    policy_id = new_policy(clerk, book, "EN/5")
    press(clerk, policy_id, "loss", reason="price")
    answer = press(
        clerk, policy_id, "renewal", **book.form("other", policy_number="EN/5/2", policy_from=days_from_today(265))
    )
    assert answer.status_code == 303, errors(answer)
    assert stored(policy_id)["state"] == "renewed"


def test_a_cancellation_and_a_loss_can_be_taken_back(clerk, book):
    policy_id = new_policy(clerk, book, "EN/20")
    press(clerk, policy_id, "cancellation", cancelled_on=days_from_today(0), reason="Wrong policy")
    assert "Open again" in clerk.get(f"/policies/{policy_id}").text
    assert press(clerk, policy_id, "reopening").status_code == 303
    row = stored(policy_id)
    assert (row["state"], row["cancelled_on"], row["lost_reason"]) == ("live", None, None)
    assert trail(policy_id)[-1]["action"] == "reopen"
    dropped = add(clerk, book.form("other", policy_number="", action="pending"))
    press(clerk, dropped, "loss", reason="no response")
    press(clerk, dropped, "reopening")
    assert stored(dropped)["state"] == "pending"


def test_what_is_open_cannot_be_opened_again(clerk, book):
    policy_id = new_policy(clerk, book, "EN/21")
    answer = clerk.submit(f"/policies/{policy_id}/reopening", {"version": "1"}, follow_redirects=True)
    assert "changed by someone else" in answer.text
    assert stored(policy_id)["version"] == 1


@pytest.mark.parametrize("what", ["cancellation", "loss", "deletion"])
def test_ending_a_policy_that_someone_else_changed_shows_so_and_changes_nothing(clerk, manager, book, what):
    number = f"EN/6/{what}"
    policy_id = new_policy(manager, book, number)
    old = str(stored(policy_id)["version"])
    form = book.form("other", policy_number=number, policy_from=days_from_today(-100))
    assert (
        clerk.submit(f"/policies/{policy_id}/edit", {**form, "version": old, "remarks": "meanwhile"}).status_code == 303
    )
    answer = press(manager, policy_id, what, version=old, cancelled_on=days_from_today(0), reason="price")
    assert answer.status_code == 409
    assert "changed by someone else" in answer.text
    assert (stored(policy_id)["state"], stored(policy_id)["deleted_at"]) == ("live", None)


def test_a_deleted_policy_is_in_no_list_and_comes_back(manager, clerk, book):
    policy_id = new_policy(manager, book, "EN/7")
    assert press(manager, policy_id, "deletion").status_code == 303
    assert "EN/7" not in clerk.get("/policies?q=EN7").text
    assert clerk.get(f"/policies/{policy_id}").status_code == 404
    assert clerk.get(f"/policies/{policy_id}/edit").status_code == 404
    assert "This policy was deleted" in manager.get(f"/policies/{policy_id}").text
    assert press(manager, policy_id, "restoration").status_code == 303
    assert "EN/7" in clerk.get("/policies?q=EN7").text
    assert [entry["action"] for entry in trail(policy_id)] == ["add", "delete", "restore"]


def test_deleting_a_renewal_makes_the_old_term_live_again(manager, book):
    old_id = new_policy(manager, book, "EN/8")
    form = book.form("other", policy_number="EN/8/2", policy_from=days_from_today(265))
    new_id = int(press(manager, old_id, "renewal", **form).location.rsplit("/", 1)[1])
    press(manager, new_id, "deletion")
    assert stored(old_id)["state"] == "live"
    assert trail(old_id)[-1]["after"] == {"state": "live"}
    press(manager, new_id, "restoration")
    assert stored(old_id)["state"] == "renewed"
    assert trail(old_id)[-1]["after"] == {"state": "renewed"}


def test_deleting_the_renewal_of_a_lost_term_leaves_it_lost_and_restoring_renews_it_again(manager, book):
    old = new_policy(manager, book, "EN/LOST")
    press(manager, old, "loss", reason="price")
    renewed = manager.submit(f"/policies/{old}/renewal", book.form(
        "other", policy_number="EN/LOST-2", version=str(stored(old)["version"])))
    new = int(renewed.location.rsplit("/", 1)[1])
    assert press(manager, new, "deletion").status_code == 303
    assert (stored(old)["state"], stored(old)["lost_reason"]) == ("lost", "price")
    assert press(manager, new, "restoration").status_code == 303
    assert stored(old)["state"] == "renewed"


def test_a_deleted_renewal_does_not_come_back_beside_another_one(manager, book):
    old_id = new_policy(manager, book, "EN/9")
    form = book.form("other", policy_number="EN/9/2", policy_from=days_from_today(265))
    new_id = int(press(manager, old_id, "renewal", **form).location.rsplit("/", 1)[1])
    press(manager, new_id, "deletion")
    assert press(manager, old_id, "renewal", **form | {"policy_number": "EN/9/3"}).status_code == 303
    answer = manager.submit(
        f"/policies/{new_id}/restoration", {"version": str(stored(new_id)["version"])}, follow_redirects=True
    )
    assert answer.status_code == 200
    assert stored(new_id)["deleted_at"] is not None


def test_a_term_that_was_renewed_cannot_be_deleted(manager, book):
    old_id = new_policy(manager, book, "EN/10")
    press(manager, old_id, "renewal", **book.form("other", policy_number="EN/10/2", policy_from=days_from_today(265)))
    answer = press(manager, old_id, "deletion")
    assert answer.status_code == 422
    assert "Delete the newer term first" in answer.text
