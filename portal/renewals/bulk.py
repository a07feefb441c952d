"""Reminders and notices for many policies at once: who is ready, who is not and why, and the job that sends them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from config import settings
from database_pool import Transaction
from portal import audit
from portal.jobs.service import JobItem, Skipped, start_job
from portal.outbox.reach import NO_TEMPLATE
from portal.policies.notices import NO_CONSENT, Way, ways_in_words
from portal.policies.queries import notice_facts_of
from portal.renewals import reminding

Row = dict[str, Any]
NO_SUCH_POLICY = "There is no such policy."
SENT_TODAY = "Reminded today already."
# How the preview sums up why somebody is not ready; in this order.
KINDS = (
    "no phone and no e-mail", "no consent", "without approved template", "sent today", "not to be renewed", "unknown",
)  # fmt: skip
ISSUED = "policy.issued"


@dataclass(frozen=True)
class Left:
    """A policy that a bulk action leaves out: the sort of reason, and the reason as a sentence."""

    policy_id: int
    label: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Selection:
    """What a bulk action would do: `ready` rows with the ways to their clients, and what is left out."""

    ready: list[Row]
    ways: Mapping[int, list[Way]]
    left: list[Left]

    def counts(self) -> list[tuple[str, int]]:
        """How many are left out for each sort of reason, without sorts that do not occur."""
        totals = {kind: sum(one.kind == kind for one in self.left) for kind in KINDS}
        return [(kind, number) for kind, number in totals.items() if number]


def choose_for_reminders(policy_ids: Sequence[int], today: date) -> Selection:
    """Which of the policies can be reminded today. Each may be reminded once a day, by whatever way."""
    rows = {row["policy_id"]: row for row in notice_facts_of(policy_ids)}
    ways = ways_in_words(
        list(rows.values()), lambda row: reminding.template_key(reminding.occasion_of(row, today)))  # fmt: skip
    return _sort_out(policy_ids, rows, ways, lambda row: _why_no_reminder(row, today))


def choose_for_notices(policy_ids: Sequence[int]) -> Selection:
    """Which of the policies can be told to be issued."""
    rows = {row["policy_id"]: row for row in notice_facts_of(policy_ids)}
    ways = ways_in_words(list(rows.values()), lambda row: ISSUED)
    return _sort_out(policy_ids, rows, ways, lambda row: ("unknown", why_no_notice(row)))


def why_no_notice(row: Row) -> str:
    """Why the client of a term is not told that it is issued; "" when nothing speaks against it."""
    if row["deleted_at"] is not None:
        return NO_SUCH_POLICY
    return "" if row["state"] == "live" else f"This policy is {row['state']}."


def _sort_out(
    policy_ids: Sequence[int], rows: Mapping[int, Row], ways: Mapping[int, list[Way]], reason_of: Any
) -> Selection:
    ready, left = [], []
    for policy_id in dict.fromkeys(policy_ids):
        row = rows.get(policy_id)
        if row is None:
            left.append(Left(policy_id, str(policy_id), "unknown", NO_SUCH_POLICY))
            continue
        kind, reason = reason_of(row)
        if not reason:
            kind, reason = _why_unreachable(row, ways[policy_id])
        if reason:
            left.append(Left(policy_id, label_of(row), kind, reason))
        else:
            ready.append(row)
    return Selection(ready, ways, left)


def _why_no_reminder(row: Row, today: date) -> tuple[str, str]:
    if reason := reminding.why_not(row):
        return "not to be renewed", reason
    return ("sent today", SENT_TODAY) if row["reminded_on"] == today else ("", "")


def _why_unreachable(row: Row, ways: Sequence[Way]) -> tuple[str, str]:
    if any(not way.why_not for way in ways):
        return "", ""
    if not row["phone"] and not row["email"]:
        return "no phone and no e-mail", "The client has neither a phone number nor an e-mail address."
    if any(way.why_not == NO_TEMPLATE for way in ways):
        return "without approved template", NO_TEMPLATE
    return "no consent", next((way.why_not for way in ways if way.address), NO_CONSENT["whatsapp"])


def label_of(row: Row) -> str:
    """A policy as a job names it."""
    return f"{row['policy_number'] or 'Policy without a number'} · {row['client_name']}"


def start_reminders(tx: Transaction, actor: audit.Actor, selection: Selection, *, key: str, today: date) -> str:
    """Starts the job that reminds the clients of all ready policies, and answers its batch_id; same key, same job."""
    number = len(selection.ready)
    return start_job(
        tx,
        actor,
        kind="renewals.remind",
        title=f"Reminders for {number} {'policy' if number == 1 else 'policies'}",
        task="renewals.send_reminder",
        items=[_item(row, {"policy_id": row["policy_id"], "day": today.isoformat()}) for row in selection.ready],
        skipped=_skipped(selection),
        key=key,
        most_a_day=settings().bulk_records_per_day,
    )


def start_notices(tx: Transaction, actor: audit.Actor, selection: Selection, *, key: str) -> str:
    """Starts the job that tells the clients of all ready policies that they are issued, as `start_reminders`."""
    number = len(selection.ready)
    return start_job(
        tx,
        actor,
        kind="renewals.notify_issued",
        title=f"Issued policies: notices for {number} {'policy' if number == 1 else 'policies'}",
        task="renewals.send_notice",
        items=[_item(row, {"policy_id": row["policy_id"]}) for row in selection.ready],
        skipped=_skipped(selection),
        key=key,
        most_a_day=settings().bulk_records_per_day,
    )


def _item(row: Row, payload: Row) -> JobItem:
    return JobItem(record_type="policy", record_id=str(row["policy_id"]), label=label_of(row), payload=payload)


def _skipped(selection: Selection) -> list[Skipped]:
    return [Skipped("policy", str(one.policy_id), one.reason, one.label) for one in selection.left]
