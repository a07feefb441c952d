"""Who asked to stop and who agreed to what: changes of it, each with a line in the trail."""

from typing import Any, Literal

from database_pool import Transaction
from portal import audit
from portal.formats import now

Row = dict[str, Any]
Scope = Literal["all", "marketing"]


def opt_out(tx: Transaction, actor: audit.Actor, *, channel: str, address: str, scope: Scope = "all") -> None:
    """From now on nothing goes to this address (or no promotion), and what waits for it is cancelled.

    Replies to what the person writes afterwards are not affected.
    """
    column = "opted_out_at" if scope == "all" else "marketing_opted_out_at"
    tx.upsert("contacts", {"channel": channel, "address": address, column: now()}, on_conflict="channel, address")
    waiting: Row = {"channel_eq": channel, "recipient_eq": address, "state_eq": "queued"}
    stopped = {"purpose_eq": "marketing"} if scope == "marketing" else {"purpose_neq": "reply"}
    tx.update("messages", {"state": "suppressed", "state_at": now(), "reason": "The recipient asked to stop."},
              filters={**waiting, **stopped})  # fmt: skip
    audit.record(tx, actor, "opt out", "contact", _masked(address), after={"channel": channel, "scope": scope})


def opt_in(tx: Transaction, actor: audit.Actor, *, channel: str, address: str) -> None:
    """The person wants messages again: takes back a stop of either scope."""
    free = {"opted_out_at": None, "marketing_opted_out_at": None}
    tx.upsert("contacts", {"channel": channel, "address": address, **free}, on_conflict="channel, address")
    audit.record(tx, actor, "opt in", "contact", _masked(address), after={"channel": channel})


def agree(tx: Transaction, actor: audit.Actor, client_id: str, *, channel: str, how: str) -> None:
    """Notes a client's consent to promotions over a channel, once while it lasts (Duplicate)."""
    tx.insert("consents", {"client_id": client_id, "channel": channel, "purpose": "marketing", "given_how": how,
                           "recorded_by": actor.user_id}, returning=False)  # fmt: skip
    audit.record(tx, actor, "add", "consent", client_id, client_id=client_id, after={"channel": channel, "how": how})


def withdraw(tx: Transaction, actor: audit.Actor, client_id: str, *, channel: str, how: str) -> None:
    """Notes that a client took back the consent to promotions; Conflict when there was none."""
    tx.update("consents", {"withdrawn_at": now(), "withdrawn_how": how}, expect=1,
              filters={"client_id_eq": client_id, "channel_eq": channel, "purpose_eq": "marketing",
                       "withdrawn_at_is": None})  # fmt: skip
    audit.record(tx, actor, "withdraw", "consent", client_id, client_id=client_id, after={"channel": channel})


def _masked(address: str) -> str:
    """Enough of an address to recognise it: the trail outlives the data it is about."""
    return f"{address[:4]}…{address[-3:]}" if len(address) > 8 else address
