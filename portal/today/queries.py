"""Questions about the day's work and the business's figures, each in one trip."""

from datetime import date
from decimal import Decimal
from typing import Any

from database_pool import call_function, execute_query
from portal import sealing
from portal.freshness import Fresh, KeptRows
from portal.paging import Listing, Page, Sort, read_page

Row = dict[str, Any]
SHOWN = 8   # rows of one section; the rest is in the list behind it
WORK = ("policies", "listed", "names", "masters", "colleagues", "work")   # what Today's work is made from
BIRTHDAYS = (Sort("name", "name", "member_id", key_kind="whole"),)


def work_queue(day: date, agent_id: int | None, fresh: Fresh) -> Row:
    """What waits on a day: `sections` by word, each with `total`, `open` and its most urgent `rows`; `items` in all;
    those `marked` done or put aside; and the `next` renewal after the week. Of one agent's book, or of all. Asked again
    only after something of it changed; dates of birth are opened each time and never kept.
    """
    answer = fresh.value(WORK, ("work", day, agent_id), lambda: _work_queue(day, agent_id))
    found = answer["sections"].get("birthdays")
    if found is None:
        return answer
    birthdays = {**found, "rows": [_read(row) for row in found["rows"]]}
    return {**answer, "sections": {**answer["sections"], "birthdays": birthdays}}


def _work_queue(day: date, agent_id: int | None) -> Row:
    answer: Row = call_function("work_of_day", {"day": day, "of_agent": agent_id, "most": SHOWN}, read_only=True)
    for word, section in answer["sections"].items():
        if word != "birthdays":
            section["rows"] = KeptRows(_read(row) for row in section["rows"])
    answer["next"] = _read(answer["next"]) if answer["next"] else None
    return answer


def month_figures(day: date, agent_id: int | None, fresh: Fresh) -> Row:
    """Of the day's month: `policies` and `gross` issued, their `commission`; terms `due` so far and `kept` of them.
    Added up again only after some policy changed.
    """
    return fresh.value("policies", ("month", day, agent_id), lambda: _month_figures(day, agent_id))


def _month_figures(day: date, agent_id: int | None) -> Row:
    answer: Row = call_function("month_figures", {"day": day, "of_agent": agent_id}, read_only=True)
    return {**answer, "gross": Decimal(answer["gross"]), "commission": Decimal(answer["commission"])}


def business_figures(since: date, agent_id: int | None, fresh: Fresh) -> Row:
    """Issued premium of two years from `since` on by month; of the second one by `lines` and ten `insurers`. Added up
    again only after some policy or insurer changed.
    """
    key = ("business", since, agent_id)
    return fresh.value(("policies", "masters"), key, lambda: _business_figures(since, agent_id))


def _business_figures(since: date, agent_id: int | None) -> Row:
    answer: Row = call_function("business_figures", {"since": since, "of_agent": agent_id}, read_only=True)
    for group in ("months", "lines", "insurers"):
        for row in answer[group]:
            row["gross"] = Decimal(row["gross"])
    for row in answer["months"]:
        row["month"] = date.fromisoformat(row["month"])
    return answer


def page_of_birthdays(wanted: Listing, day: date, agent_id: int | None) -> Page:
    """Who has a birthday on a day."""
    days = call_function("birthdays_on", {"day": day}, read_only=True)
    filters: Row = {"birthday_in": days, **({"agent_id_eq": agent_id} if agent_id else {})}
    page = read_page("birthday_list", wanted, filters=filters)
    page.rows[:] = sealing.all_opened(page.rows)
    return page


def is_marked(day: date, item: str) -> bool:
    """Whether somebody has said something about a piece of work today."""
    filters = {"on_day_eq": day, "item_eq": item}
    return bool(execute_query("work_marks", columns="item", filters=filters, limit=1).data)


def _read(stored: Row) -> Row:
    row = sealing.opened(stored)
    for name in ("due_on", "grace_ends", "third_party_to", "date_of_birth"):
        if isinstance(row.get(name), str):
            row[name] = date.fromisoformat(row[name])
    if row.get("gross_premium") is not None:
        row["gross_premium"] = Decimal(row["gross_premium"])
    return row
