"""Changes to what the office has settled."""

from dataclasses import dataclass
from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.settings.inputs import AgentInput, CompanyInput, InsurerInput, MasterInput, ProductInput


@dataclass(frozen=True)
class Kind:
    """One kind of master: its words, its table, its form."""

    word: str
    plural: str
    table: str
    relation: str
    key: str
    form: type[MasterInput]


KINDS = {
    "insurers": Kind("insurer", "insurers", "insurers", "insurers", "insurer_id", InsurerInput),
    "products": Kind("product", "products", "products", "product_list", "product_id", ProductInput),
    "agents": Kind("agent", "agents", "agents", "agents", "agent_id", AgentInput),
}


def add_master(tx: Transaction, actor: audit.Actor, kind: Kind, data: MasterInput) -> int:
    """Adds an insurer, product or agent, in use from now on, and answers its id. A name that exists is Duplicate."""
    record_id = new_id(kind.table)
    values = {**_columns(data), "is_active": True}
    tx.insert(kind.table, {kind.key: record_id, **values})
    audit.record(tx, actor, "add", kind.word, record_id, after=values)
    return record_id


def change_master(tx: Transaction, actor: audit.Actor, kind: Kind, stored: dict[str, Any], data: MasterInput) -> None:
    """Renames, corrects or retires a master. Conflict when somebody else changed it since `data.version`.

    The line of a product stays: policies are kept by it.
    """
    values = _columns(data)
    values.pop("line", None)
    record_id = stored[kind.key]
    tx.update(kind.table, values, filters={f"{kind.key}_eq": record_id, "version_eq": data.version or 0}, expect=1)
    audit.record(tx, actor, "change", kind.word, record_id, before=stored, after=values)


def save_setting(
    tx: Transaction, actor: audit.Actor, key: str, value: Any, *, stored: dict[str, Any] | None, version: int | None
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


def company_value(data: CompanyInput) -> dict[str, Any]:
    """The office's own data as the setting "company" keeps it."""
    return data.model_dump(exclude={"version"})


def _columns(data: MasterInput) -> dict[str, Any]:
    values = data.model_dump(exclude={"version"})
    if "subtype" in values:
        values["subtype"] = values["subtype"] or ""
    return values
