"""Questions to the trail of changes."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from database_pool import execute_query
from portal.formats import OFFICE_ZONE
from portal.paging import Listing, Page, Sort, read_page
from portal.trail.inputs import ReadFilter, TrailFilter

Row = dict[str, Any]
SORTS = (Sort("when", "happened_at", "audit_id", kind="time", key_kind="whole", descending=True),)
READ_SORTS = (Sort("when", "read_at", "read_id", kind="time", key_kind="whole", descending=True),)
MOST_EXPORTED = 20_000


def page_of_trail(wanted: Listing, narrowed: TrailFilter) -> Page:
    """One page of the entries that match, the latest first. They are not counted: there is no end to them."""
    return read_page("audit_trail", wanted, filters=filters_of(narrowed), count=False)


def entry(audit_id: int) -> Row | None:
    """One entry, or None."""
    rows = execute_query("audit_trail", filters={"audit_id_eq": audit_id}, limit=1).data
    return rows[0] if rows else None


def newest(narrowed: TrailFilter) -> list[Row]:
    """The newest 20,000 entries that match, for a file."""
    order = "happened_at desc, audit_id desc"
    return execute_query("audit_trail", filters=filters_of(narrowed), order=order, limit=MOST_EXPORTED).data


def filters_of(narrowed: TrailFilter) -> Row:
    """The conditions on audit_trail that a filter stands for; a day is the office's day."""
    return _filters(narrowed, ("record_type", "record_id", "user_id", "action", "request_id"), "happened_at")


def page_of_reads(wanted: Listing, narrowed: ReadFilter) -> Page:
    """One page of who looked at what, the latest first. They are not counted."""
    filters = _filters(narrowed, ("record_type", "record_id", "user_id"), "read_at")
    return read_page("read_list", wanted, filters=filters, count=False)


def _filters(narrowed: ReadFilter | TrailFilter, names: tuple[str, ...], moment: str) -> Row:
    filters: Row = {f"{name}_eq": value for name in names if (value := getattr(narrowed, name)) is not None}
    if narrowed.client_id:
        filters["client_id_eq"] = narrowed.client_id.upper()
    if narrowed.date_from:
        filters[f"{moment}_gte"] = _start_of(narrowed.date_from)
    if narrowed.date_to:
        filters[f"{moment}_lt"] = _start_of(narrowed.date_to + timedelta(days=1))
    return filters


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=OFFICE_ZONE).astimezone(UTC)
