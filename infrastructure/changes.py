"""A transaction that is collected first and applied at its end.

PostgREST has no transactions over several requests, so the writes of one business operation are gathered as plain
data and handed to the SQL function `apply_changes`, which runs them all or none in one round trip: the same on every
way to the database.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infrastructure.catalogue import Catalogue, Relation, Row
from infrastructure.errors import InvalidQuery
from infrastructure.selection import AnyOf, json_ready, read_filters

_encode = json.JSONEncoder(allow_nan=False).encode  # json.dumps makes one anew for each call that is not its default
_WRITABLE = ("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "is")


@dataclass(slots=True)
class Change:
    """One write of a transaction. `rows` holds the rows as they stand afterwards, once the transaction is applied."""

    table: str
    rows: list[Row] = field(default_factory=list)


class Transaction:
    """Collects writes; nothing is sent before the end of its block, and nothing at all when that raises."""

    __slots__ = ("_afterwards", "_apply", "_catalogue", "_described", "_lone", "_own_key", "changes")

    def __init__(
        self, catalogue: Catalogue, key: str | None = None, apply: Callable[["Transaction"], None] | None = None
    ) -> None:
        """`apply` sends what was collected; without one that is left to the caller."""
        self._catalogue, self._own_key, self._apply = catalogue, key, apply
        # The only write so far, when it has a function of its own: that function and the row, not yet described.
        self._lone: tuple[str, Row, bool] | None = None
        self.changes: list[Change] = []
        self._described: list[dict[str, Any]] = []
        self._afterwards: list[Callable[[bool], None]] = []

    def __enter__(self) -> "Transaction":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        applied = False
        try:
            if kind is None and self._apply is not None:
                self._apply(self)
                applied = True
        finally:
            self.settle(applied)

    @property
    def key(self) -> str:
        """What a repetition is known by: the caller's key, or one that nobody else has."""
        if self._own_key is None:
            self._own_key = uuid.uuid4().hex
        return self._own_key

    def when_settled(self, tell: Callable[[bool], None]) -> None:
        """Calls `tell` once at the end of the block: with True when everything was applied, with False when it was not
        or when that is uncertain.
        """
        self._afterwards.append(tell)

    def settle(self, applied: bool) -> None:
        """Tells those who asked by `when_settled`."""
        asked, self._afterwards = self._afterwards, []
        for tell in asked:
            tell(applied)

    def insert(
        self,
        table: str,
        rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        returning: bool = True,
        alone: str | None = None,
    ) -> Change:
        """Adds one row or many; rows of one call have the same columns.

        `returning=False` leaves `rows` of the answer empty: for bulk and for rows that nobody looks at. `alone` names a
        function of the schema that stores the row sooner where it is the transaction's only write: its parameters are
        the row's columns (JSON as text) without nulls, its answer is whether the row is there now, and called again it
        does nothing more. Then `rows` holds the row as it was given.
        """
        relation = self._catalogue.table(table)
        if alone is None or self.changes or not isinstance(rows, Mapping) or not rows.keys() <= relation.columns.keys():
            return self._add(table, _insertion(relation, rows, returning))
        self._lone = alone, json_ready(rows), returning
        self.changes.append(change := Change(table))
        return change

    def shortcut(self) -> tuple[str, dict[str, Any]] | None:
        """The function that takes the only write by itself, with its parameters; None where there is no such way."""
        if self._lone is None or self._own_key is not None:
            return None
        alone, row, _ = self._lone
        return alone, {
            column: _spelled(value) if type(value) in (dict, list) else value
            for column, value in row.items() if value is not None
        }  # fmt: skip

    def upsert(
        self,
        table: str,
        rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        on_conflict: str | Sequence[str] = (),
    ) -> Change:
        """Adds rows, or updates those that exist by the columns of `on_conflict` (default: the primary key)."""
        relation = self._catalogue.table(table)
        names = on_conflict.replace(",", " ").split() if isinstance(on_conflict, str) else list(on_conflict)
        conflict = [relation.require(name) for name in names or relation.key]
        return self._add(table, {"op": "upsert", "conflict": conflict, **_rows(relation, rows)})

    def update(
        self, table: str, values: Mapping[str, Any], *, filters: Mapping[str, Any], expect: int | None = None
    ) -> Change:
        """Changes the rows that meet `filters`; another number of them than `expect` undoes everything (Conflict)."""
        relation = self._catalogue.table(table)
        if not values:
            raise InvalidQuery(f"an update of {table} must name at least one column")
        written = {relation.require(name): json_ready(value) for name, value in values.items()}
        where = _conditions(relation, "update", filters)
        return self._add(table, {"op": "update", "set": written, "where": where, "expect": expect})

    def delete(self, table: str, *, filters: Mapping[str, Any], expect: int | None = None) -> Change:
        """Removes the rows that meet `filters`; another number of them than `expect` undoes everything (Conflict)."""
        where = _conditions(self._catalogue.table(table), "delete", filters)
        return self._add(table, {"op": "delete", "where": where, "expect": expect})

    def as_json(self) -> str:
        """The changes as `apply_changes` reads them. Raises InvalidQuery for a value that JSON cannot hold."""
        self._describe_lone()
        return _spelled(self._described)

    def fill_in_alone(self, stored: bool) -> None:
        """Gives the only change its row, when that is there."""
        if stored and self._lone is not None:
            self.changes[0].rows = [self._lone[1]]

    def fill_in(self, applied: list[list[Row]]) -> None:
        """Gives each change the rows that the database answered for it."""
        for change, rows in zip(self.changes, applied, strict=True):
            row_from_json = self._catalogue.relation(change.table).row_from_json
            change.rows = [row_from_json(row) for row in rows]

    def _add(self, table: str, described: dict[str, Any]) -> Change:
        change = Change(table)
        if described.get("rows") == []:
            return change
        self._describe_lone()
        self.changes.append(change)
        self._described.append({"table": table, **described})
        return change

    def _describe_lone(self) -> None:
        if self._lone is not None:
            (_, row, returning), table = self._lone, self.changes[0].table
            self._lone = None
            self._described.append({"table": table, **_insertion(self._catalogue.table(table), row, returning)})


def _spelled(described: Any) -> str:
    try:
        return _encode(described)
    except (TypeError, ValueError) as error:
        raise InvalidQuery(f"a value cannot be stored: {error}") from error


def _insertion(
    relation: Relation, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]], returning: bool
) -> dict[str, Any]:
    described = {"op": "insert", **_rows(relation, rows)}
    return described if returning else {**described, "returning": False}


def _rows(relation: Relation, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    many = [rows] if isinstance(rows, Mapping) else list(rows)
    if not many:
        return {"rows": []}
    columns = many[0].keys()
    if not columns <= relation.columns.keys():
        for name in columns:
            relation.require(name)
    if not columns:
        raise InvalidQuery(f"a row of {relation.name} must name at least one column")
    for row in many:
        if row.keys() != columns:
            raise InvalidQuery(f"rows of one insert into {relation.name} must have the same columns")
    return {"rows": [json_ready(row) for row in many]}


def _conditions(relation: Relation, operation: str, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
    conditions = read_filters(relation, filters)
    if not conditions:
        raise InvalidQuery(f"{operation} of {relation.name} without a filter would meet every row")
    written = []
    for condition in conditions:
        if isinstance(condition, AnyOf) or condition.operator not in _WRITABLE:
            raise InvalidQuery(f"{operation} takes only the filters {', '.join(_WRITABLE)}")
        value = list(condition.value) if condition.operator == "in" else condition.value
        if condition.operator == "is" and value is not None:
            value = "true" if value else "false"
        written.append({"column": condition.column, "op": condition.operator, "value": value})
    return written
