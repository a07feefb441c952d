"""Questions to the trash."""

from typing import Any

from database_pool import call_function, execute_query
from portal.paging import Listing, Page, Sort, read_page
from portal.trash.inputs import TrashFilter

Row = dict[str, Any]
SORTS = (Sort("deleted", "deleted_at", "entry", kind="time", descending=True),)
MOST_AT_ONCE = 500


def page_of_trash(wanted: Listing, narrowed: TrashFilter, kinds: list[str]) -> Page:
    """One page of what lies in the trash, of the kinds that the colleague may see, the latest first."""
    chosen = [kind for kind in kinds if narrowed.kind in (None, kind)]
    return read_page("trash_list", wanted, filters={"kind_in": chosen or ["nothing"]})


def entry(kind: str, record_id: str) -> Row | None:
    """One record in the trash; None when it is not there."""
    rows = execute_query("trash_list", filters={"entry_eq": f"{kind}:{record_id}"}, limit=1).data
    return rows[0] if rows else None


def holds(kind: str, record_id: str) -> list[str]:
    """Why a record may not be erased yet; empty when it may."""
    found: list[str] = call_function("trash_holds", {"kind": kind, "record_id": record_id}, read_only=True)
    return found


def due() -> list[Row]:
    """What has been in the trash for 30 days and is held by nothing, the oldest first."""
    return execute_query("trash_due", order="deleted_at, entry", limit=MOST_AT_ONCE).data


def is_due(kind: str, record_id: str) -> bool:
    """Whether this record still is: somebody may have restored it meanwhile."""
    return bool(execute_query("trash_due", filters={"entry_eq": f"{kind}:{record_id}"}, limit=1).data)
