"""What is asked of one table or view: columns, conditions, order. Checked by name against the catalogue, made of
plain data, so that each backend only has to spell it.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from infrastructure.catalogue import Relation
from infrastructure.errors import InvalidQuery

OPERATORS = ("not_in", "not_is", "neq", "gte", "lte", "ilike", "like", "fts", "eq", "gt", "lt", "in", "is")
_AS_THEY_ARE = frozenset((str, int, bool, float))
_DIRECTIONS: tuple[list[str], ...] = ([], ["asc"], ["desc"])
_NULLS: tuple[list[str], ...] = ([], ["nulls", "first"], ["nulls", "last"])


class Condition(NamedTuple):
    """`column operator value`; the value of in / not_in is a tuple, of is / not_is one of None, True, False."""

    column: str
    operator: str
    value: Any


class AnyOf(NamedTuple):
    """At least one of the groups holds; a group holds when each of its conditions does."""

    groups: tuple[tuple[Condition, ...], ...]


class Ordering(NamedTuple):
    """One column of the order; `nulls_first` None leaves it to PostgreSQL (last when ascending)."""

    column: str
    descending: bool = False
    nulls_first: bool | None = None


class Question(NamedTuple):
    """One of several questions that are asked in one trip; names and values as for `DatabasePool.execute_query`."""

    table: str
    columns: str | Sequence[str] = "*"
    filters: Mapping[str, Any] | None = None
    order: str | Sequence[str] | None = None
    limit: int | None = None


class Selection(NamedTuple):
    """A checked question: everything names what exists, nothing is SQL yet."""

    relation: Relation
    columns: tuple[str, ...]
    conditions: tuple[Condition | AnyOf, ...]
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
    counted: bool


def read_columns(relation: Relation, columns: str | Sequence[str]) -> tuple[str, ...]:
    """The columns named in "a, b" or ["a", "b"]; "*" is all of them but search vectors."""
    if columns == "*":
        return relation.visible
    return _columns(relation, columns if isinstance(columns, str) else tuple(columns))


def read_filters(relation: Relation, filters: Mapping[str, Any] | None) -> tuple[Condition | AnyOf, ...]:
    """Conditions from {"client_id_eq": "C001", "or": [{...}, {...}]}; a bare column name means equality."""
    conditions: list[Condition | AnyOf] = []
    for name, value in (filters or {}).items():
        if name == "or":
            if not value:
                raise InvalidQuery("an empty 'or' would hold for no row: leave it out")
            conditions.append(AnyOf(tuple(_group(relation, group) for group in value)))
        else:
            conditions.append(_condition(relation, name, value))
    return tuple(conditions)


def read_order(relation: Relation, order: str | Sequence[str] | None) -> tuple[Ordering, ...]:
    """The order from "policy_to desc, policy_id" or a list of such parts; "nulls first" and "nulls last" may follow."""
    return _order(relation, order if isinstance(order, str) else tuple(order)) if order else ()


def plain_text(value: Any) -> str:
    """A value as PostgreSQL reads it from text, whatever the column's type."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, dt.date | dt.time):
        return _timely(value).isoformat()
    if isinstance(value, int | float | Decimal):
        return str(value)
    raise InvalidQuery(f"a filter compares with text, numbers, dates or truth values, not {type(value).__name__}")


def json_ready(value: Any) -> Any:
    """A value for JSON: decimals and moments become text, which PostgreSQL reads back without loss."""
    if value is None or type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dt.date | dt.time):
        return _timely(value).isoformat()
    if isinstance(value, Mapping):
        return {
            str(key): item if item is None or type(item) in _AS_THEY_ARE else json_ready(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(item) for item in value]
    return value


def _timely(value: dt.date | dt.time) -> dt.date | dt.time:
    # Without a zone each server would read its own into it.
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        raise InvalidQuery("a moment needs its time zone, such as datetime.UTC")
    return value


def _group(relation: Relation, group: Mapping[str, Any]) -> tuple[Condition, ...]:
    conditions = tuple(_condition(relation, name, value) for name, value in group.items())
    if not conditions:
        raise InvalidQuery("an empty group in 'or' would hold for every row")
    return conditions


def _condition(relation: Relation, name: str, value: Any) -> Condition:
    column, operator = _split(relation, name)
    if value is None and operator in ("eq", "neq"):
        operator = "is" if operator == "eq" else "not_is"
    if operator in ("in", "not_in"):
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise InvalidQuery(f"{name} takes a list of values, not {type(value).__name__}")
        return Condition(column, operator, tuple(plain_text(item) for item in value))
    if operator in ("is", "not_is"):
        if value is not None and not isinstance(value, bool):
            raise InvalidQuery(f"{name} takes None, True or False, not {type(value).__name__}")
        return Condition(column, operator, value)
    if value is None:
        raise InvalidQuery(f"{name} takes a value; to find empty ones ask {column}_is None")
    return Condition(column, operator, plain_text(value))


# The same few questions are asked over and over; what their names mean is worked out once.
@lru_cache(maxsize=1000)
def _columns(relation: Relation, columns: str | tuple[str, ...]) -> tuple[str, ...]:
    names = [name.strip() for name in columns.split(",")] if isinstance(columns, str) else columns
    return tuple(relation.require(name) for name in names)


@lru_cache(maxsize=1000)
def _order(relation: Relation, order: str | tuple[str, ...]) -> tuple[Ordering, ...]:
    return tuple(_ordering(relation, part) for part in (order.split(",") if isinstance(order, str) else order))


@lru_cache(maxsize=5000)
def _split(relation: Relation, name: str) -> tuple[str, str]:
    if name in relation.columns:
        return name, "eq"
    for operator in OPERATORS:
        if name.endswith(f"_{operator}"):
            return relation.require(name[: -len(operator) - 1]), operator
    return relation.require(name), "eq"


def _ordering(relation: Relation, part: str) -> Ordering:
    words = part.lower().split()
    direction = words[1:2] if words[1:2] != ["nulls"] else []
    nulls = words[1 + len(direction) :]
    if not words or direction not in _DIRECTIONS or nulls not in _NULLS:
        raise InvalidQuery(f"cannot order by {part!r}: write a column, asc or desc, nulls first or nulls last")
    return Ordering(relation.require(words[0]), direction == ["desc"], nulls[1] == "first" if nulls else None)
