"""The ladder: which reminder goes out on which day, each once, and what stops it."""

from datetime import date, timedelta

import pytest

from database_pool import Conflict, execute_query, transaction
from portal import audit
from portal.formats import office_date, today
from portal.policies.notices import ways_of_many
from portal.policies.queries import notice_facts_of
from portal.renewals import queries, reminding, tasks
from portal.renewals.reminding import Reminder
from tests.cast import sign_in
from tests.renewals.desk import hold_back_messages, messages, morning, notes, open_desk, reach, term


@pytest.fixture(scope="module")
def book(app):
    hold_back_messages()
    return open_desk()


@pytest.fixture(scope="module")
def clerk(app, book):
    return sign_in(app, "staff")


def due_on(day, **only):
    rows = queries.reminders_due(day, good_for=reminding.GOOD_FOR)
    return {row["policy_id"]: row["step"] for row in rows}


# Worked out by hand from the ladder of PRODUCT: line, days from the due date, the step that goes out that day.
@pytest.mark.parametrize(
    ("line", "days", "step"),
    [
        ("health", -46, None), ("health", -45, "D-45"), ("health", -43, "D-45"), ("health", -42, None),
        ("health", -30, "D-30"), ("health", -15, "D-15"), ("health", -7, "D-7"), ("health", -1, "D-1"),
        ("health", 0, "D-1"), ("health", 2, None), ("health", 3, "D+3"), ("health", 6, None), ("health", 25, "D+25"),
        ("fire", -45, "D-45"), ("fire", 3, "D+3"), ("fire", 25, None),
        ("motor", -45, None), ("motor", -30, "D-30"), ("motor", 1, "D+1"), ("motor", 3, "D+3"), ("motor", 80, "D+80"),
        ("motor", 83, None), ("life", -45, None), ("life", 3, "D+3"), ("other", -7, "D-7"), ("travel", -7, None),
    ],
)  # fmt: skip
def test_a_line_has_its_steps_and_a_missed_one_is_made_up_for_three_days(book, line, days, step):
    policy_id = term(book, 300, line)
    due = today() + timedelta(days=300)
    assert due_on(due + timedelta(days=days)).get(policy_id) == step


def test_a_reminder_is_noted_once_however_often_the_schedule_runs(book):
    policy_id = term(book, 7)
    for _ in range(3):
        morning()
    assert notes(policy_id) == ["D-7"]
    assert {row["channel"] for row in messages(policy_id)} == {"whatsapp", "email"}


def test_reminder_and_message_are_one_transaction(book):
    policy_id = term(book, 7)
    facts = notice_facts_of([policy_id])[0]
    reminder = Reminder("D-7", "before", ways_of_many([facts])[policy_id], "en")
    with pytest.raises(Conflict), transaction() as tx:
        reminding.note(tx, audit.THE_PORTAL, facts, reminder, company=None, today=today())
        tx.update("policies", {"state": "renewed"}, filters={"policy_id_eq": policy_id, "version_eq": 99}, expect=1)
    assert notes(policy_id) == []
    assert messages(policy_id) == []


def test_after_a_week_of_silence_only_the_newest_step_goes_out(book):
    policy_id = term(book, 6)
    assert due_on(today() - timedelta(days=9)).get(policy_id) == "D-15"
    assert due_on(today()).get(policy_id) == "D-7"
    morning()
    assert notes(policy_id) == ["D-7"]


def test_a_message_of_the_ladder_expires_before_the_next_step(book):
    policy_id = term(book, -1, "motor")
    row = next(row for row in queries.reminders_due(today(), good_for=3) if row["policy_id"] == policy_id)
    assert (row["step"], row["good_until"]) == ("D+1", (today() + timedelta(days=1)).isoformat())
    morning()
    assert messages(policy_id)[0]["expires_at"] == reminding.end_of(today() + timedelta(days=1))


def test_a_reminder_before_the_end_is_not_sent_after_it(book):
    policy_id = term(book, 1)
    row = next(row for row in queries.reminders_due(today(), good_for=3) if row["policy_id"] == policy_id)
    assert row["good_until"] == (today() + timedelta(days=1)).isoformat()


def _renewed(clerk, book, policy_id):
    form = book.form("health", policy_number=f"NEW/{policy_id}", policy_from="", version="1")
    from tests.policies.book import stored

    form["policy_from"] = (stored(policy_id)["due_on"] + timedelta(days=1)).strftime("%d/%m/%Y")
    return clerk.submit(f"/policies/{policy_id}/renewal", form)


@pytest.mark.parametrize("what", ["renewed", "lost", "cancelled", "deleted", "one-time", "moved"])
def test_waiting_reminders_are_cancelled_when_there_is_nothing_to_remind_of(app, clerk, book, what):
    manager = sign_in(app, "manager")
    policy_id = term(book, 7, member_id=book.head)
    morning()
    assert {row["state"] for row in messages(policy_id)} == {"queued"}
    form = book.form("health", policy_number=f"T/{policy_id}", version="1",
                     policy_from=(today() - timedelta(days=357)).strftime("%d/%m/%Y"))  # fmt: skip
    answer = {
        "renewed": lambda: _renewed(clerk, book, policy_id),
        "lost": lambda: clerk.submit(f"/policies/{policy_id}/loss", {"version": "1", "reason": "price"}),
        "cancelled": lambda: clerk.submit(
            f"/policies/{policy_id}/cancellation",
            {"version": "1", "cancelled_on": today().strftime("%d/%m/%Y"), "reason": "sold"},
        ),
        "deleted": lambda: manager.submit(f"/policies/{policy_id}/deletion", {"version": "1"}),
        "one-time": lambda: clerk.submit(f"/policies/{policy_id}/edit", {**form, "one_time": "on"}),
        "moved": lambda: clerk.submit(
            f"/policies/{policy_id}/edit",
            {**form, "policy_to": (today() + timedelta(days=90)).strftime("%d/%m/%Y")},
        ),
    }[what]()
    assert answer.status_code == 303, answer.text[:2000]
    assert {row["state"] for row in messages(policy_id)} == {"cancelled"}
    morning()
    assert notes(policy_id) == ["D-7"]


def test_a_task_that_comes_after_the_renewal_notes_nothing(book):
    policy_id = term(book, 7)
    day = (today() + timedelta(days=7)).isoformat()
    with transaction() as tx:
        tx.update("policies", {"state": "renewed"}, filters={"policy_id_eq": policy_id})
    found = tasks.remind(policy_id, day, "D-7", "before", day)
    assert found == {"skipped": "This policy is renewed."}
    assert notes(policy_id) == []


def test_the_database_refuses_a_reminder_of_a_term_that_was_renewed_in_that_moment(book):
    policy_id = term(book, 7)
    facts = notice_facts_of([policy_id])[0]
    with transaction() as tx:
        tx.update("policies", {"state": "renewed"}, filters={"policy_id_eq": policy_id})
    reminder = Reminder("D-7", "before", ways_of_many([facts])[policy_id], "en")
    with pytest.raises(Conflict), transaction() as tx:
        reminding.note(tx, audit.THE_PORTAL, facts, reminder, company=None, today=today())
    assert messages(policy_id) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"whatsapp_opt_in": False, "email_opt_in": False},
        {"phone": None, "email": None},
        {"phone": None, "email_opt_in": False},
    ],
)
def test_who_did_not_agree_or_cannot_be_reached_is_not_reminded(book, changed):
    other = open_desk(f"NA{len(changed)}{sum(map(len, changed))}")
    reach(other.client, **changed)
    policy_id = term(other, 7)
    morning()
    assert notes(policy_id) == []


def test_one_channel_is_enough(book):
    other = open_desk("OC01")
    reach(other.client, whatsapp_opt_in=False)
    policy_id = term(other, 7)
    morning()
    assert [row["channel"] for row in messages(policy_id)] == ["email"]


def test_who_wrote_stop_gets_no_reminder_and_those_that_wait_are_stopped(book):
    from portal.outbox import consent

    other = open_desk("ST01")
    phone = execute_query("clients", filters={"client_id_eq": "ST01"}).data[0]["phone"]
    first = term(other, 7)
    morning()
    with transaction() as tx:
        consent.opt_out(tx, audit.THE_PORTAL, channel="whatsapp", address=phone)
    assert {row["channel"]: row["state"] for row in messages(first)} == {"whatsapp": "suppressed", "email": "queued"}
    second = term(other, 7)
    morning()
    assert [row["channel"] for row in messages(second)] == ["email"]


def test_a_snoozed_renewal_is_not_reminded_of_until_its_day(book):
    policy_id = term(book, 7)
    with transaction() as tx:
        tx.insert("renewals", {"policy_id": policy_id, "snoozed_until": today() + timedelta(days=2)})
    assert policy_id not in due_on(today())
    assert policy_id in due_on(today() + timedelta(days=2))


def test_a_reminder_by_hand_stands_for_the_step_of_these_days(book):
    policy_id = term(book, 7)
    facts = notice_facts_of([policy_id])[0]
    step = reminding.by_hand(today())
    reminder = Reminder(step, "before", ways_of_many([facts])[policy_id], "en")
    with transaction() as tx:
        reminding.note(tx, audit.THE_PORTAL, facts, reminder, company=None, today=today())
    morning()
    assert notes(policy_id) == [step]


def remind_by_hand(clerk, policy_id, send_on):
    answer = clerk.submit(f"/renewals/{policy_id}/reminder", {"channels": ["email"], "send_on": office_date(send_on)})
    assert answer.status_code == 303, answer.text[:2000]


def test_a_reminder_by_hand_of_a_later_day_stands_for_the_step_of_that_day(clerk, book):
    policy_id, later = term(book, 12), today() + timedelta(days=5)
    remind_by_hand(clerk, policy_id, later)
    for days in (5, 6, 7):   # D-7 and the days on which it could come late
        assert policy_id not in due_on(today() + timedelta(days=days))
    assert due_on(today() + timedelta(days=11)).get(policy_id) == "D-1"


def test_a_reminder_by_hand_of_a_later_day_holds_back_none_of_today(clerk, book):
    policy_id = term(book, 7)
    remind_by_hand(clerk, policy_id, today() + timedelta(days=5))
    assert due_on(today()).get(policy_id) == "D-7"


def test_a_reminder_that_could_not_go_out_any_more_is_not_noted(clerk, book):
    monthly, yearly = term(book, -25), term(book, -25)   # 15 and 30 days of grace
    with transaction() as tx:
        tx.insert("health_details", {"policy_id": monthly, "plan": "floater", "premium_mode": "monthly"})
    assert due_on(today()).get(yearly) == "D+25"
    morning()
    assert (notes(monthly), notes(yearly)) == ([], ["D+25"])
    assert "Sent" not in clerk.get(f"/renewals/{monthly}").text.replace("Not sent", "")


def test_a_vehicle_whose_third_party_cover_runs_on_is_not_called_uninsured(book):
    policy_id = term(book, -1, "motor")
    with transaction() as tx:
        tx.update(
            "motor_details", {"third_party_to": today() + timedelta(days=400)}, filters={"policy_id_eq": policy_id}
        )
    morning()
    assert {row["template_key"] for row in messages(policy_id)} == {"reminder.expired"}


def test_third_party_cover_has_no_bonus_to_lose(book):
    policy_id = term(book, -80, "motor")
    assert due_on(today()).get(policy_id) == "D+80"
    with transaction() as tx:
        tx.update("motor_details", {"cover": "third party only"}, filters={"policy_id_eq": policy_id})
    assert policy_id not in due_on(today())


def test_a_step_that_ends_is_used_until_its_last_day(book):
    policy_id = term(book, 37, "other")
    step = execute_query("reminder_steps", filters={"line_eq": "other", "days_eq": -30}).data[0]
    with transaction() as tx:
        tx.update("reminder_steps", {"valid_to": today() + timedelta(days=6)},
                  filters={"reminder_step_id_eq": step["reminder_step_id"]})  # fmt: skip
    assert policy_id not in due_on(today() + timedelta(days=7))
    with transaction() as tx:
        tx.update("reminder_steps", {"valid_to": today() + timedelta(days=7)},
                  filters={"reminder_step_id_eq": step["reminder_step_id"]})  # fmt: skip
    assert policy_id in due_on(today() + timedelta(days=7))


def test_the_client_reads_it_in_the_language_of_the_record(book):
    other = open_desk("GU01", language="gu")
    policy_id = term(other, 7)
    morning()
    sent = {row["channel"]: row for row in messages(policy_id)}
    assert "રિન્યૂ" in sent["whatsapp"]["body"]
    assert "₹11,800" in sent["whatsapp"]["body"]
    assert sent["email"]["html_body"].startswith('<!doctype html>\n<html lang="gu">')


def test_over_a_whole_year_every_step_comes_once_and_none_after_the_stop(book):
    """Days and stops drawn by a fixed rule: whatever the day of the stop, the steps before it are noted, each once."""
    other = open_desk("YR01")
    first = date(2026, 1, 1)
    for stop in range(-50, 95, 29):
        policy_id = term(other, 500, "motor")
        due = today() + timedelta(days=500)
        seen = []
        for days in range(-60, 100):
            if days == stop:
                with transaction() as tx:
                    tx.update("policies", {"state": "lost"}, filters={"policy_id_eq": policy_id})
            found = due_on(due + timedelta(days=days)).get(policy_id)
            if found:
                seen.append(found)
                with transaction() as tx:
                    tx.insert("reminders", {"policy_id": policy_id, "due_on": due, "step": found, "occasion": "before",
                                            "channels": ["whatsapp"], "noted_on": first})  # fmt: skip
        expected = [name for name, days in (("D-30", -30), ("D-15", -15), ("D-7", -7), ("D-1", -1), ("D+1", 1),
                                            ("D+3", 3), ("D+80", 80)) if days < stop]  # fmt: skip
        assert seen == expected, stop
