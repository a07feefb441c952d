"""The rules of policies: what may be saved, adding and changing a term. Tax and totals stand in premium.py."""

from collections.abc import Container, Iterable, Mapping
from decimal import Decimal
from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.outbox.service import cancel_waiting
from portal.policies.inputs import HealthInput, PolicyInput
from portal.policies.pricing import Book, commission_columns, end_of_year, price, with_ends
from portal.policies.queries import DETAILS, PERSON, as_entered

Row = dict[str, Any]
ZERO = Decimal(0)
# Columns of the detail tables that cannot be empty, and what an empty field means there.
NOT_NULL = {
    "no_claim_bonus": ZERO,
    "building": ZERO,
    "plant_and_machinery": ZERO,
    "furniture_and_fittings": ZERO,
    "stocks": ZERO,
    "electrical_installations": ZERO,
}


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
    renews: Row | None = None,
) -> int:
    """Adds a term with its details and answers its id. Duplicate when the number exists for this insurer and start.

    `renews` is the term that this one follows; with another insurer it is a roll over. Without `with_commission` the
    commission is what the rule says, or what was agreed for the term before.
    """
    policy_id = new_id("policies")
    if renews and data.insurer_id != renews["insurer_id"]:
        data = data.model_copy(update={"business_type": "roll over"})
    data = with_ends(data, book)
    columns = _columns(data, line, book, pending=pending)
    columns |= commission_columns(data, line, book, renews, with_commission=with_commission, is_change=False)
    columns["renewed_from_id"] = renews["policy_id"] if renews else None
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
        "renew" if renews else "add",
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
    only_from: str | None = None,
) -> None:
    """Saves every field of a term as entered, empty ones included. Conflict when it changed since `data.version`.

    The version of the policy guards its details and insured persons too: all of them change in this one transaction.
    A pending policy becomes live unless `pending`; the state of any other stays. With `only_from` it is a Conflict too
    when the state is by now another one.
    """
    policy_id, line = stored["policy_id"], stored["line"]
    data = with_ends(data, book)
    columns = _columns(data, line, book, pending=pending)
    columns |= commission_columns(data, line, book, stored, with_commission=with_commission, is_change=True)
    if stored["state"] != "pending":
        columns["state"] = stored["state"]
    tx.update(
        "policies",
        {**columns, "updated_by": actor.user_id},
        filters={
            "policy_id_eq": policy_id,
            "version_eq": data.version or 0,
            "deleted_at_is": None,
            **({"state_eq": only_from} if only_from else {}),
        },
        expect=1,
    )
    if columns["one_time"] or columns["due_on"] != stored["due_on"]:
        cancel_waiting(tx, actor, policy_id=policy_id)
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


def _columns(data: PolicyInput, line: str, book: Book, *, pending: bool) -> Row:
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
