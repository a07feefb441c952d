"""What was paid for a term: one row each, by instalments where they were agreed, and what is still to come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.errors import Refused
from portal.policies.inputs import PaymentInput

Row = dict[str, Any]
ZERO = Decimal(0)
PAYABLE = ("live", "pending", "renewed", "cancelled")


@dataclass(frozen=True)
class Account:
    """What a term costs with its endorsements, what came in and what is open (below zero: too much came)."""

    endorsed: Decimal
    due: Decimal
    paid: Decimal
    is_counted: bool

    @property
    def open(self) -> Decimal:
        return self.due - self.paid if self.is_counted else ZERO


def account(policy: Mapping[str, Any], ledger: Iterable[Mapping[str, Any]]) -> Account:
    """The account of a term. A policy marked as paid whose payments nobody counted is taken as paid in full."""
    entries = list(ledger)
    endorsed = sum((entry["amount"] for entry in entries if entry["entry"] == "endorsement"), ZERO)
    paid = sum((entry["amount"] for entry in entries if entry["entry"] == "payment"), ZERO)
    is_counted = policy["payment_date"] is None or paid > 0
    return Account(endorsed, policy["gross_premium"] + endorsed, paid, is_counted)


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

    The end of `tx` raises Duplicate when the form of that key was saved before.
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
    if policy["payment_date"] is None and (data.instalment is not None or so_far.paid + data.amount >= so_far.due):
        # Without the version: two colleagues may note two payments at once, and the first day stays.
        tx.update(
            "policies",
            {"payment_date": data.paid_on, "payment_details": _in_words(data), "updated_by": actor.user_id},
            filters={"policy_id_eq": policy["policy_id"], "payment_date_is": None},
        )
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
    """Takes back a payment that was noted by mistake. Without any left the policy is unpaid again. Conflict: gone."""
    left = [entry for entry in ledger if entry["entry"] == "payment" and entry["entry_id"] != payment["entry_id"]]
    tx.update(
        "payments",
        {"removed_at": at},
        filters={"payment_id_eq": payment["entry_id"], "removed_at_is": None},
        expect=1,
    )
    if not left:
        # A day that somebody entered in the form of the policy is no business of this payment and stays.
        tx.update(
            "policies",
            {"payment_date": None, "payment_details": None, "updated_by": actor.user_id},
            filters={"policy_id_eq": policy["policy_id"], "payment_date_eq": payment["on_day"]},
        )
    audit.record(
        tx, actor, "unpay", "policy", policy["policy_id"], client_id=policy["client_id"],
        before={"amount": payment["amount"], "reference": payment["reference"]}, after={"amount": None},
    )  # fmt: skip


def _in_words(data: PaymentInput) -> str:
    mode = data.mode if data.mode == "UPI" else data.mode.capitalize()
    return f"{mode} {data.reference}"[:120] if data.reference else mode
