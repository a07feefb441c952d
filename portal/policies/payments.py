"""What was paid for a term: one row each, by instalments where they were agreed, and what is still to come."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from database_pool import Conflict, Duplicate, Transaction, new_id
from portal import audit
from portal.errors import Refused
from portal.policies.inputs import PaymentInput

Answer = TypeVar("Answer")
Row = dict[str, Any]
ZERO = Decimal(0)
PAYABLE = ("live", "pending", "renewed", "cancelled")
RIVALS = 8   # who may note a payment of one policy in the same moment


@dataclass(frozen=True)
class Account:
    """What a term costs with its endorsements, what came in and what is open (below zero: too much came)."""

    endorsed: Decimal
    due: Decimal
    paid: Decimal

    @property
    def open(self) -> Decimal:
        return self.due - self.paid


def account(policy: Mapping[str, Any], ledger: Iterable[Mapping[str, Any]]) -> Account:
    """The account of a term. Of one marked as paid in its form, the premium that it began with is taken as paid."""
    entries = list(ledger)
    endorsed = sum((entry["amount"] for entry in entries if entry["entry"] == "endorsement"), ZERO)
    paid = sum((entry["amount"] for entry in entries if entry["entry"] == "payment"), ZERO)
    if _is_paid_by_form(policy, entries):
        # What the ledger has beyond the endorsements is that very premium, noted once more.
        paid += policy["gross_premium"] - min(max(paid - max(endorsed, ZERO), ZERO), policy["gross_premium"])
    return Account(endorsed, policy["gross_premium"] + endorsed, paid)


def _is_paid_by_form(policy: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a colleague entered the day of payment, which is then the day of no payment of the ledger."""
    paid = [entry for entry in entries if entry["entry"] == "payment"]
    by_instalments = any(entry["instalment"] is not None for entry in paid)
    return policy["payment_date"] not in (None, *(entry["on_day"] for entry in paid)) and not by_instalments


def in_turn(note: Callable[[], Answer]) -> Answer:
    """Runs `note`, which reads a policy with its ledger and changes them, and again when somebody else was faster.

    Of two part payments at once neither sees the other, and together they may be all of it.
    """
    for _ in range(RIVALS - 1):
        try:
            return note()
        except Duplicate:
            raise
        except Conflict:
            continue
    return note()


def record_payment(
    tx: Transaction,
    actor: audit.Actor,
    policy: Row,
    data: PaymentInput,
    ledger: Iterable[Mapping[str, Any]],
    *,
    form_key: str | None = None,
) -> int:
    """Notes a payment and answers its id. The policy counts as paid once all is in, or with the first instalment.

    The end of `tx` raises Duplicate when the form of that key was saved before, and Conflict when policy or ledger
    changed meanwhile (`in_turn`).
    """
    if policy["state"] not in PAYABLE:
        raise Refused(f"A policy that is {policy['state']} takes no payment.")
    so_far = account(policy, ledger)
    payment_id = new_id("payments")
    columns = data.model_dump()
    tx.insert(
        "payments",
        {
            "payment_id": payment_id,
            "policy_id": policy["policy_id"],
            **columns,
            "form_key": form_key,
            "created_by": actor.user_id,
        },
    )
    is_settled = data.instalment is not None or so_far.paid + data.amount >= so_far.due
    if policy["payment_date"] is None and is_settled:
        _keep_in_turn(tx, actor, policy, data.paid_on, _in_words(data.mode, data.reference))
    else:
        _keep_in_turn(tx, actor, policy, policy["payment_date"], policy["payment_details"])
    audit.record(
        tx, actor, "pay", "policy", policy["policy_id"], client_id=policy["client_id"], before={}, after=columns
    )
    return payment_id


def remove_payment(
    tx: Transaction,
    actor: audit.Actor,
    policy: Row,
    payment: Mapping[str, Any],
    ledger: Iterable[Mapping[str, Any]],
    *,
    at: datetime,
) -> None:
    """Takes back a payment that was noted by mistake: the policy counts as paid by what is left, or not any more.

    The end of `tx` raises Conflict when it is gone, or when policy or ledger changed meanwhile (`in_turn`).
    """
    entries = list(ledger)
    tx.update(
        "payments",
        {"removed_at": at},
        filters={"payment_id_eq": payment["entry_id"], "removed_at_is": None},
        expect=1,
    )
    day, details = policy["payment_date"], policy["payment_details"]
    # A day that somebody entered in the form of the policy is no business of its payments and stays.
    if day in [entry["on_day"] for entry in entries if entry["entry"] == "payment"]:
        settling = _settling(policy, [entry for entry in entries if entry is not payment])
        if settling is None:
            day, details = None, None
        elif settling["on_day"] != day:
            day, details = settling["on_day"], _in_words(settling["sort"], settling["reference"])
    _keep_in_turn(tx, actor, policy, day, details)
    audit.record(
        tx, actor, "unpay", "policy", policy["policy_id"], client_id=policy["client_id"],
        before={"amount": payment["amount"], "reference": payment["reference"]}, after={"amount": None},
    )  # fmt: skip


def _settling(policy: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The payment by which a term counts as paid: the first instalment, or what made it all when it was noted."""
    due, paid = policy["gross_premium"], ZERO
    for entry in sorted(entries, key=lambda entry: (entry["created_at"], entry["entry_id"])):
        if entry["entry"] == "endorsement":
            due += entry["amount"]
            continue
        paid += entry["amount"]
        if entry["instalment"] is not None or paid >= due:
            return entry
    return None


def _keep_in_turn(tx: Transaction, actor: audit.Actor, policy: Row, day: date | None, details: str | None) -> None:
    """Writes how a policy was paid, unless policy or ledger changed since they were read (Conflict): whatever is noted
    moves the version, also where nothing else of the policy changes by it.
    """
    tx.update(
        "policies",
        {"payment_date": day, "payment_details": details, "updated_by": actor.user_id},
        filters={"policy_id_eq": policy["policy_id"], "version_eq": policy["version"]},
        expect=1,
    )


def _in_words(mode: str, reference: str | None) -> str:
    how = mode if mode == "UPI" else mode.capitalize()
    return f"{how} {reference}"[:120] if reference else how
