"""What commission a policy earns: the rate its insurer pays for the line, and on what part of the premium."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from portal.formats import percent
from portal.settings.queries import TradeRules

ZERO = Decimal(0)


@dataclass(frozen=True)
class CommissionTerms:
    """Rates in percent, on net with add-on and on third party; the premium is cleared of `gst_rate` first."""

    rate: Decimal
    tp_rate: Decimal
    gst_rate: Decimal
    reason: str
    rule_rate: Decimal
    rule_tp_rate: Decimal


def choose_commission(
    rules: TradeRules,
    *,
    insurer: str,
    line: str,
    subtype: str,
    business_type: str,
    on: date,
    is_exempt: bool,
    entered_rate: Decimal | None = None,
    entered_tp_rate: Decimal | None = None,
) -> CommissionTerms:
    """The terms by the rule of the day cover starts, or with the rates that staff entered.

    `insurer` is its name, `is_exempt` whether the premium bears no GST: since 01/10/2025 some insurers mean their
    commission on such business inclusive of GST, so that it is worked out on the premium divided by 1.18.
    """
    rule = choose_rate(rules.of("commission", on), insurer=insurer, line=line, subtype=subtype, business=business_type)
    inclusive = _inclusive_rule(rules.of("commission gst", on), insurer) if is_exempt else None
    rule_rate, rule_tp_rate = (rule["rate"], rule["tp_rate"]) if rule else (ZERO, ZERO)
    rate = rule_rate if entered_rate is None else entered_rate
    tp_rate = rule_tp_rate if entered_tp_rate is None else entered_tp_rate
    gst_rate = inclusive["rate"] if inclusive else ZERO
    reason = _explain(rule) if (rate, tp_rate) == (rule_rate, rule_tp_rate) else f"agreed; {_explain(rule)}"
    if gst_rate:
        reason += f"; meant inclusive of GST {percent(gst_rate)}, so on the premium ÷ {1 + gst_rate / 100:.2f}"
    return CommissionTerms(rate, tp_rate, gst_rate, reason, rule_rate, rule_tp_rate)


def choose_rate(
    rules: Iterable[Mapping[str, Any]], *, insurer: str, line: str, subtype: str, business: str
) -> Mapping[str, Any] | None:
    """The rule of commission that fits best, or None. New and rolled over business is the insurer's first year.

    A rule for the very insurer beats the general one, then that of the kind beats that of the line, then that of the
    year beats that of all years; of two in force the later one wins.
    """
    year = "later" if business == "renewal" else "first"
    fitting = [
        rule
        for rule in rules
        if rule["line"] == line
        and rule["subtype"] in ("", subtype)
        and rule["policy_year"] in ("", year)
        and is_named(insurer, rule["insurer"])
    ]
    return max(
        fitting,
        key=lambda rule: (len(rule["insurer"]), rule["subtype"] != "", rule["policy_year"] != "", rule["valid_from"]),
        default=None,
    )


def is_named(insurer: str, by: str) -> bool:
    """Whether a rule that names insurers by the beginning of their name means this one; "" means all."""
    return insurer.lower().startswith(by.lower())


def _inclusive_rule(rules: Iterable[Mapping[str, Any]], insurer: str) -> Mapping[str, Any] | None:
    fitting = [rule for rule in rules if is_named(insurer, rule["insurer"])]
    rule = max(fitting, key=lambda rule: (len(rule["insurer"]), rule["valid_from"]), default=None)
    return rule if rule and rule["applies"] else None


def _explain(rule: Mapping[str, Any] | None) -> str:
    if rule is None:
        return "no commission rule for this line and date"
    scope = " ".join(part for part in (rule["insurer"], rule["line"], rule["subtype"]) if part)
    year = {"first": ", first year", "later": ", later years", "": ""}[rule["policy_year"]]
    third_party = f", third party {percent(rule['tp_rate'])}" if rule["tp_rate"] else ""
    return f"Commission {percent(rule['rate'])}{third_party}: {scope}{year} from {rule['valid_from']:%d/%m/%Y}"
