"""Ending a term before its time: cancelled, lost, into the trash and out of it."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from database_pool import Transaction
from portal import audit
from portal.errors import Refused
from portal.outbox.service import cancel_waiting
from portal.policies import endorsement, queries
from portal.policies.inputs import CancellationInput, LossInput
from portal.policies.pricing import Book
from portal.settings.queries import lost_reason

Row = dict[str, Any]
ZERO = Decimal(0)


def cancel(
    tx: Transaction,
    actor: audit.Actor,
    stored: Row,
    data: CancellationInput,
    ledger: Iterable[Mapping[str, Any]],
    *,
    book: Book,
) -> None:
    """Ends a live term on a day, with what is given back. Conflict when it changed since `data.version`."""
    if not stored["policy_from"] <= data.cancelled_on <= stored["policy_to"]:
        raise Refused("Cancelled on: this day lies outside the policy's dates.", field="cancelled_on")
    endorsed = _endorsed(ledger)
    refund, refund_tp = data.refund_premium or ZERO, data.refund_tp_premium or ZERO
    charged = stored["net_premium"] + stored["addon_premium"] + sum((entry["net_premium"] for entry in endorsed), ZERO)
    if refund > charged:
        raise Refused("Refund: more than was charged cannot be given back.", field="refund_premium")
    if refund_tp > stored["tp_premium"] + sum((entry["tp_premium"] for entry in endorsed), ZERO):
        raise Refused("Refund of third party: more than was charged cannot be given back.", field="refund_tp_premium")
    priced = endorsement.price_of(
        stored, book, net=-refund, third_party=-refund_tp, on=data.cancelled_on, gst_rate=stored["gst_rate"]
    )
    endorsement.write(
        tx, actor, stored, priced, kind="cancellation", on=data.cancelled_on, number=data.endorsement_number,
        description=data.reason, before={}, after={},
    )  # fmt: skip
    _end(
        tx,
        actor,
        stored,
        data.version,
        "cancel",
        ["live"],
        {"state": "cancelled", "cancelled_on": data.cancelled_on, "lost_reason": data.reason},
    )


def proportionate_refund(stored: Row, ledger: Iterable[Mapping[str, Any]], cancelled_on: date) -> Decimal:
    """What net premium, add-on and endorsements come to for the days after a cancellation, before tax."""
    end, charged = stored["policy_to"], stored["net_premium"] + stored["addon_premium"]
    return sum(
        (endorsement.pro_rata(entry["net_premium"], entry["on_day"], end, cancelled_on) for entry in _endorsed(ledger)),
        endorsement.pro_rata(charged, stored["policy_from"], end, cancelled_on),
    )


def _endorsed(ledger: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [entry for entry in ledger if entry["entry"] == "endorsement"]


def mark_lost(tx: Transaction, actor: audit.Actor, stored: Row, data: LossInput) -> None:
    """Notes that a term will not be renewed with us, or a pending one not completed. Conflict as in `cancel`."""
    known = lost_reason(data.reason)
    if known is None:
        raise Refused("Reason: please choose one of the list.", field="reason")
    reason = f"{data.reason}: {data.remark}" if data.remark else data.reason
    values = {"state": "lost", "lost_reason": reason, "lost_reason_id": known["lost_reason_id"]}
    _end(tx, actor, stored, data.version, "lose", ["live", "pending"], values)


def reopen(tx: Transaction, actor: audit.Actor, stored: Row, version: int, *, at: datetime) -> None:
    """Takes back a cancellation (with its refund) or a loss: live, or pending where the policy never had a number."""
    state = "live" if stored["policy_number"] else "pending"
    values = {"state": state, "lost_reason": None, "lost_reason_id": None, "cancelled_on": None}
    _end(tx, actor, stored, version, "reopen", ["lost", "cancelled"], values)
    tx.update(
        "endorsements",
        {"withdrawn_at": at},
        filters={"policy_id_eq": stored["policy_id"], "kind_eq": "cancellation", "withdrawn_at_is": None},
    )


def _end(
    tx: Transaction, actor: audit.Actor, stored: Row, version: int, action: str, from_states: list[str], values: Row
) -> None:
    tx.update(
        "policies",
        {**values, "updated_by": actor.user_id},
        expect=1,
        filters={
            "policy_id_eq": stored["policy_id"],
            "version_eq": version,
            "state_in": from_states,
            "deleted_at_is": None,
        },
    )
    if values["state"] not in ("live", "pending"):
        cancel_waiting(tx, actor, policy_id=stored["policy_id"])
    audit.record(
        tx, actor, action, "policy", stored["policy_id"], client_id=stored["client_id"], before=stored, after=values
    )


def delete(tx: Transaction, actor: audit.Actor, stored: Row, version: int, *, at: datetime) -> None:
    """Puts a term into the trash. The term it renewed is live again, or lost, as if it had not been renewed."""
    if stored["state"] == "renewed":
        raise Refused("This term has been renewed. Delete the newer term first.")
    tx.update(
        "policies",
        {"deleted_at": at, "updated_by": actor.user_id},
        expect=1,
        filters={"policy_id_eq": stored["policy_id"], "version_eq": version, "deleted_at_is": None},
    )
    cancel_waiting(tx, actor, policy_id=stored["policy_id"])
    if old := queries.policy(stored["renewed_from_id"] or 0):
        _move_old_term(tx, actor, old, ["renewed"], "lost" if old["lost_reason"] else "live")
    audit.record(
        tx,
        actor,
        "delete",
        "policy",
        stored["policy_id"],
        client_id=stored["client_id"],
        before={"deleted_at": None},
        after={"deleted_at": at},
    )


def restore(tx: Transaction, actor: audit.Actor, stored: Row, version: int) -> None:
    """Takes a term out of the trash. Conflict when the term it renewed was renewed again or ended meanwhile."""
    tx.update(
        "policies",
        {"deleted_at": None, "updated_by": actor.user_id},
        expect=1,
        filters={"policy_id_eq": stored["policy_id"], "version_eq": version},
    )
    if old := queries.policy(stored["renewed_from_id"] or 0):
        _move_old_term(tx, actor, old, ["live", "lost"], "renewed")
    audit.record(
        tx,
        actor,
        "restore",
        "policy",
        stored["policy_id"],
        client_id=stored["client_id"],
        before={"deleted_at": stored["deleted_at"]},
        after={"deleted_at": None},
    )


def _move_old_term(tx: Transaction, actor: audit.Actor, old: Row, allowed: list[str], state: str) -> None:
    """Conflict when the old term is by now in none of the `allowed` states."""
    tx.update("policies", {"state": state}, filters={"policy_id_eq": old["policy_id"], "state_in": allowed}, expect=1)
    if state == "renewed":
        cancel_waiting(tx, actor, policy_id=old["policy_id"])
    audit.record(
        tx,
        actor,
        "renewed" if state == "renewed" else "reopen",
        "policy",
        old["policy_id"],
        client_id=old["client_id"],
        before={"state": old["state"]},
        after={"state": state},
    )
