"""Endorsements: what an insurer changes on a term while it runs, with its premium, and what was there before kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.errors import Refused
from portal.policies.inputs import EndorsementInput
from portal.policies.motor import is_named_by_number
from portal.policies.premium import Premium, calculate, choose_tax, commission
from portal.policies.pricing import Book
from portal.policies.queries import DETAILS

Row = dict[str, Any]
ZERO = Decimal(0)
PAISA = Decimal("0.01")
ENDORSABLE = ("live",)
PERSON_ADDED = ("person_member_id", "person_name", "person_sum_insured")
# What comes back when the removal of a person is withdrawn.
PERSON_KEPT = ("member_id", "name", "sum_insured", "bonus", "deductible")
OF_POLICY = frozenset({"sum_insured", "asset"})
# What each kind may change, by line.
CHANGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "correction": {
        "health": ("person_id", "person_name", "asset"),
        "motor": ("vehicle_number", "make_model", "chassis_number", "engine_number", "asset"),
        "fire": ("risk_address", "occupancy", "asset"),
        "life": ("nominee", "asset"),
        "travel": ("destination", "asset"),
        "other": ("asset",),
    },
    "sum insured": {
        "health": ("floater_sum_insured", "sum_insured"),
        "motor": ("insured_declared_value", "sum_insured"),
        "fire": (
            "building",
            "plant_and_machinery",
            "furniture_and_fittings",
            "stocks",
            "electrical_installations",
            "sum_insured",
        ),
        "life": ("sum_insured",),
        "travel": ("sum_insured",),
        "other": ("sum_insured",),
    },
    "asset": {
        "motor": ("vehicle_number", "make_model", "chassis_number", "engine_number", "insured_declared_value", "asset"),
        "fire": ("risk_address", "occupancy", "asset"),
        "other": ("asset",),
    },
    "person added": {"health": PERSON_ADDED},
    "person removed": {"health": ("person_id",)},
}
NEVER_NULL = ("building", "plant_and_machinery", "furniture_and_fittings", "stocks", "electrical_installations")


@dataclass(frozen=True)
class EndorsedPremium:
    """What an endorsement charges, or gives back where it is below zero, and the commission that moves with it."""

    premium: Premium
    gst_reason: str
    commission: Decimal


def kinds_for(line: str) -> list[str]:
    """The kinds of endorsement that a policy of this line can have, cancellation apart."""
    return [kind for kind, lines in CHANGES.items() if line in lines]


def price_of(
    stored: Mapping[str, Any], book: Book, *, net: Decimal, third_party: Decimal, on: date, gst_rate: Decimal | None
) -> EndorsedPremium:
    """Tax, gross and commission of an endorsement. More premium is taxed by the rule of its day, a refund gives back
    the tax that was charged. Half a rupee is rounded away from zero, as the insurer's own figure is."""
    refund = net + third_party < 0
    tax = choose_tax(
        book.rules.of("gst"),
        line=stored["line"],
        subtype=stored.get("vehicle_class") or stored["product_subtype"],
        is_group=stored["product_is_group"],
        on=on,
        has_third_party=third_party != 0,
        entered_rate=stored["gst_rate"] if refund and gst_rate is None else gst_rate,
        entered_tp_rate=stored["gst_tp_rate"] if refund else None,
        entered_reason="The tax that was charged is given back" if refund else "As the insurer billed",
    )
    premium = calculate(net, ZERO, third_party, gst_rate=tax.rate, gst_tp_rate=tax.tp_rate)
    earned = commission(
        net,
        ZERO,
        third_party,
        rate=stored["commission_rate"],
        tp_rate=stored["commission_tp_rate"],
        gst_rate=stored["commission_gst_rate"],
    )
    return EndorsedPremium(premium, tax.reason, earned)


def pro_rata(amount: Decimal, start: date, end: date, cancelled_on: date) -> Decimal:
    """The part of a premium for the days after a cancellation, to the paisa: what a proportionate refund comes to. All
    of it when the cancellation comes before the first of its days.
    """
    days = (end - start).days + 1
    left = min((end - cancelled_on).days, days)
    return (amount * left / days).quantize(PAISA, ROUND_HALF_UP) if days > 0 and left > 0 else ZERO


def endorse(tx: Transaction, actor: audit.Actor, stored: Row, data: EndorsementInput, *, book: Book) -> int:
    """Writes an endorsement and changes the term by it, answers its id. Conflict when the term changed meanwhile.

    Raises Refused for a day outside the term, a kind that the line does not have, and one that changes nothing.
    """
    before, after = _changed(stored, data, book)
    _check(stored, data, changes_something=bool(after))
    on_policy = {name: value for name, value in after.items() if name in OF_POLICY}
    on_details = {name: value for name, value in after.items() if name in DETAILS.get(stored["line"], ("", ()))[1]}
    tx.update(
        "policies",
        {**on_policy, "updated_by": actor.user_id},
        filters={
            "policy_id_eq": stored["policy_id"],
            "version_eq": data.version,
            "state_in": list(ENDORSABLE),
            "deleted_at_is": None,
        },
        expect=1,
    )
    if on_details:
        table = DETAILS[stored["line"]][0]
        tx.update(table, on_details, filters={"policy_id_eq": stored["policy_id"]}, expect=1)
    _change_persons(tx, stored, data, after)
    priced = price_of(
        stored,
        book,
        net=data.net_premium or ZERO,
        third_party=data.tp_premium or ZERO,
        on=data.effective_on,
        gst_rate=data.gst_rate,
    )
    return write(
        tx,
        actor,
        stored,
        priced,
        kind=data.kind,
        on=data.effective_on,
        number=data.endorsement_number,
        description=data.description,
        before=before,
        after=after,
    )


def write(
    tx: Transaction,
    actor: audit.Actor,
    stored: Row,
    priced: EndorsedPremium,
    *,
    kind: str,
    on: date,
    number: str | None,
    description: str | None,
    before: Row,
    after: Row,
) -> int:
    """Adds the row of an endorsement with its line in the trail of the policy, and answers its id."""
    endorsement_id = new_id("endorsements")
    columns = {
        "kind": kind,
        "endorsement_number": number,
        "effective_on": on,
        "description": description,
        "net_premium": priced.premium.net,
        "tp_premium": priced.premium.third_party,
        "gst_rate": priced.premium.gst_rate,
        "gst_tp_rate": priced.premium.gst_tp_rate,
        "gst_reason": priced.gst_reason or None,
        "gst_amount": priced.premium.gst,
        "gross_premium": priced.premium.gross,
        "commission_amount": priced.commission,
        "before": audit.plain(before) or {},
        "after": audit.plain(after) or {},
    }
    tx.insert(
        "endorsements",
        {
            "endorsement_id": endorsement_id,
            "policy_id": stored["policy_id"],
            **columns,
            "created_by": actor.user_id,
        },
    )
    audit.record(
        tx, actor, "endorse", "policy", stored["policy_id"], client_id=stored["client_id"],
        before={**dict.fromkeys(after), **before},
        after={**after, "endorsement": f"{kind} {number or ''}".strip(), "endorsed_premium": priced.premium.gross},
    )  # fmt: skip
    return endorsement_id


def _check(stored: Row, data: EndorsementInput, *, changes_something: bool) -> None:
    if not stored["policy_from"] <= data.effective_on <= stored["policy_to"]:
        raise Refused("Effective from: this day lies outside the policy's dates.", field="effective_on")
    if stored["line"] not in CHANGES[data.kind]:
        raise Refused("A policy of this line has no endorsement of this kind.", field="kind")
    if not changes_something and not data.net_premium and not data.tp_premium and not data.description:
        raise Refused("Nothing is changed yet. Change a value, or say in words what the endorsement says.")


def _changed(stored: Row, data: EndorsementInput, book: Book) -> tuple[Row, Row]:
    """What the term had and has now, for the values that the kind may change and that differ."""
    names = CHANGES[data.kind].get(stored["line"], ())
    if names == PERSON_ADDED:
        return {}, {"person_added": _new_person(data, book)}
    if "person_id" in names:
        removed = _person(stored, data)
        if data.kind == "person removed":
            row = {name: removed[name] for name in PERSON_KEPT}
            return {"person_removed": removed["name"], "person": row}, {"person_removed": None}
        if removed and data.person_name:
            return {"person_name": removed["name"]}, {"person_name": data.person_name}
    values = {name: getattr(data, name) for name in names if not name.startswith("person_")}
    values = {name: ZERO if value is None and name in NEVER_NULL else value for name, value in values.items()}
    if _takes_its_asset_along(stored, values):
        values["asset"] = values["vehicle_number"]
    after = {name: value for name, value in values.items() if value != stored.get(name)}
    return {name: stored.get(name) for name in after}, after


def _takes_its_asset_along(stored: Row, values: Row) -> bool:
    """Whether a vehicle gets another number, and so does its asset: it was the old number and nobody changed it."""
    if "vehicle_number" not in values or values["vehicle_number"] == stored.get("vehicle_number"):
        return False
    return is_named_by_number(stored) and values["asset"] in (None, stored["asset"])


def _person(stored: Row, data: EndorsementInput) -> Row:
    found = [person for person in stored.get("persons", []) if person["insured_person_id"] == data.person_id]
    if not found and (data.kind == "person removed" or data.person_id is not None):
        raise Refused("Person: please choose one of the insured persons.", field="person_id")
    return found[0] if found else {}


def _new_person(data: EndorsementInput, book: Book) -> str:
    member = book.member(data.person_member_id)
    if data.person_member_id is not None and (member is None or member["deleted_at"] is not None):
        raise Refused("Member: please choose one of this client's members.", field="person_member_id")
    name = data.person_name or (member["name"] if member else None)
    if name is None:
        raise Refused("Choose a member, or write the name of the person.", field="person_name")
    return str(name)


def _change_persons(tx: Transaction, stored: Row, data: EndorsementInput, after: Row) -> None:
    """Adds, removes or renames an insured person; Conflict when the person is gone meanwhile."""
    one = {"policy_id_eq": stored["policy_id"], "insured_person_id_eq": data.person_id}
    if "person_added" in after:
        tx.insert(
            "insured_persons",
            {
                "policy_id": stored["policy_id"],
                "member_id": data.person_member_id,
                "name": after["person_added"],
                "sum_insured": data.person_sum_insured,
            },
        )
    elif "person_removed" in after:
        tx.delete("insured_persons", filters=one, expect=1)
    elif "person_name" in after:
        tx.update("insured_persons", {"name": after["person_name"]}, filters=one, expect=1)
