"""Tax that insurers keep back from commission."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from portal.settings.queries import TradeRules

RUPEE, HUNDRED = Decimal(1), Decimal(100)
Payee = Literal["company", "other"]


def tds_rule(rules: TradeRules, payee: Payee, on: date) -> tuple[Decimal, Decimal]:
    """Rate in percent and threshold in rupees a financial year for a company, or for anybody else."""
    fitting = [rule for rule in rules.of("tds", on) if rule["subtype"] == payee]
    return (fitting[0]["rate"], fitting[0]["amount"]) if fitting else (Decimal(0), Decimal(0))


def deducted(commission: Decimal, rate: Decimal, threshold: Decimal) -> Decimal:
    """The tax on one insurer's commission of a financial year so far, in whole rupees; nothing up to the threshold."""
    if commission <= threshold:
        return Decimal(0)
    return (commission * rate / HUNDRED).quantize(RUPEE, ROUND_HALF_UP)
