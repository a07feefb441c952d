"""What time does to a policy: when it has to be renewed, what is left after that, and what is lost when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from portal.formats import office_date, percent
from portal.settings.queries import TradeRules


@dataclass(frozen=True)
class Clock:
    """`kind` is "running", "in grace", "over" or "ended"; `sentences` say it in words. Dates are last days."""

    kind: str
    sentences: tuple[str, ...]
    grace_until: date | None = None
    bonus_kept_until: date | None = None


def grace_rule(rules: TradeRules, line: str, premium_mode: str | None, on: date) -> Mapping[str, Any] | None:
    """What holds after a cover that ended on a day: the rule of how it is paid, else that of the line."""
    fitting = [rule for rule in rules.of("grace", on) if rule["line"] == line]
    return max(
        (rule for rule in fitting if rule["premium_mode"] in ("", premium_mode or "")),
        key=lambda rule: (rule["premium_mode"] != "", rule["valid_from"]),
        default=None,
    )


def clock(
    policy: Mapping[str, Any], details: Mapping[str, Any], rule: Mapping[str, Any] | None, today: date
) -> Clock | None:
    """The clock of a live term; None for one that time does nothing to any more.

    `policy` has `state`, `line`, `due_on` and `one_time`; `details` the line's own, where there are any; `rule` is that
    of the day it ends (`grace_rule`, or what a row of `policy_page` has of it: `rule_on_page`).
    """
    if policy["state"] != "live":
        return None
    due_on: date = policy["due_on"]
    if policy["one_time"]:
        ended = f"It ended on {office_date(due_on)}." if due_on < today else f"It ends on {office_date(due_on)}."
        return Clock("ended" if due_on < today else "running", (f"{ended} A one-time policy is not renewed.",))
    rule = rule or {}
    grace_until = due_on + timedelta(days=rule["days"]) if rule.get("days") else None
    third_party_to = details.get("third_party_to") if policy["line"] == "motor" else None
    has_bonus = policy["line"] == "motor" and details.get("no_claim_bonus") and rule.get("bonus_lost_days")
    kept_until = due_on + timedelta(days=rule["bonus_lost_days"]) if has_bonus else None
    if today <= due_on:
        kind, words = "running", _ahead(policy, rule, grace_until, third_party_to, today)
    elif grace_until is not None and today <= grace_until:
        kind, words = "in grace", _in_grace(policy, rule, grace_until, today)
    else:
        kind, words = "over", _over(policy, rule, grace_until, third_party_to, today)
    if kept_until is not None:
        words.append(_of_bonus(details["no_claim_bonus"], kept_until, today))
    return Clock(kind, tuple(words), grace_until, kept_until)


def rule_on_page(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The rule of grace as a row of `policy_page` carries it."""
    return {
        "days": policy["grace_days"],
        "applies": policy["covers_grace"],
        "inspection": policy["inspection"],
        "bonus_lost_days": policy["bonus_lost_days"],
    }


def _ahead(
    policy: Mapping[str, Any],
    rule: Mapping[str, Any],
    grace_until: date | None,
    third_party_to: date | None,
    today: date,
) -> list[str]:
    due_on: date = policy["due_on"]
    left = (due_on - today).days
    days = "the last day is today" if left == 0 else f"{left} more {'day' if left == 1 else 'days'}"
    words = [f"Cover runs until {office_date(due_on)}, {days}."]
    if grace_until is not None:
        cover = "with cover" if rule["applies"] else "without cover"
        words.append(f"After that it can be renewed in grace until {office_date(grace_until)}, {cover}.")
    elif third_party_to is not None and third_party_to > due_on:
        runs_on = f"from the next day own damage is not insured, third party runs until {office_date(third_party_to)}"
        words.append(f"There is no grace: {runs_on}, and the insurer inspects the vehicle.")
    elif policy["line"] == "motor":
        words.append("There is no grace: from the next day the vehicle may not be driven, and the insurer inspects it.")
    else:
        words.append("There is no grace: from the next day nothing is insured.")
    return words


def _in_grace(policy: Mapping[str, Any], rule: Mapping[str, Any], grace_until: date, today: date) -> list[str]:
    left = (grace_until - today).days
    days = "the last day is today" if left == 0 else f"{left} {'day' if left == 1 else 'days'} left"
    words = [f"In grace until {office_date(grace_until)}, {days}."]
    if policy["line"] == "health":
        words.append("Renewing in time keeps sum insured, bonus and waiting periods.")
    words.append(
        "Cover goes on meanwhile." if rule["applies"] else "What happens meanwhile is not covered."
    )
    return words


def _over(
    policy: Mapping[str, Any],
    rule: Mapping[str, Any],
    grace_until: date | None,
    third_party_to: date | None,
    today: date,
) -> list[str]:
    due_on: date = policy["due_on"]
    since = office_date((third_party_to or due_on) + timedelta(days=1))
    if third_party_to is not None and third_party_to >= today:
        words = [f"Own damage ended on {office_date(due_on)}; third party runs until {office_date(third_party_to)}."]
    elif policy["line"] == "motor":
        words = [f"Uninsured since {since}: the vehicle may not be driven."]
    elif grace_until is not None:
        words = [f"The grace ended on {office_date(grace_until)}."]
        words.append(
            "The policy has lapsed; the insurer may revive it."
            if policy["line"] == "life"
            else "A renewal now is a new policy: waiting periods begin again."
        )
    else:
        words = [f"Uninsured since {since}."]
    if rule.get("inspection"):
        words.append("The insurer will inspect it before it is insured again.")
    return words


def _of_bonus(bonus: Any, kept_until: date, today: date) -> str:
    if today > kept_until:
        return f"The no-claim bonus of {percent(bonus)} was lost after {office_date(kept_until)}."
    return f"The no-claim bonus of {percent(bonus)} is lost unless it is renewed by {office_date(kept_until)}."
