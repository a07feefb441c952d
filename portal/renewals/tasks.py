"""Reminders of the ladder every morning, and those that colleagues ask for in bulk."""

from contextlib import suppress
from datetime import date
from typing import Any

from database_pool import Conflict, transaction
from portal import audit
from portal.documents.queries import documents_of_policy
from portal.errors import Refused
from portal.formats import today
from portal.jobs.service import NO_RIGHT, starter_of, steer
from portal.policies import notices
from portal.policies.queries import notice_facts
from portal.renewals import bulk, queries, reminding
from portal.renewals.reminding import Reminder
from portal.settings.queries import setting
from task_queue import PermanentFailure, current_task, enqueue_many, schedule, task

AT_ONCE = 500
GONE = "There is no such policy any more."
SCHEDULE = "policy-schedule"
ALREADY = "This step was noted already."
RIGHT = "policies.write"  # of who sends in bulk

schedule("renewals.note_due_reminders", daily_at="09:00")


@task("renewals.note_due_reminders", priority=2)
def note_due_reminders() -> dict[str, Any]:
    """Asks for one task for each reminder that the ladder wants today. Running twice changes nothing."""
    day, after, asked = today(), 0, 0
    while due := queries.reminders_due(day, good_for=reminding.GOOD_FOR, after=after, limit=AT_ONCE):
        keys = [f"reminder:{row['policy_id']}:{row['due_on']}:{row['step']}" for row in due]
        with transaction() as tx:
            enqueue_many(tx, "renewals.remind", due, unique_keys=keys)
        after, asked = due[-1]["policy_id"], asked + len(due)
    return {"reminders": asked}


@task("renewals.remind", priority=3, gives_way=True)
def remind(policy_id: int, due_on: str, step: str, occasion: str, good_until: str) -> dict[str, Any]:
    """Notes one step of the ladder, unless the policy was renewed, ended or moved to another date meanwhile."""
    facts = notice_facts(policy_id)
    if facts is None or facts["due_on"].isoformat() != due_on:
        return {"skipped": GONE}
    if reason := reminding.why_not(facts):
        return {"skipped": reason}
    reminder = Reminder(
        step=step,
        occasion=reminding.fitting(occasion, facts, today()),
        channels=notices.ways_of_many([facts])[policy_id],
        language=facts["language"],
        good_until=date.fromisoformat(good_until),
    )
    return _note(audit.THE_PORTAL, facts, reminder)


@task("renewals.send_reminder", priority=3, gives_way=True)
def send_reminder(policy_id: int, day: str) -> dict[str, Any]:
    """Reminds the client of one policy of a bulk job: once per policy and day, whatever way it was asked for."""
    running, on_day = current_task(), date.fromisoformat(day)
    asker = _asker(running.batch_id if running else None)
    facts = notice_facts(policy_id)
    if facts is None:
        raise PermanentFailure(GONE)
    if reason := reminding.why_not(facts):
        raise PermanentFailure(reason)
    occasion = reminding.occasion_of(facts, today())
    reminder = Reminder(
        step=reminding.by_hand(on_day),
        occasion=occasion,
        channels=_usable(facts, reminding.template_key(occasion)),
        language=facts["language"],
        good_until=reminding.good_until(facts, today()),
        batch_id=running.batch_id if running else None,
    )
    return _note(asker, facts, reminder)


@task("renewals.send_notice", priority=3, gives_way=True)
def send_notice(policy_id: int) -> dict[str, Any]:
    """Tells the client of one policy that it is issued, once a day, with its schedule where that is in the portal."""
    running = current_task()
    batch_id = running.batch_id if running else None
    asker = _asker(batch_id)
    facts = notice_facts(policy_id)
    if facts is None:
        raise PermanentFailure(GONE)
    if reason := bulk.why_no_notice(facts):
        raise PermanentFailure(reason)
    papers = documents_of_policy(policy_id, kind=SCHEDULE, limit=1)
    notice = notices.Notice(
        "policy.issued",
        today(),
        document_ids=tuple(row["document_id"] for row in papers),
        batch_id=batch_id,
        priority=3,
    )
    with transaction() as tx:
        sent = notices.tell(tx, asker, facts, _usable(facts, notice.template), notice, company=setting("company"))
    return {"messages": sent}


def _asker(batch_id: str | None) -> audit.Actor:
    """The colleague who started the job. Raises PermanentFailure, and stops the job, when they may not any more."""
    starter = starter_of(batch_id, RIGHT)
    if starter is not None:
        return starter
    with suppress(Refused), transaction() as tx:  # another of its tasks was faster
        steer(tx, audit.THE_PORTAL, str(batch_id), "stop")
    raise PermanentFailure(NO_RIGHT)


def _usable(facts: dict[str, Any], template: str) -> list[notices.Way]:
    ways = notices.ways_in_words([facts], lambda row: template)[facts["policy_id"]]
    usable = [way for way in ways if not way.why_not]
    if not usable:
        raise PermanentFailure(" ".join(way.why_not for way in ways))
    return usable


def _note(actor: audit.Actor, facts: dict[str, Any], reminder: Reminder) -> dict[str, Any]:
    if not any(not way.why_not for way in reminder.channels):
        return {"skipped": " ".join(way.why_not for way in reminder.channels)}
    try:
        with transaction() as tx:
            reminding.note(tx, actor, facts, reminder, company=setting("company"), today=today())
    except Conflict:
        return {"skipped": ALREADY}
    return {"channels": [way.channel for way in reminder.channels if not way.why_not]}
