"""What the generator hands to the writer: a client's whole file, with places in lists where the database has ids."""

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from portal.demo.places import Place

# Columns as in the table of the same name, without ids that only the database can give.
Row = dict[str, Any]


@dataclass
class Term:
    """One policy term. `follows` is the place of the term it renews in the client's list, `member` one there."""

    policy: Row
    insurer: str
    product: str
    agent: str | None
    member: int | None
    follows: int | None
    detail_table: str | None
    detail: Row
    persons: list[Row]


@dataclass
class ClientFile:
    """A client with members and all terms, older before newer within each policy's chain."""

    number: int
    client: Row
    members: list[Row]
    place: Place
    agent: str | None
    clerk: int
    trade: str = ""
    terms: list[Term] = field(default_factory=list)

    @property
    def is_firm(self) -> bool:
        return bool(self.client["client_type"] != "individual")


@dataclass
class Cover:
    """What one term insures and costs before tax, in whole rupees.

    `begun_earlier` says that the risk is older than its first term in this book, so somebody else insured it before.
    """

    product: str
    net: int
    addon: int = 0
    third_party: int = 0
    sum_insured: int | None = None
    asset: str | None = None
    member: int | None = None
    detail_table: str | None = None
    detail: Row = field(default_factory=dict)
    persons: list[Row] = field(default_factory=list)
    policy_to: date = date.max
    one_time: bool = False
    begun_earlier: bool = True


def year_after(start: date, years: int = 1) -> date:
    """The last day of a term of so many years: 28/02 for one that begins on 01/03 or 29/02."""
    if (start.month, start.day) == (2, 29):
        start += timedelta(days=1)
    return start.replace(year=start.year + years) - timedelta(days=1)


def rounded(amount: float, step: int = 1) -> int:
    return round(amount / step) * step


def lognormal(rng: Random, median: float, spread: float) -> int:
    return round(rng.lognormvariate(math.log(median), spread))
