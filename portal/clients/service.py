"""The rules for clients and their members. Callers open the transaction; what refuses raises portal.errors."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from database_pool import Transaction, call_function, new_id
from portal import audit, sealing
from portal.clients import queries
from portal.clients.inputs import ClientInput, MemberInput, NewClientInput
from portal.errors import Refused
from portal.formats import now
from portal.inputs import WORD_BREAKS
from portal.lists.queries import MOST_AT_ONCE
from portal.lists.service import TOO_MANY

Row = dict[str, Any]

FALLBACK_PREFIX = "CL"  # for names without Latin letters
NAMES_ARE_ALIKE = 0.91  # "Rohan Mehta" and "Mehtaa Rohan" are, "Rohan Mehta" and "Rohan Mehra" are not quite
NOT_COLUMNS = {"same_as_known", "prefix", "form_key", "version"}


@dataclass(frozen=True)
class Lookalike:
    """A known client that may be the same as the one being saved, and what speaks for it."""

    client_id: str
    name: str
    shared: tuple[str, ...]


def suggested_prefix(name: str) -> str:
    """Two or three letters for the id of a new client: its initials, as in RM for Rohan Mehta."""
    words = [letters for word in name.upper().split() if (letters := "".join(c for c in word if "A" <= c <= "Z"))]
    initials = "".join(word[0] for word in words[:3])
    if len(initials) >= 2:
        return initials
    return words[0][:2] if words and len(words[0]) >= 2 else FALLBACK_PREFIX


def allot_client_id(data: NewClientInput) -> str:
    """The next free id of the client's prefix. Colleagues who ask at once get different ones; gaps are normal."""
    prefix = data.prefix or suggested_prefix(data.name)
    client_id: str = call_function("next_client_id", {"wanted_prefix": prefix})
    return client_id


def add_client(tx: Transaction, actor: audit.Actor, client_id: str, data: NewClientInput) -> None:
    """Adds a client under an id from `allot_client_id`; a person becomes a member of their own family at once."""
    values = _columns(data)
    values["whatsapp_opt_in_at"] = now() if data.whatsapp_opt_in else None
    by = {"created_by": actor.user_id, "updated_by": actor.user_id}
    tx.insert("clients", {"client_id": client_id, **sealing.sealed_row("clients", values), **by})
    audit.record(tx, actor, "add", "client", client_id, client_id=client_id, after=values)
    if data.client_type == "individual":
        myself = {"name": data.name, "relation": "self", "date_of_birth": data.date_of_birth, "phone": data.phone}
        add_member(tx, actor, client_id, MemberInput.model_validate(myself))


def change_client(tx: Transaction, actor: audit.Actor, stored: Row, data: ClientInput, version: int) -> None:
    """Writes every field as entered, empty ones too. Conflict when somebody else saved since `version`."""
    values = _columns(data)
    if data.whatsapp_opt_in != stored["whatsapp_opt_in"]:
        values["whatsapp_opt_in_at"] = now() if data.whatsapp_opt_in else None
    client_id = stored["client_id"]
    tx.update(
        "clients",
        {**sealing.sealed_row("clients", values), "updated_by": actor.user_id},
        filters={"client_id_eq": client_id, "version_eq": version, "deleted_at_is": None},
        expect=1,
    )
    audit.record(tx, actor, "change", "client", client_id, client_id=client_id, before=stored, after=values)


def assign_agent(tx: Transaction, actor: audit.Actor, rows: list[Row], agent_id: int | None) -> int:
    """Gives clients (rows with client_id and agent_id) an agent, and answers how many that changes."""
    if len(rows) > MOST_AT_ONCE:
        raise Refused(TOO_MANY)
    changing = [row for row in rows if row["agent_id"] != agent_id]
    if changing:
        values: Row = {"agent_id": agent_id, "updated_by": actor.user_id}
        tx.update("clients", values, filters={"client_id_in": [row["client_id"] for row in changing]})
    for row in changing:
        client_id, after = row["client_id"], {"agent_id": agent_id}
        audit.record(tx, actor, "change", "client", client_id, client_id=client_id, before=row, after=after)
    return len(changing)


def delete_client(tx: Transaction, actor: audit.Actor, stored: Row, version: int) -> None:
    """Moves a client to the trash. Refused while a policy is live or waits for papers."""
    client_id = stored["client_id"]
    if queries.has_open_policies(client_id):
        raise Refused(f"{stored['name']} has live or pending policies. Cancel or move them, then delete the client.")
    _mark_client(tx, actor, stored, version, "delete", now())


def restore_client(tx: Transaction, actor: audit.Actor, stored: Row, version: int) -> None:
    """Takes a client out of the trash as it was."""
    _mark_client(tx, actor, stored, version, "restore", None)


def add_member(tx: Transaction, actor: audit.Actor, client_id: str, data: MemberInput) -> int:
    """Adds somebody to a client's family or staff and answers the member's id."""
    member_id = new_id("members")
    values = data.model_dump(exclude=NOT_COLUMNS)
    by = {"created_by": actor.user_id, "updated_by": actor.user_id}
    stored = sealing.sealed_row("members", values)
    tx.insert("members", {"member_id": member_id, "client_id": client_id, **stored, **by})
    audit.record(tx, actor, "add", "member", member_id, client_id=client_id, after=values)
    return member_id


def change_member(tx: Transaction, actor: audit.Actor, stored: Row, data: MemberInput) -> None:
    """Writes every field as entered, empty ones too. Conflict when somebody else saved since `data.version`."""
    _write_member(tx, actor, stored, data.version or 0, "change", data.model_dump(exclude=NOT_COLUMNS))


def remove_member(tx: Transaction, actor: audit.Actor, stored: Row, version: int) -> None:
    """Takes somebody off a client's members. Refused while a policy that names them is live or waits for papers."""
    if queries.is_covered(stored["member_id"]):
        raise Refused(f"{stored['name']} is named on a live or pending policy. Name somebody else there first.")
    _write_member(tx, actor, stored, version, "delete", {"deleted_at": now()})


def restore_member(tx: Transaction, actor: audit.Actor, stored: Row, version: int) -> None:
    """Puts a removed member back."""
    _write_member(tx, actor, stored, version, "restore", {"deleted_at": None})


def lookalikes(data: ClientInput, *, stored: Row | None = None) -> list[Lookalike]:
    """Known clients with the same phone, e-mail or PAN, or nearly the same name in the same city.

    For a stored client only what is being changed is looked at: who was told once is not told at every edit.
    Those that the colleague has already called somebody else (`data.same_as_known`) are left out.
    """
    looked_at = {name: value for name, value in _columns(data).items() if stored is None or value != stored[name]}
    exact, by_name = _exact_ways(looked_at), _way_by_name(data, looked_at)
    found = queries.who_may_be_meant(exact, by_name, but_not=stored["client_id"] if stored else None)
    known = set((data.same_as_known or "").split(","))
    alike = [Lookalike(row["client_id"], row["name"], _shared(data, looked_at, row)) for row in found]
    return [client for client in alike if client.shared and client.client_id not in known]


def _columns(data: ClientInput) -> Row:
    return data.model_dump(exclude=NOT_COLUMNS)


def _mark_client(tx: Transaction, actor: audit.Actor, stored: Row, version: int, action: str, deleted_at: Any) -> None:
    client_id = stored["client_id"]
    tx.update(
        "clients",
        {"deleted_at": deleted_at, "updated_by": actor.user_id},
        filters={"client_id_eq": client_id, "version_eq": version},
        expect=1,
    )
    audit.record(
        tx,
        actor,
        action,
        "client",
        client_id,
        client_id=client_id,
        before={"deleted_at": stored["deleted_at"]},
        after={"deleted_at": deleted_at},
    )


def _write_member(tx: Transaction, actor: audit.Actor, stored: Row, version: int, action: str, values: Row) -> None:
    member_id = stored["member_id"]
    tx.update(
        "members",
        {**sealing.sealed_row("members", values), "updated_by": actor.user_id},
        filters={"member_id_eq": member_id, "version_eq": version},
        expect=1,
    )
    audit.record(tx, actor, action, "member", member_id, client_id=stored["client_id"], before=stored, after=values)


def _exact_ways(looked_at: Row) -> list[Row]:
    phones = [number for number in (looked_at.get("phone"), looked_at.get("other_phone")) if number]
    ways: list[Row] = [{"phone_in": phones}, {"other_phone_in": phones}] if phones else []
    if email := looked_at.get("email"):
        ways.append({"email_eq": email})
    if pan := looked_at.get("pan"):   # under each key, and where it waits for being sealed
        ways += [{"pan_index_in": sealing.indexes(pan, "pan")}, {"pan_eq": pan}]
    return ways


def _way_by_name(data: ClientInput, looked_at: Row) -> Row | None:
    beginnings = _beginnings(data.name)
    if not beginnings or not ("name" in looked_at or "city" in looked_at):
        return None
    return {"city_eq" if data.city else "city_is": data.city, "search_fts": beginnings}


def _beginnings(name: str) -> str:
    """A query for clients that have a word with the first three letters of any of the name's words."""
    words = [word for word in WORD_BREAKS.split(name.lower()) if len(word) >= 3]
    return " | ".join(f"'{word[:3]}':*" for word in words[:6])


def _shared(data: ClientInput, looked_at: Row, row: Row) -> tuple[str, ...]:
    theirs = {row["phone"], row["other_phone"]} - {None}
    reasons = []
    if theirs & {looked_at.get("phone"), looked_at.get("other_phone")}:
        reasons.append("this phone")
    reasons += [
        f"this {word}"
        for column, word in (("email", "e-mail address"), ("pan", "PAN"))
        if looked_at.get(column) and looked_at[column] == row[column]
    ]
    if "name" in looked_at and row["city"] == data.city and _alike(data.name, row["name"]):
        reasons.append("nearly this name in " + data.city if data.city else "nearly this name")
    return tuple(reasons)


def _alike(one: str, other: str) -> bool:
    first, second = (" ".join(sorted(WORD_BREAKS.split(name.lower()))) for name in (one, other))
    return SequenceMatcher(None, first, second).ratio() >= NAMES_ARE_ALIKE
