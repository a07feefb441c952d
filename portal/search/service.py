"""What global search answers: the best matches of each kind, and which part of them matched."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from portal.formats import ascii_digits, compact, parse_phone
from portal.inputs import WORD_BREAKS, search_query
from portal.search import queries

Row = dict[str, Any]
Kind = Literal["clients", "members", "policies", "vehicles"]
Segment = tuple[str, bool]

AT_FIRST = 5
MOST = 100
SHORTEST = 2


@dataclass(frozen=True)
class Findings:
    """Rows of each kind, at most `limit`; `more` names the kinds that have others besides."""

    rows: dict[Kind, list[Row]] = field(default_factory=dict)
    more: frozenset[Kind] = frozenset()

    def __bool__(self) -> bool:
        return any(self.rows.values())


def find(typed: str, kinds: tuple[Kind, ...]) -> Findings:
    """The best matches of what somebody typed, in one question; a single kind answers up to 100 rows."""
    query = search_query(typed)
    if query is None or too_short(typed):
        return Findings()
    limit = AT_FIRST if len(kinds) > 1 else MOST
    found = queries.found(query, kinds, limit + 1, by_number=_has_digit(typed))
    return Findings(
        rows={kind: found[kind][:limit] for kind in kinds},
        more=frozenset(kind for kind in kinds if len(found[kind]) > limit),
    )


def too_short(typed: str) -> bool:
    """Whether what was typed is too little to look for: fewer than two letters or digits."""
    return len(compact(typed)) < SHORTEST


def exact_hit(typed: str, findings: Findings) -> Row | None:
    """The client whose id was typed, or the only policy of exactly this number; None when it is not that clear."""
    key = compact(typed)
    for client in findings.rows.get("clients", []):
        if compact(client["client_id"]) == key:
            return client
    policies = findings.rows.get("policies", [])
    if len(policies) == 1 and compact(policies[0]["policy_number"]) == key:
        return policies[0]
    return None


def mark(text: str | None, typed: str) -> list[Segment]:
    """The text in pieces, each with whether it is what was typed: [("Rohan ", False), ("Meh", True), ("ta", False)].

    Words match at their beginning, numbers also across spaces, hyphens and slashes: what the search itself does.
    """
    if not text:
        return []
    marked = [False] * len(text)
    for start, end in _matches(text, typed):
        marked[start:end] = [True] * (end - start)
    return list(_segments(text, marked))


def _matches(text: str, typed: str) -> Iterator[tuple[int, int]]:
    lowered = _lower(ascii_digits(text))
    places = [place for place, character in enumerate(lowered) if character.isalnum()]
    squeezed = "".join(lowered[place] for place in places)
    words = [word for word in WORD_BREAKS.split(_lower(ascii_digits(typed))) if word]
    for number in filter(_has_digit, [compact(typed).lower(), *words, *_local_phone(typed)]):
        start = squeezed.find(number)
        while start >= 0:
            yield places[start], places[start + len(number) - 1] + 1
            start = squeezed.find(number, start + len(number))
    for word in words:
        start = lowered.find(word)
        while start >= 0:
            if start == 0 or not lowered[start - 1].isalnum():
                yield start, start + len(word)
            start = lowered.find(word, start + 1)


def _local_phone(typed: str) -> list[str]:
    try:
        return [parse_phone(typed)[-10:]]
    except ValueError:
        return []


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _lower(text: str) -> str:
    """Lower case with as many characters as before, so that places in it are places in the text."""
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def _segments(text: str, marked: list[bool]) -> Iterator[Segment]:
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or marked[place] != marked[start]:
            yield text[start:place], marked[start]
            start = place
