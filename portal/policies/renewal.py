"""Renewing: a new term beside the old one, which keeps everything but its state."""

from datetime import date, timedelta
from typing import Any

from database_pool import Transaction
from portal import audit
from portal.formats import percent, today
from portal.outbox.service import cancel_waiting
from portal.policies import motor, notices, queries, service
from portal.policies.inputs import MotorInput, PolicyInput, RenewalWish
from portal.policies.pricing import Book, end_of_year, price, terms_of, with_ends
from portal.settings.queries import setting

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
    "commission_rate",
    "commission_tp_rate",
    "commission_amount",
    "commission_received",
    "remarks",
    "waiting_for",
)


def suggestion(old: Row, book: Book, today: date) -> Row:
    """The form of the next term as it follows from the old one: dates a year on, same cover, premium to be entered.

    A long-term motor policy is renewed when its own damage ends; while its third party runs on, own damage alone is.
    """
    start = old["due_on"] + timedelta(days=1)
    new = {name: value for name, value in old.items() if name not in ASKED_ANEW}
    new.update(policy_from=start, policy_to=end_of_year(start), business_type="renewal", version=old["version"])
    by_rule = terms_of(old, book)
    if (old["commission_rate"], old["commission_tp_rate"]) != (by_rule.rule_rate, by_rule.rule_tp_rate):
        new |= {name: old[name] for name in ("commission_rate", "commission_tp_rate")}
    if old["line"] == "motor":
        if old.get("cover") != "third party only":
            new["no_claim_bonus"] = motor.next_bonus(
                book.rules, old.get("no_claim_bonus"), old["due_on"], max(start, today)
            )
        new["own_damage_to"] = None
        if old.get("third_party_to") and old["third_party_to"] > start:
            new["cover"] = "own damage only"
        else:
            new["third_party_to"] = None
        if motor.is_named_by_number(old):
            new["asset"] = None
    if old["line"] == "travel":
        new["trip_from"] = new["trip_to"] = None
    return new


def problems(old: Row, data: PolicyInput, *, claimed: bool) -> dict[str, str]:
    """Why these entries cannot follow the old term, one sentence per field. `claimed`: a claim was paid in it."""
    found = {}
    if data.policy_from <= old["policy_from"]:
        found["policy_from"] = "The new term must start after the old one. Please check the date."
    if claimed and isinstance(data, MotorInput) and data.no_claim_bonus:
        found["no_claim_bonus"] = "After a claim the no-claim bonus is 0."
    return found


def advice(old: Row, book: Book, wish: RenewalWish) -> list[str]:
    """What to think of before saving: a gap between the terms, and a bonus that the rule does not give."""
    start = wish.policy_from or old["due_on"] + timedelta(days=1)
    said = []
    if (gap := (start - old["due_on"]).days - 1) > 0:
        said.append(f"Between the terms there is a gap of {gap} {'day' if gap == 1 else 'days'} without cover.")
    if old["line"] == "motor" and wish.no_claim_bonus:
        now = old.get("no_claim_bonus")
        allowed = motor.next_bonus(book.rules, now, old["due_on"], start, claimed=wish.claimed)
        if wish.no_claim_bonus > allowed:
            why = "after a claim" if wish.claimed else "after this gap" if allowed == 0 else "after this term"
            said.append(f"The rule gives a no-claim bonus of {percent(allowed)} {why}.")
    return said


def renew(
    tx: Transaction,
    actor: audit.Actor,
    old: Row,
    data: PolicyInput,
    *,
    book: Book,
    pending: bool,
    with_commission: bool,
    tell_client: bool = False,
) -> int:
    """Adds the next term and sets the old one to renewed; answers the new id.

    Reminders that wait are cancelled. Conflict when the old term changed since `data.version` or somebody renewed it
    first: nothing is written then. A different insurer makes it a roll over. Who may not see commission leaves an
    agreed rate as it was.
    """
    unchanged = {"policy_id_eq": old["policy_id"], "version_eq": data.version or 0, "deleted_at_is": None}
    tx.update("policies", {"state": "renewed"}, filters={**unchanged, "state_in": list(RENEWABLE)}, expect=1)
    new_id = service.add(
        tx, actor, old["client_id"], old["line"], data, book=book, pending=pending, with_commission=with_commission,
        renews=old,
    )  # fmt: skip
    cancel_waiting(tx, actor, policy_id=old["policy_id"])
    if tell_client and not pending:
        _confirm(tx, actor, old, new_id, data, book)
    after = {"state": "renewed", "renewed_by_id": new_id}
    audit.record(
        tx, actor, "renewed", "policy", old["policy_id"], client_id=old["client_id"], before={"state": old["state"]},
        after=after,
    )  # fmt: skip
    return new_id


def _confirm(tx: Transaction, actor: audit.Actor, old: Row, new_id: int, data: PolicyInput, book: Book) -> None:
    """Tells the client of the new term, on every channel the client agreed to."""
    facts = queries.notice_facts(old["policy_id"])
    if facts is None:
        return
    insurer, product = book.masters.find("insurer", data.insurer_id), book.masters.find("product", data.product_id)
    new = {
        **facts,
        "policy_id": new_id,
        "insurer_name": (insurer or {}).get("name", facts["insurer_name"]),
        "product_name": (product or {}).get("name", facts["product_name"]),
        "policy_number": data.policy_number,
        "policy_from": data.policy_from,
        "policy_to": with_ends(data, book).policy_to or end_of_year(data.policy_from),
        "gross_premium": price(data, old["line"], book).premium.gross,
        "quoted_premium": None,
    }
    ways = notices.ways_of_many([new])[new_id]
    notices.tell(tx, actor, new, ways, notices.Notice("renewal.confirmed", today()), company=setting("company"))
