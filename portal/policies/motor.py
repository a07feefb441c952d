"""Rules of motor business: the ladder of the no-claim bonus, the covers of a new vehicle, the third party tariff."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from portal.formats import compact
from portal.settings.queries import TradeRules

NONE = Decimal(0)
WEIGHED = ("goods carriage",)  # the tariff asks for their gross weight, of all others for the cubic capacity


@dataclass(frozen=True)
class Ends:
    """The last days of the two covers of a new vehicle, and for how many years each was bought."""

    own_damage_to: date
    third_party_to: date
    own_damage_years: int
    third_party_years: int


def ladder(rules: TradeRules, on: date) -> list[Decimal]:
    """The steps of the no-claim bonus in percent, from one year without a claim upwards."""
    return [rule["rate"] for rule in sorted(rules.of("bonus", on), key=lambda rule: rule["years"])]


def bonus_kept_until(rules: TradeRules, due_on: date) -> date | None:
    """The last day on which a renewal of a motor policy that ended on `due_on` keeps its bonus; None: for ever."""
    days = [rule["bonus_lost_days"] for rule in rules.of("grace", due_on) if rule["line"] == "motor"]
    return due_on + timedelta(days=days[0]) if days and days[0] else None


def next_bonus(rules: TradeRules, now: Decimal | None, due_on: date, start: date, *, claimed: bool = False) -> Decimal:
    """The no-claim bonus in percent of a term that starts on `start` and follows one that ended on `due_on`.

    The next step of the ladder after a year without a claim, the highest one at most; nothing after a claim, and
    nothing when the gap is longer than the rule of the day allows.
    """
    kept_until = bonus_kept_until(rules, due_on)
    if claimed or (kept_until is not None and start > kept_until):
        return NONE
    steps = ladder(rules, start)
    highest = max([*steps, now or NONE], default=NONE)
    return next((step for step in steps if step > (now or NONE)), highest)


def long_term(rules: TradeRules, vehicle_class: str, start: date) -> Ends | None:
    """What a new vehicle of this class is insured for, or None where the law asks for no more than a year."""
    fitting = [rule for rule in rules.of("motor term", start) if rule["subtype"] == vehicle_class]
    if not fitting:
        return None
    own_damage, third_party = fitting[0]["years"], fitting[0]["other_years"]
    return Ends(last_day(start, own_damage), last_day(start, third_party), own_damage, third_party)


def tariff_premium(
    rules: TradeRules, vehicle_class: str, size: int | None, on: date, *, years: int = 1
) -> Decimal | None:
    """The third party premium of the tariff in rupees, or None where it has none for this vehicle.

    `size` is the cubic capacity, or the gross weight in kg for the classes of WEIGHED.
    """
    fitting = [
        rule
        for rule in rules.of("tariff", on)
        if rule["subtype"] == vehicle_class and rule["years"] == years and size is not None and size <= rule["up_to"]
    ]
    return min(fitting, key=lambda rule: rule["up_to"])["amount"] if fitting else None


def last_day(start: date, years: int) -> date:
    """The last day of so many years of cover: one year from 23/11/2026 ends on 22/11/2027."""
    return years_later(start, years) - timedelta(days=1)


def years_later(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def is_named_by_number(record: Mapping[str, Any]) -> bool:
    """Whether the asset of a motor policy is but the vehicle number, and changes with it."""
    return record["line"] == "motor" and compact(record.get("asset")) == compact(record.get("vehicle_number"))
