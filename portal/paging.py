"""Long lists page by page, sorted by a column of the visitor's choice, with everything in the web address.

Pages continue from the last row seen (keyset) and not from a count of rows, so that page 200 costs what page 1 costs
and nobody sees a row twice because a colleague added one. A cursor that cannot be read shows the first page.
`at` in the address jumps: to a letter ("at=m") in a list sorted by names, to a month ("at=2026-03") in one by days.
"""

import base64
import binascii
import json
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import Any, Literal
from urllib.parse import urlencode

from database_pool import execute_query
from portal.formats import MONTHS, midnight, today
from portal.freshness import Fresh

Kind = Literal["text", "number", "whole", "date", "time"]
SIZES = (25, 50, 100)
LONGEST_CURSOR = 2000
WHOLE = re.compile(r"-?[0-9]{1,19}")
MONTH = re.compile(r"(\d{4})-(\d{2})")
AT_ONCE = 1000   # rows of a list that is read to its end
MONTHS_AROUND = 13   # before and after this one, to jump to
UNKNOWN = -1   # how many rows come before a page that was jumped to, until they are counted


@dataclass(frozen=True)
class Sort:
    """One way to order a list: by `column`, and between equals by `key`, which is unique.

    A column of whole numbers is of the kind "whole", one of amounts "number". `nullable` columns show their empty rows
    last in both directions. `descending` is what the first click on the heading means; `name` is the word in the web
    address. With `letters` (a column in small letters) one may jump to a letter.
    """

    name: str
    column: str
    key: str
    kind: Kind = "text"
    key_kind: Kind = "text"
    nullable: bool = False
    descending: bool = False
    letters: bool = False


@dataclass(frozen=True)
class Cursor:
    """The row a page starts behind (or, backwards, before), and how many rows come before that page (or UNKNOWN)."""

    backwards: bool
    value: Any
    key: Any
    start: int


@dataclass(frozen=True)
class Listing:
    """What somebody asked of a list: sort, direction, page size, place, and the other parameters of the address."""

    sort: Sort
    descending: bool
    size: int
    cursor: Cursor | None
    parameters: Mapping[str, str]
    sorts: Sequence[Sort] = field(repr=False)

    @property
    def sort_word(self) -> str:
        """The sort as the address has it: "name", "-gross"."""
        return _sort_word(self.sort, self.descending)

    @property
    def facts(self) -> tuple[Any, ...]:
        """All that the links and headings around a list are made from (for `{% keep %}`)."""
        return self.parameters, self.sort_word, self.size

    def link(self, **changes: str | int | None) -> str:
        """The address of this list with some parameters changed ("" takes one out), starting at the first page."""
        given = {name: str(value or "") for name, value in changes.items()}
        wanted = {**self.parameters, "cursor": "", "at": "", **given}
        return "?" + urlencode({name: value for name, value in wanted.items() if value})

    def places(self) -> list[tuple[str, str]]:
        """Letters or months to jump to, as (word of the address, label); none where the sort is by amounts."""
        if self.sort.letters:
            return [(letter, letter.upper()) for letter in string.ascii_lowercase]
        if self.sort.kind not in ("date", "time"):
            return []
        this = today().year * 12 + today().month - 1
        months = [divmod(this + away, 12) for away in range(-MONTHS_AROUND, MONTHS_AROUND + 1)]
        return [(f"{year}-{month + 1:02d}", f"{MONTHS[month][:3]} {year % 100:02d}") for year, month in months]

    def heading_link(self, name: str) -> str:
        """Where a click on a column's heading leads: its own first direction, then the other."""
        sort = next(sort for sort in self.sorts if sort.name == name)
        descending = not self.descending if sort == self.sort else sort.descending
        return self.link(sort=_sort_word(sort, descending))

    def aria_sort(self, name: str) -> str:
        """ascending or descending for the column the list is sorted by, "" for all others."""
        return ("descending" if self.descending else "ascending") if name == self.sort.name else ""


@dataclass(frozen=True, eq=False)
class Page:
    """The rows of one page. `total` counts all that match, or is None where it was not asked for. One that `is_kept` is
    given to others as well: nobody changes it.
    """

    rows: list[dict[str, Any]]
    listing: Listing
    start: int = 0
    total: int | None = None
    next_cursor: str = ""
    previous_cursor: str = ""
    is_kept: bool = False

    @property
    def facts(self) -> tuple[Any, ...]:
        """All that a page of the list is made from: its rows and where it stands (for `{% keep %}`)."""
        return (self,) if self.is_kept else self._values

    @property
    def _values(self) -> tuple[Any, ...]:
        return *self.listing.facts, self.rows, self.start, self.total, self.next_cursor, self.previous_cursor

    @property
    def next_link(self) -> str:
        return self.listing.link(cursor=self.next_cursor) if self.next_cursor else ""

    @property
    def previous_link(self) -> str:
        return self.listing.link(cursor=self.previous_cursor) if self.previous_cursor else ""


def listing(arguments: Mapping[str, str], sorts: Sequence[Sort], *, size: int = 50) -> Listing:
    """Reads `sort`, `size` and `cursor` from the address; the first of `sorts` is the default. Never fails."""
    parameters = {name: value for name, value in arguments.items() if value}
    sort, descending = _wanted_sort(parameters.get("sort", ""), sorts)
    wanted_size = parameters.get("size", "")
    return Listing(
        sort=sort,
        descending=descending,
        sorts=sorts,
        parameters=parameters,
        size=int(wanted_size) if wanted_size in map(str, SIZES) else size,
        cursor=_read_cursor(parameters.get("cursor", ""), sort, descending)
        or _read_place(parameters.get("at", ""), sort, descending),
    )


def read_page(
    relation: str,
    wanted: Listing,
    *,
    filters: Mapping[str, Any] | None = None,
    columns: str = "*",
    count: bool = True,
    total: int | None = None,
    may_lag: bool = False,
) -> Page:
    """The page of a table or view that `wanted` asks for; `columns` must contain the sort's column and key.

    One query for the first page, two for others where the total is wanted and the caller does not know it already
    (`total`). A page left empty shows the first.
    """
    cursor = wanted.cursor
    jumped = cursor is not None and cursor.start == UNKNOWN
    result = execute_query(
        relation,
        columns=columns,
        filters=page_filters(wanted, filters),
        order=page_order(wanted),
        limit=wanted.size + 1,
        count=jumped or (count and total is None and cursor is None),
        may_lag=may_lag,
    )
    if cursor is None:
        return _page(wanted, result.data, total if total is not None else result.count if count else None)
    if not result.data:
        first = replace(wanted, cursor=None)
        return read_page(
            relation, first, filters=filters, columns=columns, count=count, total=total, may_lag=may_lag
        )
    if total is None and (count or jumped):
        total = execute_query(relation, columns=wanted.sort.key, filters=filters, limit=1, count=True).count
    if jumped:
        wanted = replace(wanted, cursor=replace(cursor, start=max(0, (total or 0) - (result.count or 0))))
    return _page(wanted, result.data, total)


def keep_page(
    relation: str,
    wanted: Listing,
    *,
    filters: Mapping[str, Any],
    columns: str,
    total: int | None,
    subjects: tuple[str, ...],
    fresh: Fresh,
) -> Page:
    """The first page of a list as `read_page` reads it, read again only when something of the `subjects` that its view
    shows has changed, or the day; further pages are read each time. Without a known `total` it is counted.
    """
    def read() -> Page:
        return read_page(relation, wanted, filters=filters, columns=columns, count=total is None, total=total)

    if wanted.cursor is not None:
        return read()
    shown = (*wanted.parameters.items(), wanted.sort_word, wanted.size, total, today())
    key = (relation, columns, repr(filters), shown)
    return fresh.value(subjects, key, lambda: replace(read(), is_kept=True))


def read_all(
    relation: str, wanted: Listing, *, filters: Mapping[str, Any] | None = None, columns: str = "*"
) -> Iterator[dict[str, Any]]:
    """Every row of a list in its order, page after page, so that a long one needs no memory. A read replica may answer:
    a file is of a moment anyhow.
    """
    wanted = replace(wanted, size=AT_ONCE, cursor=None)
    while True:
        page = read_page(relation, wanted, filters=filters, columns=columns, count=False, may_lag=True)
        yield from page.rows
        if not page.next_cursor:
            return
        wanted = replace(wanted, cursor=_read_cursor(page.next_cursor, wanted.sort, wanted.descending))


def page_filters(wanted: Listing, filters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`filters` and the condition that the rows lie behind the cursor (before it, when paging backwards)."""
    everything = dict(filters or {})
    cursor = wanted.cursor
    if cursor is None:
        return everything
    sort = wanted.sort
    onwards = "lt" if wanted.descending != cursor.backwards else "gt"
    same = {f"{sort.column}_eq" if cursor.value is not None else f"{sort.column}_is": cursor.value}
    groups: list[dict[str, Any]] = [{**same, f"{sort.key}_{onwards}": cursor.key}]
    if cursor.value is not None:
        groups.append({f"{sort.column}_{onwards}": cursor.value})
    if sort.nullable and cursor.value is not None and not cursor.backwards:
        groups.append({f"{sort.column}_is": None})
    if sort.nullable and cursor.value is None and cursor.backwards:
        groups.append({f"{sort.column}_not_is": None})
    if not sort.nullable:
        # Says nothing new, but gives an index a place to start at, which it does not find inside an "or".
        everything.setdefault(f"{sort.column}_{onwards}e", cursor.value)
    others = everything.get("or") or [{}]
    everything["or"] = [{**other, **group} for other, group in product(others, groups)]
    return everything


def page_order(wanted: Listing) -> str:
    """The order of the query: turned round when paging backwards, empty values last for the reader."""
    backwards = wanted.cursor is not None and wanted.cursor.backwards
    direction = "desc" if wanted.descending != backwards else "asc"
    nulls = f" nulls {'first' if backwards else 'last'}" if wanted.sort.nullable else ""
    if wanted.sort.column == wanted.sort.key:
        return f"{wanted.sort.key} {direction}"
    return f"{wanted.sort.column} {direction}{nulls}, {wanted.sort.key} {direction}"


def _page(wanted: Listing, found: list[dict[str, Any]], total: int | None) -> Page:
    cursor, rows, more = wanted.cursor, found[: wanted.size], len(found) > wanted.size
    if cursor is not None and cursor.backwards:
        rows.reverse()
        start = max(0, cursor.start - len(rows))
        has_next, has_previous = True, more
    else:
        start = cursor.start if cursor else 0
        has_next, has_previous = more, start > 0
    return Page(
        rows=rows,
        listing=wanted,
        total=total,
        start=start,
        next_cursor=_cursor(wanted, rows[-1], False, start + len(rows)) if has_next else "",
        previous_cursor=_cursor(wanted, rows[0], True, start) if has_previous else "",
    )


def _wanted_sort(word: str, sorts: Sequence[Sort]) -> tuple[Sort, bool]:
    for sort in sorts:
        if word in (sort.name, f"-{sort.name}"):
            return sort, word.startswith("-")
    return sorts[0], sorts[0].descending


def _sort_word(sort: Sort, descending: bool) -> str:
    return f"-{sort.name}" if descending else sort.name


def _cursor(wanted: Listing, row: Mapping[str, Any], backwards: bool, start: int) -> str:
    value, key = row[wanted.sort.column], row[wanted.sort.key]
    content = [
        _sort_word(wanted.sort, wanted.descending),
        backwards,
        start,
        None if value is None else _as_text(value),
        _as_text(key),
    ]
    packed = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _read_cursor(text: str, sort: Sort, descending: bool) -> Cursor | None:
    if not text or len(text) > LONGEST_CURSOR:
        return None
    try:
        content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        word, backwards, start, value, key = content
        if word != _sort_word(sort, descending) or type(backwards) is not bool or type(start) is not int:
            return None
        if not isinstance(key, str) or not isinstance(value, str | None):
            return None
        if not 0 <= start < 10**9 or (value is None and not sort.nullable):
            return None
        read_value, read_key = READERS[sort.kind], READERS[sort.key_kind]
        return Cursor(backwards, None if value is None else read_value(value), read_key(key), start)
    except (ValueError, TypeError, binascii.Error, InvalidOperation, OverflowError, RecursionError):
        return None


def _read_place(text: str, sort: Sort, descending: bool) -> Cursor | None:
    """The place before a letter or month; going down, before what follows it. Keys are never below 0 or ""."""
    value: Any = None
    if sort.letters and text.lower() in string.ascii_lowercase and len(text) == 1:
        value = chr(ord(text.lower()) + descending)
        if value not in string.ascii_lowercase:
            return None
    elif sort.kind in ("date", "time") and (month := MONTH.fullmatch(text)):
        months = int(month[1]) * 12 + int(month[2]) - 1 + descending
        if not 1900 * 12 <= months < 2200 * 12 or not 1 <= int(month[2]) <= 12:
            return None
        value = date(months // 12, months % 12 + 1, 1)
        if sort.kind == "time":
            value = midnight(value)
    if value is None:
        return None
    return Cursor(False, value, 0 if sort.key_kind == "whole" else "", UNKNOWN)


def _read_text(value: str) -> str:
    if "\x00" in value:
        raise ValueError("not a text of ours")
    value.encode()  # a lone surrogate is no text either
    return value


def _read_number(value: str) -> Decimal:
    number = Decimal(value)
    if not number.is_finite() or abs(number) >= 2**63 or len(value) > 40:
        raise ValueError("not a number of ours")
    return number


def _read_whole(value: str) -> int:
    if not WHOLE.fullmatch(value) or not -(2**63) <= int(value) < 2**63:
        raise ValueError("not a whole number of ours")
    return int(value)


def _read_time(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("not a moment of ours")
    return moment.astimezone(UTC)  # PostgreSQL knows no offset of 16 hours and more, Python does


READERS: dict[Kind, Callable[[str], Any]] = {
    "text": _read_text,
    "number": _read_number,
    "whole": _read_whole,
    "date": date.fromisoformat,
    "time": _read_time,
}
