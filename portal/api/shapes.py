"""The shape of what is asked and answered, as JSON Schema (2020-12).

What may be sent comes from the models that also check the forms; what is answered from the columns of the views, as the
database describes them. Both are therefore what the code does and not what somebody wrote about it.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from database_pool import default_pool

Schema = dict[str, Any]
Row = dict[str, Any]
COMPONENTS = "#/components/schemas/"
NO_NUL = r"^[^\u0000]*$"   # PostgreSQL stores no such character, and no address of the portal may hold one
_AMOUNT = {"type": ["string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}


@dataclass(frozen=True)
class Shape:
    """One kind of answer: `columns` of a table or view, of which `always` are in every answer and never empty.

    `secret` are columns that only some may see, by the permission it takes; `extra` are members that are no columns,
    with their type or schema; `lists` are members that hold records of other shapes.
    """

    name: str
    relation: str
    columns: tuple[str, ...]
    always: tuple[str, ...]
    secret: tuple[tuple[str, str], ...] = ()
    extra: tuple[tuple[str, str | Schema], ...] = ()
    lists: tuple[tuple[str, "Shape"], ...] = ()

    def schema(self) -> Schema:
        """The JSON Schema of one such answer."""
        kinds = default_pool().catalogue().relation(self.relation).columns
        properties = {name: _of_column(kinds[name], name in self.always) for name in self.columns}
        properties |= {name: {"type": kind} if isinstance(kind, str) else kind for name, kind in self.extra}
        for name, shape in self.lists:
            properties[name] = {"type": "array", "items": {"$ref": COMPONENTS + shape.name}}
        return {"type": "object", "properties": properties, "required": list(self.always),
                "additionalProperties": False}  # fmt: skip

    def seen_by(self, row: Mapping[str, Any], permissions: Iterable[str]) -> Row:
        """A row as this colleague may see it, in JSON's own types."""
        have = set(permissions)
        hidden = {column for column, permission in self.secret if permission not in have}
        names = [*self.columns, *(name for name, _ in self.extra)]
        seen = {name: plain(row[name]) for name in names if name in row and name not in hidden}
        return seen | {name: [shape.seen_by(one, have) for one in row[name]] for name, shape in self.lists}


def plain(value: Any) -> Any:
    """A value in JSON's own types: amounts as text, moments in UTC."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def of_form(
    model: type[BaseModel], *, without: Iterable[str] = (), extra: Mapping[str, Schema] | None = None
) -> Schema:
    """The schema of a body that this form checks, `without` the fields that travel in headers; others are refused."""
    schema = model.model_json_schema(ref_template=COMPONENTS + "{model}")
    schema.pop("$defs", None)
    properties = {name: _titled(field) for name, field in schema.get("properties", {}).items() if name not in without}
    required = [name for name in schema.get("required", []) if name in properties]
    return {"title": schema["title"], "type": "object", "properties": {**(extra or {}), **properties},
            "required": [*(extra or {}), *required], "additionalProperties": False}  # fmt: skip


def inner_forms(model: type[BaseModel]) -> dict[str, Schema]:
    """The schemas of the repeated rows inside a form, by name."""
    inner = model.model_json_schema(ref_template=COMPONENTS + "{model}").get("$defs", {})
    return {name: {**schema, "additionalProperties": False} for name, schema in inner.items()}


def of_query(model: type[BaseModel]) -> dict[str, Schema]:
    """The schema of each query parameter that this filter reads. An address has no null: a parameter is or is not."""
    properties = model.model_json_schema()["properties"]
    return {name: _without_null(field) for name, field in properties.items()}


def _without_null(field: Schema) -> Schema:
    choices = [choice for choice in field.get("anyOf", []) if choice.get("type") != "null"]
    kept = {name: value for name, value in field.items() if name not in ("anyOf", "default")}
    schema = {**kept, **choices[0]} if len(choices) == 1 else kept
    is_text = schema.get("type") == "string" and not {"enum", "format", "pattern"} & set(schema)
    return {**schema, "pattern": NO_NUL} if is_text else schema


def _titled(field: Schema) -> Schema:
    return {name: value for name, value in field.items() if name != "default" or value is not None}


def _of_column(kind: str, always: bool) -> Schema:
    schema = _of_type(kind)
    if always and isinstance(schema.get("type"), list):
        schema = {**schema, "type": schema["type"][0]}
    return schema


def _of_type(kind: str) -> Schema:
    if kind.endswith("[]"):
        return {"type": ["array", "null"], "items": {"type": "string"}}
    if kind.startswith("numeric"):
        return dict(_AMOUNT)
    if kind in ("jsonb", "json"):
        return {}
    known: dict[str, Schema] = {
        "bigint": {"type": ["integer", "null"]}, "integer": {"type": ["integer", "null"]},
        "smallint": {"type": ["integer", "null"]}, "boolean": {"type": ["boolean", "null"]},
        "date": {"type": ["string", "null"], "format": "date"},
        "timestamp with time zone": {"type": ["string", "null"], "format": "date-time"},
    }  # fmt: skip
    return known.get(kind, {"type": ["string", "null"]})
