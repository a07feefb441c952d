"""The question of the global search: all kinds in one trip to a function that looks for the words first."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from database_pool import call_function

Row = dict[str, Any]
LOOKED_AT = 50  # of the terms that match, so that those in force come before those that ended
READERS: dict[Callable[[str], Any], tuple[str, ...]] = {
    date.fromisoformat: ("policy_from", "policy_to", "due_on", "payment_date", "next_due"),
    datetime.fromisoformat: ("created_at", "deleted_at"),
    Decimal: ("gross_premium", "commission_amount", "sum_insured"),
}


def found(query: str, kinds: Iterable[str], most: int, *, by_number: bool = False) -> dict[str, list[Row]]:
    """At most `most` rows of each kind that a tsquery fits.

    Living clients and their members by name; clients by id where a number was typed, so that RM01 comes before RM010.
    The latest terms and vehicles, those in force first.
    """
    wanted = tuple(kinds)
    answer = call_function("find_in_book", {
        "query": query, "kinds": ",".join(wanted), "most": most, "looked_at": max(most, LOOKED_AT),
        "by_number": by_number}, read_only=True)  # fmt: skip
    return {kind: [_read(row) for row in answer[kind]] for kind in wanted}


def _read(row: Row) -> Row:
    """The row with days, moments and amounts instead of their texts."""
    for read, names in READERS.items():
        for name in names:
            if isinstance(text := row.get(name), str):
                row[name] = read(text)
    return row
