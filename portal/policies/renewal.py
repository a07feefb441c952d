"""Renewing: a new term beside the old one, which keeps everything but its state."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from database_pool import Transaction
from portal import audit
from portal.policies import service
from portal.policies.inputs import PolicyInput
from portal.policies.service import Book

Row = dict[str, Any]
RENEWABLE = ("live", "lost")
# What a renewal starts empty: the new papers say it.
ASKED_ANEW = (
    "policy_number",
    "payment_date",
    "payment_details",
    "net_premium",
    "addon_premium",
    "tp_premium",
    "gst_rate",
    "gst_tp_rate",
    "gst_reason",
    "commission_amount",
    "commission_received",
    "remarks",
    "waiting_for",
)
# Discount on own damage after 1 to 5 years without a claim (India Motor Tariff, General Regulation 27); lost when the
# cover lapsed for more than 90 days.
NO_CLAIM_BONUS = (0, 20, 25, 35, 45, 50)
BONUS_LOST_AFTER = timedelta(days=90)


def suggestion(old: Row, today: date) -> Row:
    """The form of the next term as it follows from the old one: dates a year on, same cover, premium to be entered.

    A long-term motor policy is renewed when its own damage ends; while its third party runs on, own damage alone is.
    """
    start = old["due_on"] + timedelta(days=1)
    end = service.end_of_year(start)
    new = {name: value for name, value in old.items() if name not in ASKED_ANEW}
    new.update(policy_from=start, policy_to=end, business_type="renewal", version=old["version"])
    if old["line"] == "motor":
        if old.get("cover") != "third party only":
            new["no_claim_bonus"] = next_bonus(old.get("no_claim_bonus"), old["due_on"], today)
        new["own_damage_to"] = None
        if old.get("third_party_to") and old["third_party_to"] > start:
            new["cover"] = "own damage only"
        else:
            new["third_party_to"] = None
    if old["line"] == "travel":
        new["trip_from"] = new["trip_to"] = None
    return new


def next_bonus(now: Decimal | None, due_on: date, today: date) -> Decimal:
    """The no-claim bonus of the next term after a year without a claim, in percent."""
    if today > due_on + BONUS_LOST_AFTER:
        return Decimal(0)
    return Decimal(next((step for step in NO_CLAIM_BONUS if step > (now or 0)), NO_CLAIM_BONUS[-1]))


def renew(
    tx: Transaction,
    actor: audit.Actor,
    old: Row,
    data: PolicyInput,
    *,
    book: Book,
    pending: bool,
    with_commission: bool,
) -> int:
    """Adds the next term and sets the old one to renewed; answers the new id.

    Conflict when the old term changed since `data.version` or somebody renewed it first: nothing is written then.
    A different insurer makes it a roll over. Who may not see commission leaves its rate as it was.
    """
    unchanged = {"policy_id_eq": old["policy_id"], "version_eq": data.version or 0, "deleted_at_is": None}
    tx.update("policies", {"state": "renewed"}, filters={**unchanged, "state_in": list(RENEWABLE)}, expect=1)
    new_id = service.add(
        tx, actor, old["client_id"], old["line"], data, book=book, pending=pending, with_commission=with_commission,
        inherited=_inherited(old, data, with_commission),
    )  # fmt: skip
    after = {"state": "renewed", "renewed_by_id": new_id}
    audit.record(
        tx, actor, "renewed", "policy", old["policy_id"], client_id=old["client_id"], before={"state": old["state"]},
        after=after,
    )  # fmt: skip
    return new_id


def _inherited(old: Row, data: PolicyInput, with_commission: bool) -> Row:
    columns: Row = {"renewed_from_id": old["policy_id"]}
    if data.insurer_id != old["insurer_id"]:
        columns["business_type"] = "roll over"
    if not with_commission:
        columns["commission_rate"] = old["commission_rate"]
    return columns
