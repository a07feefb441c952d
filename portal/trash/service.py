"""The rules of erasing. The database does it and says what holds a record (see carry_out_erasure)."""

from typing import Any

from database_pool import Transaction
from portal import audit
from portal.errors import Refused
from portal.formats import compact
from portal.trash.inputs import EraseInput

Row = dict[str, Any]
ASKED_FOR, TIME_IS_UP = "asked for", "30 days in the trash"
KEPT_FOR_DAYS = 30


def erase(tx: Transaction, actor: audit.Actor, stored: Row, data: EraseInput) -> None:
    """Erases a record from the trash for good, when its number was typed.

    The end of `tx` raises Conflict when it is no longer in the trash and BusinessRule when something holds it.
    """
    if compact(data.number) != compact(stored["record_id"]):
        raise Refused(f"Type {stored['record_id']}, the number of what is to be erased.", field="number")
    _erase(tx, actor, stored["kind"], stored["record_id"], ASKED_FOR)


def purge(tx: Transaction, kind: str, record_id: str) -> None:
    """Erases what has been in the trash for 30 days."""
    _erase(tx, audit.THE_PORTAL, kind, record_id, TIME_IS_UP)


def _erase(tx: Transaction, actor: audit.Actor, kind: str, record_id: str, reason: str) -> None:
    erasure = {"kind": kind, "record_id": record_id, "reason": reason, "erased_by": actor.user_id}
    tx.insert("erasures", erasure, returning=False)
    audit.record(tx, actor, "erase", kind, record_id, after={"reason": reason})
