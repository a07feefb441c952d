"""The dated rules of the trade as the office keeps them: what there is of each kind, and how a new one comes in.

A rule is never edited. A change is a new row that begins on a day; the row before it ends the day before. Policies keep
what they were saved with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from database_pool import Transaction, new_id
from portal import audit
from portal.errors import Refused
from portal.formats import office_date
from portal.settings.inputs import (
    BonusRuleInput,
    CommissionGstRuleInput,
    CommissionRuleInput,
    GraceRuleInput,
    GstRuleInput,
    MotorTermRuleInput,
    RetentionRuleInput,
    RuleInput,
    TariffRuleInput,
    TdsRuleInput,
)

Row = dict[str, Any]
Sort = Literal["text", "insurer", "choice", "tick", "rate", "money", "number"]
DAY = timedelta(days=1)
LINES = {
    "health": "Health",
    "motor": "Motor",
    "fire": "Fire and property",
    "life": "Life",
    "travel": "Travel",
    "other": "Other",
}
VEHICLES = {
    "private car": "Private car",
    "two-wheeler": "Two-wheeler",
    "goods carriage": "Goods carriage",
    "passenger carriage": "Passenger carriage",
    "miscellaneous": "Miscellaneous",
}


@dataclass(frozen=True)
class RuleField:
    """One column of a kind of rule, in its table and its form. `empty` is what no value means."""

    name: str
    label: str
    sort: Sort = "text"
    options: Mapping[str, str] | None = None
    hint: str = ""
    empty: str = ""


@dataclass(frozen=True)
class RuleKind:
    """One kind of rule: its address, words, table, and what a rule is about (`scope`) and says (`values`)."""

    name: str
    title: str
    lead: str
    table: str
    form: type[RuleInput]
    scope: tuple[RuleField, ...]
    values: tuple[RuleField, ...]
    about_commission: bool = False

    @property
    def key(self) -> str:
        return f"{self.table.removesuffix('s')}_id"

    @property
    def word(self) -> str:
        """What the audit trail calls one of them."""
        return self.table.removesuffix("s")

    @property
    def fields(self) -> tuple[RuleField, ...]:
        return self.scope + self.values


LINE = RuleField("line", "Line", "choice", LINES)
KIND = RuleField("subtype", "Kind", hint="As with the product or vehicle class; left empty: all", empty="All")
VEHICLE = RuleField("vehicle_class", "Vehicle class", "choice", VEHICLES)
BEGINS = "How the insurer's name begins, for example Star Health"
KINDS = {
    kind.name: kind
    for kind in (
        RuleKind(
            "gst",
            "GST rules",
            "The rate of a policy follows from its line and the day its cover starts",
            "gst_rules",
            GstRuleInput,
            (
                LINE,
                KIND,
                RuleField("is_group", "Group", "tick", hint="For group business alone"),
                RuleField("part", "Part", "choice", {"main": "Main", "third_party": "Third party"}),
            ),
            (
                RuleField("rate", "Rate", "rate"),
                RuleField("reason", "Words", hint="How policies explain it: retail health from 22/09/2025"),
            ),
        ),
        RuleKind(
            "commission",
            "Commission rules",
            "What insurers pay on net premium and add-on, and on third party, by the day cover starts",
            "commission_rules",
            CommissionRuleInput,
            (
                RuleField("insurer", "Insurer", "insurer", hint=f"{BEGINS}; left empty: all", empty="All"),
                LINE,
                KIND,
                RuleField("policy_year", "Year", "choice", {"first": "First", "later": "Later"}, empty="All"),
            ),
            (
                RuleField("rate", "Rate", "rate", hint="On net premium and add-on"),
                RuleField("tp_rate", "On third party", "rate", hint="Left empty: 0"),
            ),
            about_commission=True,
        ),
        RuleKind(
            "commission-gst",
            "Commission inclusive of GST",
            "Whose commission on business without GST is worked out on the premium divided by 1.18",
            "commission_gst_rules",
            CommissionGstRuleInput,
            (RuleField("insurer", "Insurer", "insurer", hint=BEGINS),),
            (
                RuleField("includes_gst", "Inclusive", "tick", hint="Without the tick: on the whole premium again"),
                RuleField("gst_rate", "GST rate", "rate", hint="18 divides by 1.18"),
            ),
            about_commission=True,
        ),
        RuleKind(
            "grace",
            "Grace and break-in",
            "What happens after a cover has run out, by line and by how the premium is paid",
            "grace_rules",
            GraceRuleInput,
            (
                LINE,
                RuleField(
                    "premium_mode",
                    "Premium paid",
                    "choice",
                    {"half-yearly": "Half-yearly", "quarterly": "Quarterly", "monthly": "Monthly"},
                    empty="Any way",
                ),
            ),
            (
                RuleField("grace_days", "Days of grace", "number"),
                RuleField("covers_grace", "Cover in grace", "tick"),
                RuleField("inspection", "Inspection after", "tick"),
                RuleField("bonus_lost_days", "Bonus lost after days", "number", hint="For motor", empty=""),
            ),
        ),
        RuleKind(
            "no-claim-bonus",
            "No-claim bonus",
            "The discount on own damage after years without a claim; nothing after a claim",
            "bonus_rules",
            BonusRuleInput,
            (RuleField("claim_free_years", "Years without a claim", "number"),),
            (RuleField("rate", "Bonus", "rate"),),
        ),
        RuleKind(
            "tariff",
            "Third party tariff",
            "What the law sets for third party cover; the form of a motor policy suggests it",
            "tariff_rules",
            TariffRuleInput,
            (
                VEHICLE,
                RuleField("years", "Years", "number"),
                RuleField("up_to", "Up to", "number", hint="Cubic capacity; for goods carriages kg gross weight"),
            ),
            (RuleField("premium", "Premium", "money"),),
        ),
        RuleKind(
            "new-vehicles",
            "Covers of new vehicles",
            "For how many years own damage and third party of a new vehicle are bought",
            "motor_term_rules",
            MotorTermRuleInput,
            (VEHICLE,),
            (
                RuleField("own_damage_years", "Own damage, years", "number"),
                RuleField("third_party_years", "Third party, years", "number"),
            ),
        ),
        RuleKind(
            "tds",
            "Tax deducted from commission",
            "What insurers keep back once the commission of a financial year is above the threshold",
            "tds_rules",
            TdsRuleInput,
            (RuleField("payee", "Paid to", "choice", {"company": "A company", "other": "Anybody else"}),),
            (RuleField("rate", "Rate", "rate"), RuleField("threshold", "Above, a year", "money")),
            about_commission=True,
        ),
        RuleKind(
            "retention",
            "Keeping records",
            "How long records must be kept before they may be erased",
            "retention_rules",
            RetentionRuleInput,
            (
                RuleField(
                    "subject",
                    "Records",
                    "choice",
                    {
                        "policy": "Policies",
                        "claim": "Claims",
                        "kyc": "Proofs of identity (KYC)",
                        "message": "Wording of messages",
                        "audit": "Audit trail",
                    },
                ),
            ),
            (
                RuleField("years", "Years", "number"),
                RuleField("counted_from", "Counted from", hint="For example the end of the policy"),
            ),
        ),
    )
}


def add_rule(
    tx: Transaction, actor: audit.Actor, kind: RuleKind, data: RuleInput, existing: Sequence[Row], *, today: date
) -> int:
    """Adds a rule from a day on, ends the one before it on the day before, and answers the new id.

    Where a later rule exists already, the new one ends the day before that. Refused when one of the same scope begins
    on that very day, and for a past day unless `data.is_late` says that this is meant. Conflict when somebody else
    ended the rule before meanwhile; Duplicate when somebody added the same.
    """
    if data.valid_from < today and not data.is_late:
        raise Refused(
            "This day is past. Policies saved since keep what they were saved with. Tick the box if that is meant.",
            field="is_late",
        )
    values = _columns(kind, data)
    same = sorted(
        (row for row in existing if _scope(kind, row) == _scope(kind, values)), key=lambda row: row["valid_from"]
    )
    if any(row["valid_from"] == data.valid_from for row in same):
        raise Refused(f"There is a rule for this from {office_date(data.valid_from)} already.", field="valid_from")
    later = [row["valid_from"] for row in same if row["valid_from"] > data.valid_from]
    before = [row for row in same if row["valid_from"] < data.valid_from]
    if before and (before[-1]["valid_to"] is None or before[-1]["valid_to"] >= data.valid_from):
        _end(tx, actor, kind, before[-1], data.valid_from - DAY)
    rule_id = new_id(kind.table)
    values |= {"valid_from": data.valid_from, "valid_to": later[0] - DAY if later else None, "source": data.source}
    tx.insert(kind.table, {kind.key: rule_id, **values, "created_by": actor.user_id})
    audit.record(tx, actor, "add", kind.word, rule_id, after=values)
    return rule_id


def withdraw_rule(
    tx: Transaction, actor: audit.Actor, kind: RuleKind, rule: Row, existing: Sequence[Row], *, today: date
) -> None:
    """Takes back a rule that has not begun; the one before it goes on. Refused for one that policies were saved by."""
    if rule["valid_from"] <= today:
        raise Refused("This rule has begun: policies were saved by it. Add the rule that follows it instead.")
    tx.delete(kind.table, filters={f"{kind.key}_eq": rule[kind.key], "valid_from_gt": today}, expect=1)
    for row in existing:
        if _scope(kind, row) == _scope(kind, rule) and row["valid_to"] == rule["valid_from"] - DAY:
            _end(tx, actor, kind, row, rule["valid_to"])
    audit.record(tx, actor, "withdraw", kind.word, rule[kind.key], before=rule)


def _end(tx: Transaction, actor: audit.Actor, kind: RuleKind, row: Row, day: date | None) -> None:
    seen = {"valid_to_is": None} if row["valid_to"] is None else {"valid_to_eq": row["valid_to"]}
    tx.update(kind.table, {"valid_to": day}, filters={f"{kind.key}_eq": row[kind.key], **seen}, expect=1)
    audit.record(
        tx, actor, "end", kind.word, row[kind.key], before={"valid_to": row["valid_to"]}, after={"valid_to": day}
    )


def _columns(kind: RuleKind, data: RuleInput) -> Row:
    """What was entered as the table keeps it: where "all" is meant stands an empty text, where nothing a zero."""
    values = {field.name: getattr(data, field.name) for field in kind.fields}
    empty = {"subtype": "", "insurer": "", "policy_year": "", "premium_mode": "", "tp_rate": 0}
    return {name: empty.get(name) if value is None else value for name, value in values.items()}


def _scope(kind: RuleKind, row: Mapping[str, Any]) -> tuple[Any, ...]:
    values = (row[field.name] for field in kind.scope)
    return tuple(value.lower() if isinstance(value, str) else value for value in values)
