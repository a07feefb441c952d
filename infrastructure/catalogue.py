"""The schema as the database describes it: names to check against, and types to make JSON into Python values by.

PostgreSQL's own driver hands over dates and decimals, PostgREST text and floating point. Whatever came as JSON goes
through the catalogue, so that a caller sees the same Python values on every way to the database.
"""

import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infrastructure.errors import InvalidQuery

Row = dict[str, Any]
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """A table or view: `columns` maps each name to PostgreSQL's spelling of its type, `key` is its primary key.

    `visible` is what "*" means: every column but the search vectors, which are for the server alone.
    """

    name: str
    kind: str
    columns: dict[str, str]
    key: tuple[str, ...]
    visible: tuple[str, ...]
    converters: dict[str, Convert]

    @classmethod
    def from_json(cls, name: str, description: dict[str, Any]) -> "Relation":
        """Reads one entry of the SQL function `schema_catalogue`."""
        columns: dict[str, str] = description["columns"]
        visible = tuple(column for column, sort in columns.items() if sort != "tsvector")
        return cls(name, description["kind"], columns, tuple(description["key"]), visible, _converters(columns))

    def require(self, column: str) -> str:
        """The column's name, if it exists; raises InvalidQuery with the nearest name else."""
        if column in self.columns:
            return column
        raise InvalidQuery(f"no column {column!r} in {self.name}{_nearest(column, self.columns)}")

    def row_from_json(self, row: Row) -> Row:
        """One row that came as JSON, without search vectors, each value as the Python type of its column."""
        converters, columns = self.converters, self.columns
        return {
            name: converters[name](value) if value is not None and name in converters else value
            for name, value in row.items()
            if columns.get(name) != "tsvector"
        }


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the schema: `returns` is a type or the relation whose rows it gives, `rows` whether it gives
    many.
    """

    name: str
    returns: str
    rows: bool


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every table, view and function that may be asked for."""

    relations: dict[str, Relation]
    functions: dict[str, Function]

    @classmethod
    def from_json(cls, description: dict[str, Any]) -> "Catalogue":
        """Reads the answer of the SQL function `schema_catalogue`."""
        relations = {name: Relation.from_json(name, told) for name, told in description["relations"].items()}
        functions = {name: Function(name, f["returns"], f["rows"]) for name, f in description["functions"].items()}
        return cls(relations, functions)

    def relation(self, name: str) -> Relation:
        """The table or view of that name; raises InvalidQuery with the nearest name when there is none."""
        if name in self.relations:
            return self.relations[name]
        raise InvalidQuery(f"no table or view {name!r}{_nearest(name, self.relations)}")

    def table(self, name: str) -> Relation:
        """Like `relation`, for writing: views are refused."""
        relation = self.relation(name)
        if relation.kind != "table":
            raise InvalidQuery(f"{name} is a view and cannot be written to")
        return relation

    def function(self, name: str) -> Function:
        """The function of that name; raises InvalidQuery with the nearest name when there is none."""
        if name in self.functions:
            return self.functions[name]
        raise InvalidQuery(f"no function {name!r}{_nearest(name, self.functions)}")

    def result_from_json(self, function: Function, answer: Any) -> Any:
        """What `function` answered over JSON, as Python values."""
        if function.returns in self.relations:
            relation = self.relations[function.returns]
            if function.rows:
                return [relation.row_from_json(row) for row in answer]
            return relation.row_from_json(answer) if answer is not None else None
        if function.returns == "void":
            return None
        convert = _converter(function.returns)
        if function.rows:
            return [convert(_only_value(value)) if convert and value is not None else value for value in answer]
        return convert(answer) if convert and answer is not None else answer


def _only_value(value: Any) -> Any:
    return next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else value


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), names, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _converters(columns: dict[str, str]) -> dict[str, Convert]:
    return {name: convert for name, sort in columns.items() if (convert := _converter(sort))}


def _converter(sort: str) -> Convert | None:
    if sort == "date":
        return dt.date.fromisoformat
    if sort == "timestamp with time zone":
        return _moment
    if sort.startswith("numeric"):
        scale = re.fullmatch(r"numeric\(\d+,(\d+)\)", sort)
        return _decimal(Decimal(1).scaleb(-int(scale[1]))) if scale else _plain_decimal
    return None


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def _plain_decimal(number: Any) -> Decimal:
    return Decimal(str(number))


def _decimal(unit: Decimal) -> Convert:
    # 12.50 arrives as 12.5: the column's scale puts the paise back. Exact, since no column has more than 15 digits.
    def convert(number: Any) -> Decimal:
        return Decimal(str(number)).quantize(unit)

    return convert
