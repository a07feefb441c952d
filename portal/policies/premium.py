"""What a premium comes to: tax by the rule of the day, gross to the whole rupee, commission on the net part."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from portal.formats import percent
from portal.settings.queries import in_force

Row = dict[str, Any]
RUPEE = Decimal(1)
PAISA = Decimal("0.01")
HUNDRED = Decimal(100)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Premium:
    """The parts of one premium in rupees; `net + addon + third_party + gst + round_off == gross` always holds."""

    net: Decimal
    addon: Decimal
    third_party: Decimal
    gst_rate: Decimal
    gst_tp_rate: Decimal
    gst_main: Decimal
    gst_tp: Decimal
    gross: Decimal

    @property
    def gst(self) -> Decimal:
        return self.gst_main + self.gst_tp

    @property
    def round_off(self) -> Decimal:
        return self.gross - (self.net + self.addon + self.third_party + self.gst)


@dataclass(frozen=True)
class Tax:
    """The two rates of a premium with the words that explain them, and what is unusual about them."""

    rate: Decimal
    tp_rate: Decimal
    reason: str
    rule_rate: Decimal
    rule_tp_rate: Decimal
    rule_reason: str
    warnings: tuple[str, ...] = ()

    @property
    def follows_rule(self) -> bool:
        return self.rate == self.rule_rate and self.tp_rate == self.rule_tp_rate


def calculate(
    net: Decimal, addon: Decimal, third_party: Decimal, *, gst_rate: Decimal, gst_tp_rate: Decimal
) -> Premium:
    """Work out tax and gross: (net + add-on) × (1 + main rate) + third party × (1 + its rate), half up to ₹1.

    Amounts in rupees, rates in percent. The tax of each part is kept to the paisa; what rounding the gross to the
    rupee adds or takes is the round-off.
    """
    main = net + addon
    exact = main * (HUNDRED + gst_rate) / HUNDRED + third_party * (HUNDRED + gst_tp_rate) / HUNDRED
    return Premium(
        net=net,
        addon=addon,
        third_party=third_party,
        gst_rate=gst_rate,
        gst_tp_rate=gst_tp_rate,
        gst_main=(main * gst_rate / HUNDRED).quantize(PAISA, ROUND_HALF_UP),
        gst_tp=(third_party * gst_tp_rate / HUNDRED).quantize(PAISA, ROUND_HALF_UP),
        gross=exact.quantize(RUPEE, ROUND_HALF_UP),
    )


def commission(
    net: Decimal,
    addon: Decimal,
    third_party: Decimal = ZERO,
    *,
    rate: Decimal,
    tp_rate: Decimal = ZERO,
    gst_rate: Decimal = ZERO,
) -> Decimal:
    """Commission in whole rupees, half up: on net and add-on at one rate, on third party at another, never on tax.

    Rates in percent. With a `gst_rate` the commission on net and add-on is meant inclusive of that tax, and is worked
    out on the premium cleared of it.
    """
    main = (net + addon) * rate / (HUNDRED + gst_rate)
    return (main + third_party * tp_rate / HUNDRED).quantize(RUPEE, ROUND_HALF_UP)


def choose_rule(
    rules: Iterable[Row], *, line: str, subtype: str, is_group: bool, part: str, on: date
) -> Mapping[str, Any] | None:
    """The tax rule for one part ("main" or "third_party") of a premium whose cover starts `on`, or None.

    A rule for group business beats the general one for group policies and never applies to others; after that the
    rule of the very subtype beats that of the whole line, and of two in force the later one wins.
    """
    fitting = [
        rule
        for rule in in_force(rules, on)
        if rule["line"] == line
        and rule["part"] == part
        and rule["subtype"] in ("", subtype)
        and (is_group or not rule["is_group"])
    ]
    return max(fitting, key=lambda rule: (rule["is_group"], rule["subtype"] != "", rule["valid_from"]), default=None)


def choose_tax(
    rules: Iterable[Row],
    *,
    line: str,
    subtype: str,
    is_group: bool,
    on: date,
    has_third_party: bool,
    entered_rate: Decimal | None = None,
    entered_tp_rate: Decimal | None = None,
    entered_reason: str | None = None,
) -> Tax:
    """Both rates of a premium: by rule, or as staff entered them, and then with a warning that names the rule.

    Where a line has no rule of its own for third party (terrorism cover beside fire, say), the main one applies to it.
    """
    known = list(rules)
    main = choose_rule(known, line=line, subtype=subtype, is_group=is_group, part="main", on=on)
    third_party = choose_rule(known, line=line, subtype=subtype, is_group=is_group, part="third_party", on=on) or main
    rule_rate = main["rate"] if main else Decimal(0)
    rule_tp_rate = third_party["rate"] if third_party else Decimal(0)
    rule_reason = explain(main, third_party if has_third_party else None)
    rate = rule_rate if entered_rate is None else entered_rate
    tp_rate = rule_tp_rate if entered_tp_rate is None else entered_tp_rate
    warnings: tuple[str, ...] = ()
    reason = rule_reason
    if rate != rule_rate or (has_third_party and tp_rate != rule_tp_rate):
        entered = f"GST {percent(rate)}" + (f", third party {percent(tp_rate)}" if has_third_party else "")
        warnings = (f"{entered} is not what the rule says ({rule_reason}). Check it before you save.",)
        reason = entered_reason or ""
    elif main is None:
        warnings = (f"No GST rule covers this premium on {on:%d/%m/%Y}: 0 % is taken. Enter the rate and the reason.",)
    return Tax(rate, tp_rate, reason, rule_rate, rule_tp_rate, rule_reason, warnings)


def explain(main: Mapping[str, Any] | None, third_party: Mapping[str, Any] | None) -> str:
    """The rules in words: "GST 0 %: retail health from 22/09/2025", with the third party's where it is another one."""
    if main is None:
        return "no GST rule for this line and date"
    words = f"GST {percent(main['rate'])}: {main['reason']}"
    if third_party is not None and third_party["reason"] != main["reason"]:
        words += f"; {percent(third_party['rate'])}: {third_party['reason']}"
    return words
