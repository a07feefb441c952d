"""Reminders: whom, over which channels, in which words, and each of them once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from database_pool import Transaction
from portal import audit
from portal.formats import OFFICE_ZONE
from portal.outbox.queries import template
from portal.outbox.service import NewMessage, queue_messages
from portal.outbox.wording import fill
from portal.policies.notices import Way, variables_of

Row = dict[str, Any]
# Days that a step may come late: over a weekend with the machine switched off, and no longer.
GOOD_FOR = 3
# Reminders by the hundred must not keep a customer waiting who writes HI.
LADDER_PRIORITY = 3
BY_HAND = "by hand "


def why_not(facts: Row) -> str:
    """Why the client of a term is not reminded at all; "" when nothing speaks against it."""
    if facts["deleted_at"] is not None:
        return "This policy lies in the trash."
    if facts["one_time"]:
        return "This is a one-time policy. It is not renewed."
    if facts["state"] != "live":
        return f"This policy is {facts['state']}."
    return ""


def occasion_of(facts: Row, today: date) -> str:
    """Which words fit a term on a day: before, grace, expired or uninsured."""
    if facts["due_on"] >= today:
        return "before"
    if facts["grace_ends"] >= today:
        return "grace"
    return fitting("uninsured", facts, today) if facts["line"] == "motor" else "expired"


def fitting(occasion: str, facts: Row, today: date) -> str:
    """A step's own occasion, except that a vehicle whose third-party cover runs on is not uninsured."""
    covered = facts["third_party_to"] is not None and facts["third_party_to"] >= today
    return "expired" if occasion == "uninsured" and covered else occasion


def template_key(occasion: str) -> str:
    """The key of the message template of an occasion."""
    return f"reminder.{occasion}"


def preview(facts: Row, occasion: str, channel: str, language: str, company: Row | None) -> Row | None:
    """The message exactly as it would go out: `subject`, `body`, `language` (English where there is no translation).

    None when no active template says it. Raises Refused when the template names what a reminder does not have.
    """
    found = template(template_key(occasion), channel, language)
    if found is None:
        return None
    variables = variables_of(facts, company)
    return {
        "language": found["language"],
        "subject": fill(found["subject"] or "", variables),
        "body": fill(found["body"], variables),
    }


@dataclass(frozen=True)
class Reminder:
    """One reminder to be noted: the step it is, its words, and when it may go out."""

    step: str
    occasion: str
    channels: Sequence[Way]
    language: str
    not_before: datetime | None = None
    good_until: date | None = None
    priority: int = LADDER_PRIORITY
    batch_id: str | None = None


def note(
    tx: Transaction, actor: audit.Actor, facts: Row, reminder: Reminder, *, company: Row | None, today: date
) -> None:
    """Notes a reminder and puts its messages into the outbox, in this one transaction.

    Its end raises Duplicate when the step was noted already for this policy and due date: nothing is sent then.
    """
    policy_id, due_on = facts["policy_id"], facts["due_on"]
    ways = [way for way in reminder.channels if not way.why_not]
    tx.insert(
        "reminders",
        {
            "policy_id": policy_id,
            "due_on": due_on,
            "step": reminder.step,
            "occasion": reminder.occasion,
            "channels": [way.channel for way in ways],
            "noted_on": today,
            "noted_by": actor.user_id,
            "batch_id": reminder.batch_id,
        },
        returning=False,
    )
    queue_messages(tx, actor, [_message(facts, reminder, way, company) for way in ways])


def _message(facts: Row, reminder: Reminder, way: Way, company: Row | None) -> NewMessage:
    return NewMessage(
        channel=way.channel,
        purpose="service",
        key=message_key(facts["policy_id"], facts["due_on"], reminder.step, way.channel),
        to=way.address,
        client_id=facts["client_id"],
        policy_id=facts["policy_id"],
        language=reminder.language,
        template=template_key(reminder.occasion),
        variables=variables_of(facts, company),
        not_before=reminder.not_before,
        expires_at=end_of(reminder.good_until) if reminder.good_until else None,
        priority=reminder.priority,
        batch_id=reminder.batch_id,
    )


def message_key(policy_id: int, due_on: date, step: str, channel: str) -> str:
    """The idempotency key of a reminder's message: the business facts that make it this one."""
    return f"reminder:policy {policy_id}:{due_on.isoformat()}:{step}:{channel}"


def good_until(facts: Row, day: date) -> date:
    """The last day that a reminder sent by hand on a day may go out: its words are true, and it is not stale."""
    latest = day + timedelta(days=GOOD_FOR - 1)
    bounds: dict[str, date] = {"before": facts["due_on"], "grace": facts["grace_ends"]}
    return min(latest, bounds.get(occasion_of(facts, day), latest))


def end_of(day: date) -> datetime:
    """The moment a day of the office is over."""
    return datetime.combine(day + timedelta(days=1), time(), OFFICE_ZONE)


def by_hand(day: date) -> str:
    """The step of a reminder that a colleague sends: one per policy and day."""
    return f"{BY_HAND}{day.isoformat()}"
