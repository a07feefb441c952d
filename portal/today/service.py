"""The rules of the day's work: what counts as done, what a page of figures shows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from database_pool import Transaction
from portal.audit import Actor
from portal.formats import MONTHS, now, office_date, whole_rupees
from portal.today.inputs import MarkInput

Row = dict[str, Any]


@dataclass(frozen=True)
class Section:
    """One kind of work: its word, its heading, the list behind it, and what is said when there is none."""

    word: str
    heading: str
    list_path: str
    area: str
    permission: str


# In the order of urgency, headings with the office's own rules.
# The count beside each heading is that of the list it leads to.
SECTIONS = (
    Section("overdue", "In grace or uninsured", "/policies?view=overdue", "policies", "policies.read"),
    Section("week", "Due within 7 days", "/policies?view=week", "policies", "policies.read"),
    Section("calls", "Calls: {call_premium} or more, due within {call_days} days", "/renewals?view=calls", "renewals",
            "policies.read"),
    Section("unpaid", "Payment pending", "/policies?view=unpaid", "policies", "policies.read"),
    Section("waiting", "Papers awaited for more than {papers_days} days", "/policies?view=waiting", "policies",
            "policies.read"),
    Section("messages", "Messages that failed", "/messages/log?state=failed", "outbox", "messages.read"),
    Section("tasks", "Tasks that gave up", "/jobs/dead-letters", "jobs", "queue.manage"),
    Section("birthdays", "Birthdays today", "/today/birthdays", "today", "clients.read"),
)


# Who may say what becomes of a piece of work, by its kind: it leaves the day of the whole office.
MARKED_BY = {
    "renewal": "policies.write",
    "call": "policies.write",
    "payment": "policies.write",
    "papers": "policies.write",
    "message": "messages.write",
    "task": "queue.manage",
    "birthday": "clients.write",
}


@dataclass(frozen=True)
class Bar:
    """One bar of a chart: what it stands for, how much, how many policies, and the list behind it."""

    label: str
    value: Decimal
    policies: int
    link: str
    full_label: str = ""


def sections(rules: Mapping[str, Any]) -> list[Section]:
    """The kinds of work, each heading with the figures that the office has settled."""
    shown = {**rules, "call_premium": whole_rupees(Decimal(str(rules["call_premium"])))}
    return [replace(section, heading=section.heading.format_map(shown)) for section in SECTIONS]


def right_to_mark(item: str) -> str:
    """The permission to tick off or put aside a piece of work ("renewal:7")."""
    return MARKED_BY[item.partition(":")[0]]


def mark_work(tx: Transaction, actor: Actor, day: date, data: MarkInput) -> None:
    """Notes what a colleague says about a piece of work today; "open" takes it back.

    Not in the audit trail: it changes nothing of the book.
    """
    if data.mark == "open":
        tx.delete("work_marks", filters={"on_day_eq": day, "item_eq": data.item})
        return
    tx.upsert("work_marks", {
        "item": data.item, "on_day": day, "mark": data.mark, "user_id": actor.user_id, "marked_at": now()})


def first_of_year(day: date) -> date:
    """The first day of the financial year of a day: 1 April."""
    return date(day.year if day.month >= 4 else day.year - 1, 4, 1)


def months_of(since: date, rows: list[Row], agent_id: int | None) -> list[Bar]:
    """Twelve bars from the month of `since` on, those without business too."""
    there = {row["month"]: row for row in rows}
    bars = []
    for number in range(12):
        first = _months_after(since, number)
        last = date.fromordinal(_months_after(since, number + 1).toordinal() - 1)
        row = there.get(first, {"gross": Decimal(0), "policies": 0})
        link = _issued(agent_id, start_from=office_date(first), start_to=office_date(last))
        name = MONTHS[first.month - 1]
        bars.append(Bar(name[:3], row["gross"], row["policies"], link, f"{name} {first.year}"))
    return bars


def issued_in_year(since: date, agent_id: int | None, **more: str) -> str:
    """The address of the list of terms issued in the financial year that begins on `since`."""
    last = date.fromordinal(date(since.year + 1, 4, 1).toordinal() - 1)
    return _issued(agent_id, start_from=office_date(since), start_to=office_date(last), **more)


def _issued(agent_id: int | None, **more: str) -> str:
    whose = {"agent_id": str(agent_id)} if agent_id else {}
    return "/policies?" + urlencode({"view": "issued", **whose, **more})


def _months_after(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, 1)
