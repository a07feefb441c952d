"""Who of a family is covered by what, and what nobody covers."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

Row = dict[str, Any]

# Families are expected to have health cover, and who earns a life policy; the rest is shown where there is some.
LINES = {"health": "Health", "life": "Life", "motor": "Motor", "fire": "Property", "travel": "Travel", "other": "Other"}
NO_FAMILY = frozenset({"employee", "partner", "other"})
EARNING = range(21, 61)   # years of age at which the head of a family wants a life policy
ACCIDENT = "personal accident"


@dataclass
class Line:
    """One row of the grid: a member (None for what names nobody) and, by line, the covers and what is missing."""

    member: Row | None
    covers: dict[str, list[Row]] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """The grid of a client: the words of its columns, its rows, and gaps that concern no single member."""

    columns: dict[str, str]
    lines: list[Line]
    gaps: list[str]

    @property
    def facts(self) -> tuple[Any, ...]:
        """All that is shown of it (for `{% keep %}`), and nothing of what is stored sealed."""
        names = [(line.member["name"], line.member["relation"]) if line.member else None for line in self.lines]
        return self.columns, names, [(line.covers, line.gaps) for line in self.lines], self.gaps


def family_of(client: Row, members: list[Row], covers: list[Row], day: date) -> Family:
    """The grid of a client's living members and open terms, with the gaps that a family of theirs has on a day.

    Health cover is looked for with each member of a family, life cover with its earning head; a car without a personal
    accident cover of anybody is named once. Firms have no such gaps.
    """
    present = [member for member in members if not member["deleted_at"]]
    known = {member["member_id"] for member in present}
    lines = [Line(member) for member in present]
    others = Line(None)
    place = {line.member["member_id"]: line for line in lines if line.member}
    for cover in covers:
        line = place[cover["member_id"]] if cover["member_id"] in known else others
        line.covers.setdefault(cover["line"], []).append(cover)
    is_family = client["client_type"] in ("individual", "huf")
    if is_family:
        for line in lines:
            line.gaps = _gaps_of(line, day)
    expected = ("health", "life") if is_family else ()
    columns = {word: label for word, label in LINES.items()
               if word in expected or any(cover["line"] == word for cover in covers)}
    return Family(columns, [*lines, others] if others.covers else lines, _gaps_of_all(covers) if is_family else [])


def _gaps_of(line: Line, day: date) -> dict[str, str]:
    member = line.member or {}
    gaps = {}
    if member["relation"] not in NO_FAMILY and not any(
            cover["subtype"] != ACCIDENT for cover in line.covers.get("health", ())):
        gaps["health"] = "No health cover"
    if member["relation"] == "self" and not line.covers.get("life") and _earns(member["date_of_birth"], day):
        gaps["life"] = "No life cover"
    return gaps


def _gaps_of_all(covers: list[Row]) -> list[str]:
    cars = [cover for cover in covers if cover["vehicle_class"] == "private car"]
    if cars and not any(cover["subtype"] == ACCIDENT for cover in covers):
        return ["Car without a personal accident cover"]
    return []


def _earns(born: date | None, day: date) -> bool:
    if born is None:
        return True
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day)) in EARNING
