"""Tax that insurers keep back from commission."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from portal.settings.queries import TradeRules

RUPEE, HUNDRED = Decimal(1), Decimal(100)
Payee = Literal["company", "other"]


def deducted(rules: TradeRules, commission: Decimal, *, payee: Payee, on: date) -> Decimal:
    """The tax on one insurer's commission of a financial year so far, in whole rupees; nothing up to the threshold."""
    fitting = [rule for rule in rules.of("tds", on) if rule["subtype"] == payee]
    if not fitting or commission <= fitting[0]["amount"]:
        return Decimal(0)
    rate: Decimal = fitting[0]["rate"]
    return (commission * rate / HUNDRED).quantize(RUPEE, ROUND_HALF_UP)


def payee_of(gstin: str | None) -> Payee:
    """Whether the agency is a company: the fourth letter of the PAN inside its GSTIN says so."""
    return "company" if gstin and gstin[5:6] == "C" else "other"
