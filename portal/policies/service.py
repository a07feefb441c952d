"""The rules of policies: what may be saved, adding and changing a term. Tax and totals stand in premium.py."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.formats import today
from portal.policies.inputs import HealthInput, PolicyInput, PremiumInput
from portal.policies.premium import Premium, Tax, calculate, choose_tax, commission
from portal.policies.queries import DETAILS, PERSON, as_entered
from portal.settings.queries import Masters

Row = dict[str, Any]
ZERO = Decimal(0)
COMMISSION = ("commission_rate", "commission_amount", "commission_received")
# Columns of the detail tables that cannot be empty, and what an empty field means there.
NOT_NULL = {
    "no_claim_bonus": ZERO,
    "building": ZERO,
    "plant_and_machinery": ZERO,
    "furniture_and_fittings": ZERO,
    "stocks": ZERO,
    "electrical_installations": ZERO,
}


@dataclass(frozen=True)
class Book:
    """What a policy is checked and priced against: masters, members of the client, tax rules."""

    masters: Masters
    members: list[Row]
    rules: list[Row]

    def member(self, member_id: int | None) -> Row | None:
        return next((row for row in self.members if row["member_id"] == member_id), None)

    def eligible(self, stored: Mapping[str, Any] | None) -> list[Row]:
        """The members that a policy may name: those not removed, and those that `stored` names already."""
        record = stored or {}
        named = {record.get("member_id"), *(person["member_id"] for person in record.get("persons", ()))}
        return [row for row in self.members if row["deleted_at"] is None or row["member_id"] in named]


@dataclass(frozen=True)
class Priced:
    """A premium with the tax it was worked out by and the commission it would earn."""

    premium: Premium
    tax: Tax
    commission: Decimal


def end_of_year(start: date) -> date:
    """The last day of one year of cover: 23/11/2026 gives 22/11/2027."""
    return next_year(start) - timedelta(days=1)


def next_year(day: date) -> date:
    """The same day a year later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return date(day.year + 1, 3, 1)


def price(data: PremiumInput | PolicyInput, line: str, book: Book) -> Priced:
    """Gross, tax and commission of what was entered, by the rule of the start date unless a rate was entered."""
    product = book.masters.find("product", data.product_id) or {}
    tp = data.tp_premium or ZERO
    net, addon = data.net_premium or ZERO, data.addon_premium or ZERO
    tax = choose_tax(
        book.rules,
        line=line,
        subtype=getattr(data, "vehicle_class", None) or product.get("subtype", ""),
        is_group=product.get("is_group", False),
        on=data.policy_from or today(),
        has_third_party=tp > 0,
        entered_rate=data.gst_rate,
        entered_tp_rate=data.gst_tp_rate,
        entered_reason=data.gst_reason,
    )
    total = calculate(net, addon, tp, gst_rate=tax.rate, gst_tp_rate=tax.tp_rate)
    return Priced(total, tax, commission(net, addon, rate=data.commission_rate or ZERO))


def problems(
    data: PolicyInput, line: str, book: Book, *, pending: bool, stored: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Why this cannot be saved, one sentence per field; empty when it can. `stored` is the record being changed.

    A retired insurer, product or agent and a removed member stay with the policies that have them, but are not given
    to others.
    """
    found: dict[str, str] = {}
    if not pending and not data.policy_number:
        found["policy_number"] = "Policy number is needed. Without it the policy can be saved as pending."
    for kind, field in (("product", "product_id"), ("insurer", "insurer_id"), ("agent", "agent_id")):
        chosen = getattr(data, field)
        row = book.masters.find(kind, chosen)
        if chosen is not None and row is None:
            found[field] = f"{kind.capitalize()}: please choose one of the list."
        elif row and not row["is_active"] and (stored is None or stored[field] != chosen):
            found[field] = f"{kind.capitalize()}: {row['name']} is retired. Please choose another one."
    product = book.masters.find("product", data.product_id)
    if product and product["insurer_id"] not in (None, data.insurer_id):
        found.setdefault(
            "product_id", "This product belongs to another insurer. Please choose product and insurer that fit."
        )
    eligible = {row["member_id"] for row in book.eligible(stored)}
    if data.member_id is not None and data.member_id not in eligible:
        found["member_id"] = "Member: please choose one of this client's members."
    if data.policy_from.year >= 2199 and data.policy_to is None:
        found["policy_from"] = "The start is too far ahead. Please check the year."
    found.update(_problems_of_tax(data, line, book, stored))
    found.update(_problems_of_persons(data, eligible))
    return found


def _problems_of_tax(data: PolicyInput, line: str, book: Book, stored: Mapping[str, Any] | None) -> dict[str, str]:
    tax = price(data, line, book).tax
    if not tax.warnings or tax.follows_rule or data.gst_reason:
        return {}
    if stored is not None and (stored["gst_rate"], stored["gst_tp_rate"]) == (tax.rate, tax.tp_rate):
        return {}
    return {"gst_reason": f"Say why the GST differs. The rule says: {tax.rule_reason}."}


def _problems_of_persons(data: PolicyInput, eligible: Container[int]) -> dict[str, str]:
    found = {}
    for number, person in enumerate(data.persons if isinstance(data, HealthInput) else []):
        if person.member_id is not None and person.member_id not in eligible:
            found[f"persons-{number}-member_id"] = f"Person {number + 1}: please choose one of this client's members."
        elif person.member_id is None and not person.name:
            found[f"persons-{number}-name"] = f"Person {number + 1}: the name is needed."
    return found


def add(
    tx: Transaction,
    actor: audit.Actor,
    client_id: str,
    line: str,
    data: PolicyInput,
    *,
    book: Book,
    pending: bool,
    with_commission: bool,
    inherited: Mapping[str, Any] | None = None,
) -> int:
    """Adds a term with its details and answers its id. Duplicate when the number exists for this insurer and start.

    `inherited` are columns that the form does not ask for (what a renewal takes over). Without `with_commission` the
    commission is taken from there, or stays 0.
    """
    policy_id = new_id("policies")
    columns = _columns(data, line, book, pending=pending, with_commission=with_commission)
    columns.update(inherited or {})
    if not with_commission and columns.get("commission_rate"):
        columns["commission_amount"] = commission(
            columns["net_premium"], columns["addon_premium"], rate=columns["commission_rate"]
        )
    tx.insert(
        "policies",
        {
            "policy_id": policy_id,
            "client_id": client_id,
            "line": line,
            **columns,
            "created_by": actor.user_id,
            "updated_by": actor.user_id,
        },
    )
    children = _write_children(tx, policy_id, line, data, book, new=True)
    audit.record(
        tx,
        actor,
        "renew" if inherited else "add",
        "policy",
        policy_id,
        client_id=client_id,
        after={**columns, **_names(data, book), **children},
    )
    return policy_id


def change(
    tx: Transaction,
    actor: audit.Actor,
    stored: Row,
    data: PolicyInput,
    *,
    book: Book,
    pending: bool,
    with_commission: bool,
) -> None:
    """Saves every field of a term as entered, empty ones included. Conflict when it changed since `data.version`.

    The version of the policy guards its details and insured persons too: all of them change in this one transaction.
    A pending policy becomes live unless `pending`; the state of any other stays.
    """
    policy_id, line = stored["policy_id"], stored["line"]
    columns = _columns(data, line, book, pending=pending, with_commission=with_commission)
    if not with_commission:
        columns |= _commission_that_follows(stored, columns)
    if stored["state"] != "pending":
        columns["state"] = stored["state"]
    tx.update(
        "policies",
        {**columns, "updated_by": actor.user_id},
        filters={"policy_id_eq": policy_id, "version_eq": data.version or 0, "deleted_at_is": None},
        expect=1,
    )
    children = _write_children(tx, policy_id, line, data, book, new=False)
    completed = stored["state"] == "pending" and columns["state"] == "live"
    audit.record(
        tx,
        actor,
        "complete" if completed else "change",
        "policy",
        policy_id,
        client_id=stored["client_id"],
        before=as_entered(stored),
        after={**columns, **_names(data, book), **children},
    )


def _commission_that_follows(stored: Row, columns: Row) -> Row:
    """The commission on a premium changed by somebody who may not see it; what was agreed by hand stays."""
    rate = stored["commission_rate"]
    if stored["commission_amount"] != commission(stored["net_premium"], stored["addon_premium"], rate=rate):
        return {}
    return {"commission_amount": commission(columns["net_premium"], columns["addon_premium"], rate=rate)}


def _columns(data: PolicyInput, line: str, book: Book, *, pending: bool, with_commission: bool) -> Row:
    priced = price(data, line, book)
    end = data.policy_to or end_of_year(data.policy_from)
    ends = (end, getattr(data, "own_damage_to", None), getattr(data, "third_party_to", None))
    columns: Row = {
        name: getattr(data, name)
        for name in (
            "product_id",
            "insurer_id",
            "agent_id",
            "member_id",
            "policy_number",
            "business_type",
            "policy_from",
            "one_time",
            "payment_date",
            "payment_details",
            "sum_insured",
            "asset",
            "group_name",
            "subgroup",
            "remarks",
        )
    }
    columns.update(
        state="pending" if pending else "live",
        waiting_for=data.waiting_for if pending else [],
        policy_to=end,
        due_on=min(day for day in ends if day is not None),
        net_premium=priced.premium.net,
        addon_premium=priced.premium.addon,
        tp_premium=priced.premium.third_party,
        gst_rate=priced.tax.rate,
        gst_tp_rate=priced.tax.tp_rate,
        gst_reason=priced.tax.reason or None,
        gst_amount=priced.premium.gst,
        gross_premium=priced.premium.gross,
    )
    if line == "motor" and not columns["asset"]:
        columns["asset"] = getattr(data, "vehicle_number", None)
    if with_commission:
        columns.update(
            commission_rate=data.commission_rate or ZERO,
            commission_amount=priced.commission if data.commission_amount is None else data.commission_amount,
            commission_received=data.commission_received,
        )
    return columns


def _write_children(tx: Transaction, policy_id: int, line: str, data: PolicyInput, book: Book, *, new: bool) -> Row:
    """Writes the details of the line and answers them as the audit trail keeps them."""
    if line not in DETAILS:
        return {}
    table, names = DETAILS[line]
    values = {name: getattr(data, name) for name in names}
    values = {name: NOT_NULL.get(name) if value is None else value for name, value in values.items()}
    tx.upsert(table, {"policy_id": policy_id, **values}, on_conflict="policy_id")
    if not isinstance(data, HealthInput):
        return values
    if not new:
        tx.delete("insured_persons", filters={"policy_id_eq": policy_id})
    persons = list(_persons(data, book))
    tx.insert("insured_persons", [{"policy_id": policy_id, **person} for person in persons])
    return {**values, "persons": persons}


def _names(data: PolicyInput, book: Book) -> Row:
    """What the audit trail shows for the numbers of other records, as `policy_page` calls it."""
    named = {kind: book.masters.find(kind, getattr(data, f"{kind}_id")) for kind in ("insurer", "product", "agent")}
    return {
        f"{kind}_name": row["name"] if row else None
        for kind, row in {**named, "member": book.member(data.member_id)}.items()
    }


def _persons(data: HealthInput, book: Book) -> Iterable[Row]:
    for person in data.persons:
        member = book.member(person.member_id)
        row = {name: getattr(person, name) for name in PERSON}
        yield {**row, "name": person.name or (member or {})["name"]}
