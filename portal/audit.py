"""Who changed what: one row per change, written in the transaction of the change itself."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from database_pool import Transaction
from portal.sealing import SEALED

# Never in the trail, whatever a caller hands over.
SECRET = frozenset({"password_hash", "token_hash"})
# What the book keeps sealed, by kind of record: the trail says that it changed, not from what to what.
SENSITIVE = {"client": frozenset(SEALED["clients"]), "member": frozenset(SEALED["members"])}
NOT_KEPT_HERE = "not kept here"
# Moved by the database on every write; they say nothing that the row of the trail does not.
NOISE = frozenset({"version", "updated_at", "created_at"})


@dataclass(frozen=True)
class Actor:
    """Who acts, in which request and from where. `user_id` is None for the portal itself (commands, schedules).

    `token_id` is the API token of the program that acts for the colleague, None when it is the colleague's browser.
    """

    user_id: int | None
    request_id: str | None = None
    ip: str | None = None
    token_id: int | None = None


THE_PORTAL = Actor(user_id=None)


def record(
    tx: Transaction,
    actor: Actor,
    action: str,
    record_type: str,
    record_id: str | int,
    *,
    client_id: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Notes one change in the audit trail. With both `before` and `after`, only the fields that differ are kept.

    Of fields that the book keeps sealed, only that they changed.
    """
    if before is not None and after is not None:
        changed = {name for name in after if before.get(name) != after[name]} - NOISE
        before = {name: before.get(name) for name in changed}
        after = {name: after[name] for name in changed}
    tx.insert("audit", {
        "user_id": actor.user_id,
        "action": action,
        "record_type": record_type,
        "record_id": str(record_id),
        "client_id": client_id,
        "before": _without_sealed(record_type, plain(before)),
        "after": _without_sealed(record_type, plain(after)),
        "request_id": actor.request_id,
        "ip": actor.ip,
        "token_id": actor.token_id,
    }, returning=False)


def plain(fields: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The fields as JSON holds them, without secrets: amounts and dates as text."""
    if fields is None:
        return None
    return {name: _json(value) for name, value in fields.items() if name not in SECRET}


def _without_sealed(record_type: str, fields: dict[str, Any] | None) -> dict[str, Any] | None:
    sensitive = SENSITIVE.get(record_type)
    if fields is None or sensitive is None:
        return fields
    return {name: NOT_KEPT_HERE if name in sensitive and value is not None else value
            for name, value in fields.items()}


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime.date):   # covers datetime
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(inner) for inner in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
