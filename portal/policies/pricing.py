"""What a form of a policy comes to: premium, tax, commission, tariff, ends of covers, all by the rules of the day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from portal.formats import today
from portal.policies import motor
from portal.policies.commission_terms import CommissionTerms, choose_commission
from portal.policies.inputs import MotorInput, PolicyInput, PremiumInput
from portal.policies.premium import Premium, Tax, calculate, choose_tax, commission
from portal.settings.queries import Masters, TradeRules

Row = dict[str, Any]
ZERO = Decimal(0)


@dataclass(frozen=True)
class Book:
    """What a policy is checked and priced against: masters, members of the client, the rules of the trade."""

    masters: Masters
    members: list[Row]
    rules: TradeRules

    def member(self, member_id: int | None) -> Row | None:
        return next((row for row in self.members if row["member_id"] == member_id), None)

    def eligible(self, stored: Mapping[str, Any] | None) -> list[Row]:
        """The members that a policy may name: those not removed, and those that `stored` names already."""
        record = stored or {}
        named = {record.get("member_id"), *(person["member_id"] for person in record.get("persons", ()))}
        return [row for row in self.members if row["deleted_at"] is None or row["member_id"] in named]


@dataclass(frozen=True)
class Priced:
    """A premium with the tax it was worked out by, the commission it would earn and what the tariff suggests."""

    premium: Premium
    tax: Tax
    commission: Decimal
    terms: CommissionTerms
    tariff: Decimal | None = None


def end_of_year(start: date) -> date:
    """The last day of one year of cover: 23/11/2026 gives 22/11/2027."""
    return motor.last_day(start, 1)


def price(data: PremiumInput | PolicyInput, line: str, book: Book) -> Priced:
    """Gross, tax and commission of what was entered, by the rules of the start date unless a rate was entered."""
    product = book.masters.find("product", data.product_id) or {}
    insurer = book.masters.find("insurer", data.insurer_id) or {}
    tp = data.tp_premium or ZERO
    net, addon, on = data.net_premium or ZERO, data.addon_premium or ZERO, data.policy_from or today()
    subtype = getattr(data, "vehicle_class", None) or product.get("subtype", "")
    tax = choose_tax(
        book.rules.of("gst"),
        line=line,
        subtype=subtype,
        is_group=product.get("is_group", False),
        on=on,
        has_third_party=tp > 0,
        entered_rate=data.gst_rate,
        entered_tp_rate=data.gst_tp_rate,
        entered_reason=data.gst_reason,
    )
    total = calculate(net, addon, tp, gst_rate=tax.rate, gst_tp_rate=tax.tp_rate)
    terms = choose_commission(
        book.rules,
        insurer=insurer.get("name", ""),
        line=line,
        subtype=subtype,
        business_type=data.business_type,
        on=on,
        is_exempt=tax.rate == 0,
        entered_rate=data.commission_rate,
        entered_tp_rate=data.commission_tp_rate,
    )
    earned = commission(net, addon, tp, rate=terms.rate, tp_rate=terms.tp_rate, gst_rate=terms.gst_rate)
    return Priced(total, tax, earned, terms, _tariff(data, book.rules, on) if line == "motor" else None)


def _tariff(data: PremiumInput | PolicyInput, rules: TradeRules, on: date) -> Decimal | None:
    vehicle_class = getattr(data, "vehicle_class", None)
    if vehicle_class is None or getattr(data, "cover", None) == "own damage only":
        return None
    size = getattr(data, "gross_weight" if vehicle_class in motor.WEIGHED else "cubic_capacity", None)
    bought = motor.long_term(rules, vehicle_class, on) if getattr(data, "is_new", False) else None
    return motor.tariff_premium(rules, vehicle_class, size, on, years=bought.third_party_years if bought else 1)


def with_ends(data: PolicyInput, book: Book) -> PolicyInput:
    """What was entered, with the ends of both covers of a new vehicle where they were left empty."""
    if not isinstance(data, MotorInput) or not data.is_new:
        return data
    ends = motor.long_term(book.rules, data.vehicle_class, data.policy_from)
    if ends is None:
        return data
    own_damage_to = data.own_damage_to or (None if data.cover == "third party only" else ends.own_damage_to)
    third_party_to = data.third_party_to or (None if data.cover == "own damage only" else ends.third_party_to)
    last = max(day for day in (own_damage_to, third_party_to) if day is not None)
    return data.model_copy(
        update={
            "own_damage_to": own_damage_to,
            "third_party_to": third_party_to,
            "policy_to": data.policy_to or last,
        }
    )


def commission_columns(
    data: PolicyInput, line: str, book: Book, known: Mapping[str, Any] | None, *, with_commission: bool, is_change: bool
) -> Row:
    """The columns of commission. Who may not see them gets what the rule says, or what was agreed for `known`.

    `known` is the stored term that is changed or renewed: rates that differ from the rule of its own day were agreed
    and go on; in a change (`is_change`) an amount that does not follow from its rates was agreed too and stays.
    """
    if with_commission:
        return _earned(data, line, book) | {"commission_received": data.commission_received} | (
            {} if data.commission_amount is None else {"commission_amount": data.commission_amount}
        )
    agreed: Row = {"commission_rate": None, "commission_tp_rate": None}
    if known is not None:
        if is_change and known["commission_amount"] != earned_by(known):
            return {}
        by_rule = terms_of(known, book)
        if (known["commission_rate"], known["commission_tp_rate"]) != (by_rule.rule_rate, by_rule.rule_tp_rate):
            agreed = {name: known[name] for name in agreed}
    return _earned(data.model_copy(update=agreed), line, book)


def _earned(data: PolicyInput, line: str, book: Book) -> Row:
    priced = price(data, line, book)
    return {
        "commission_rate": priced.terms.rate,
        "commission_tp_rate": priced.terms.tp_rate,
        "commission_gst_rate": priced.terms.gst_rate,
        "commission_reason": priced.terms.reason,
        "commission_amount": priced.commission,
    }


def earned_by(term: Mapping[str, Any]) -> Decimal:
    """The commission that follows from a stored term's premium and rates."""
    return commission(
        term["net_premium"],
        term["addon_premium"],
        term["tp_premium"],
        rate=term["commission_rate"],
        tp_rate=term["commission_tp_rate"],
        gst_rate=term["commission_gst_rate"],
    )


def terms_of(term: Mapping[str, Any], book: Book) -> CommissionTerms:
    """The terms of commission that the rules give a stored term."""
    return choose_commission(
        book.rules,
        insurer=term["insurer_name"],
        line=term["line"],
        subtype=term.get("vehicle_class") or term["product_subtype"],
        business_type=term["business_type"],
        on=term["policy_from"],
        is_exempt=term["gst_rate"] == 0,
    )
