"""Changes to what the office has settled."""

import re
from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.errors import Refused
from portal.settings import queries
from portal.settings.inputs import CompanyInput, MasterInput
from portal.settings.kinds import Kind

Row = dict[str, Any]


def add_master(tx: Transaction, actor: audit.Actor, kind: Kind, data: MasterInput) -> int:
    """Adds a master, in use from now on, and answers its id. A name that exists is Duplicate.

    Raises Refused for a name that differs from a known one in capitals, spaces and punctuation alone.
    """
    if kind.slug not in ("products", "hospitals"):   # these may share a name, with another insurer or in another city
        _refuse_other_spelling(kind, data.name)
    record_id = new_id(kind.table)
    values = {**_columns(data), "is_active": True}
    if kind.slug == "document-types":
        values["key"] = _key_of(data.name, record_id)
    tx.insert(kind.table, {kind.key: record_id, **values})
    audit.record(tx, actor, "add", kind.record_type, record_id, after=values)
    return record_id


def change_master(tx: Transaction, actor: audit.Actor, kind: Kind, stored: Row, data: MasterInput) -> None:
    """Renames, corrects or retires a master. Conflict when somebody else changed it since `data.version`.

    The line of a product stays: policies are kept by it.
    """
    values = _columns(data)
    values.pop("line", None)
    _write_master(tx, actor, kind, stored, values, data.version or 0, "change")


def set_in_use(tx: Transaction, actor: audit.Actor, kind: Kind, stored: Row, *, in_use: bool, version: int) -> None:
    """Retires a master, so that nothing new can name it, or takes it into use again."""
    action = "restore" if in_use else "retire"
    _write_master(tx, actor, kind, stored, {"is_active": in_use}, version, action)


def save_setting(
    tx: Transaction, actor: audit.Actor, key: str, value: Any, *, stored: Row | None, version: int | None
) -> None:
    """Saves one setting. `stored` is its row or None; Conflict when it is no longer the one of `version`."""
    if stored is None:
        tx.insert("settings", {"key": key, "value": value, "updated_by": actor.user_id})
    else:
        tx.update(
            "settings",
            {"value": value, "updated_by": actor.user_id},
            filters={"key_eq": key, "version_eq": version or 0},
            expect=1,
        )
    audit.record(tx, actor, "change", "setting", key, before=stored["value"] if stored else {}, after=value)


def company_value(data: CompanyInput, stored: Row | None) -> Row:
    """The office's own data as the setting "company" keeps it; the logo has a form of its own and stays."""
    logo = stored["value"].get("logo") if stored else None
    return {**data.model_dump(exclude={"version"}), "logo": logo}


def revert_company(tx: Transaction, actor: audit.Actor, stored: Row, entry: Row, version: int) -> None:
    """Gives the fields that an entry of the trail touched what they had before. Conflict as in save_setting."""
    value = {**stored["value"], **(entry["before"] or {})}
    if value == stored["value"]:
        raise Refused("The agency's data are as they were before this change.")
    save_setting(tx, actor, "company", value, stored=stored, version=version)


def _write_master(
    tx: Transaction, actor: audit.Actor, kind: Kind, stored: Row, values: Row, version: int, action: str
) -> None:
    record_id = stored[kind.key]
    tx.update(kind.table, values, filters={f"{kind.key}_eq": record_id, "version_eq": version}, expect=1)
    audit.record(tx, actor, action, kind.record_type, record_id, before=stored, after=values)


def _refuse_other_spelling(kind: Kind, name: str) -> None:
    known = queries.spelt_alike(kind.table, name)
    if known and known["name"].lower() != name.lower():
        retired = "" if known["is_active"] else ", which is retired"
        raise Refused(f"This differs from {known['name']}{retired} in spaces or punctuation alone.", field="name")


def _key_of(name: str, record_id: int) -> str:
    """The name in letters that fit into addresses and file names; a number keeps it apart from others."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return f"{words}-{record_id}" if words else f"type-{record_id}"


def _columns(data: MasterInput) -> Row:
    values = data.model_dump(exclude={"version"})
    if "subtype" in values:
        values["subtype"] = values["subtype"] or ""
    return values
