"""What somebody typed into a form: kept as typed, checked by the area's input model, shown again with its errors."""

import re
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from flask import flash, request
from pydantic import BaseModel, ValidationError

from portal.errors import PortalError
from portal.formats import for_editing
from portal.inputs import explain, mask_aadhaar

Model = TypeVar("Model", bound=BaseModel)

ROW = re.compile(r"^(?P<group>[a-z_]+)-(?P<number>\d{1,4})-(?P<name>[a-z0-9_]+)$")
UNSHOWABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
MOST_ROWS = 100


class SubmittedForm(Generic[Model]):
    """One form: `values` as typed, `data` the checked model (None when something is wrong), `errors` by field.

    Repeated rows are fields called "persons-0-name"; `values["persons"]` is then the list of rows, without empty ones.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.data: Model | None = None
        self.errors: dict[str, str] = {}

    @property
    def ok(self) -> bool:
        return self.data is not None and not self.errors

    def value(self, name: str) -> str:
        """What stands in the field, as text that may be printed."""
        found = self.values.get(name, "")
        if isinstance(found, list):
            found = found[0] if found and isinstance(found[0], str) else ""
        return UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", found)

    def chosen(self, name: str) -> list[str]:
        """Everything chosen under one name (several tick boxes, a multiple choice)."""
        found = self.values.get(name, [])
        listed = found if isinstance(found, list) else [found]
        return [item for item in listed if isinstance(item, str) and item]

    def error(self, name: str) -> str:
        return self.errors.get(name, "")

    def add_error(self, name: str, sentence: str) -> None:
        """Adds an error found after the model's own checks; the first one of a field stays."""
        self.errors.setdefault(name, sentence)

    def refuse(self, error: PortalError) -> None:
        """Shows what a rule of the trade refused, beside the field it names."""
        self.add_error(error.field, error.sentence)

    def rows(self, group: str, *, spare: int = 0) -> list[str]:
        """Prefixes of the rows of a group ("persons-0", "persons-1"), and `spare` empty ones behind them."""
        filled = len(self.values.get(group, []))
        return [f"{group}-{number}" for number in range(min(filled + spare, MOST_ROWS))]


def submitted(model: type[Model]) -> SubmittedForm[Model]:
    """The form of this request, checked by `model`."""
    form: SubmittedForm[Model] = SubmittedForm(_collected(request.form.to_dict(flat=False)))
    if any(len(rows) > MOST_ROWS for rows in _groups(form.values).values()):
        form.add_error("", f"At most {MOST_ROWS} rows fit on one form.")
        return form
    try:
        form.data = model.model_validate({name: value for name, value in form.values.items() if "-" not in name})
    except ValidationError as problem:
        for name, sentence in explain(problem, model).items():
            form.add_error(name, sentence)
    _tell_what_was_masked(form)
    return form


def _tell_what_was_masked(form: SubmittedForm[Model]) -> None:
    """Aadhaar numbers are cut to their last four digits by the field types; whoever typed one hears of it."""
    kept = form.data.model_dump() if form.data is not None else {}
    texts = [(name, value) for name, value in kept.items() if isinstance(value, str)]
    texts += [(f"{group}-{number}-{name}", value) for group in _groups(form.values)
              for number, row in enumerate(kept.get(group) or []) for name, value in row.items()
              if isinstance(value, str)]  # fmt: skip
    for name, value in texts:
        typed = form.values.get(name)
        if isinstance(typed, str) and value != typed and mask_aadhaar(typed) != typed:
            form.values[name] = value
            flash("An Aadhaar number was cut to its last four digits: no more of it may be kept.", "warn")


def prefilled(content: Mapping[str, Any]) -> SubmittedForm[Any]:
    """A form that shows a stored record (or suggestions) for editing, without errors."""
    values: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            values[name] = [{key: for_editing(inner) for key, inner in row.items()} for row in value]
            _spread(values, name)
        elif isinstance(value, list):
            values[name] = [for_editing(item) for item in value]
        else:
            values[name] = for_editing(value)
    return SubmittedForm(values)


def _collected(fields: dict[str, list[str]]) -> dict[str, Any]:
    """Flat form fields with the rows gathered into lists and renumbered from 0, without the rows left empty."""
    values: dict[str, Any] = {}
    groups: dict[str, dict[int, dict[str, str]]] = {}
    for name, entries in fields.items():
        if name in ("csrf_token", "resend"):
            continue
        row = ROW.match(name)
        if row:
            groups.setdefault(row["group"], {}).setdefault(int(row["number"]), {})[row["name"]] = entries[0]
        else:
            values[name] = entries[0] if len(entries) == 1 else entries
    for group, rows in groups.items():
        values[group] = [rows[number] for number in sorted(rows) if any(text.strip() for text in rows[number].values())]
        _spread(values, group)
    return values


def _groups(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: value for name, value in values.items()
            if isinstance(value, list) and value and isinstance(value[0], dict)}


def _spread(values: dict[str, Any], group: str) -> None:
    """Puts "persons-0-name" beside values["persons"][0]["name"], which is what the field macros ask for."""
    for number, row in enumerate(values[group]):
        for name, text in row.items():
            values[f"{group}-{number}-{name}"] = text

