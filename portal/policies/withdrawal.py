"""Taking back an endorsement that was noted by mistake: the term has again what it had before."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from database_pool import Transaction
from portal import audit
from portal.errors import Refused
from portal.policies.endorsement import ENDORSABLE, NEVER_NULL, OF_POLICY, PERSON_KEPT
from portal.policies.queries import DETAILS

Row = dict[str, Any]
AMOUNTS = frozenset({"sum_insured", "floater_sum_insured", "insured_declared_value", *NEVER_NULL})
CHANGED_SINCE = "What this endorsement changed was changed again since. Take back the later endorsement first."


def withdraw(
    tx: Transaction, actor: audit.Actor, stored: Row, entry: Mapping[str, Any], version: int, *, at: datetime
) -> None:
    """Takes back one endorsement (`entry` of the ledger). Conflict when term or endorsement changed meanwhile.

    Raises Refused where the term has by now something else than what the endorsement gave it: whoever takes it back
    would change more than the endorsement did.
    """
    if entry["sort"] == "cancellation":
        raise Refused("Open the policy again: that takes its cancellation back.")
    if stored["state"] not in ENDORSABLE:
        raise Refused(f"A policy that is {stored['state']} cannot be changed by its endorsements.")
    before, after = entry["before"], entry["after"]
    values = {name for name in after if not name.startswith("person_")}
    if any(stored.get(name) != _value(name, after[name]) for name in values):
        raise Refused(CHANGED_SINCE)
    _put_back(tx, actor, stored, {name: _value(name, before[name]) for name in values}, version)
    _put_persons_back(tx, stored, before, after)
    tx.update(
        "endorsements", {"withdrawn_at": at}, expect=1,
        filters={"endorsement_id_eq": entry["entry_id"], "withdrawn_at_is": None},
    )  # fmt: skip
    audit.record(
        tx, actor, "withdraw", "policy", stored["policy_id"], client_id=stored["client_id"],
        before={**dict.fromkeys(after), **after, "endorsement": f"{entry['sort']} {entry['reference'] or ''}".strip()},
        after={**{name: before.get(name) for name in after}, "endorsement": None},
    )  # fmt: skip


def _value(name: str, kept: Any) -> Any:
    return Decimal(kept) if name in AMOUNTS and kept is not None else kept


def _put_back(tx: Transaction, actor: audit.Actor, stored: Row, values: Row, version: int) -> None:
    on_policy = {name: value for name, value in values.items() if name in OF_POLICY}
    tx.update(
        "policies", {**on_policy, "updated_by": actor.user_id}, expect=1,
        filters={"policy_id_eq": stored["policy_id"], "version_eq": version, "state_in": list(ENDORSABLE),
                 "deleted_at_is": None},
    )  # fmt: skip
    on_details = {name: value for name, value in values.items() if name not in OF_POLICY}
    if on_details:
        table = DETAILS[stored["line"]][0]
        tx.update(table, on_details, filters={"policy_id_eq": stored["policy_id"]}, expect=1)


def _put_persons_back(tx: Transaction, stored: Row, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    if "person_added" in after:
        tx.delete("insured_persons", filters=_one_called(stored, after["person_added"]), expect=1)
    elif "person_name" in after:
        again = {"name": before["person_name"]}
        tx.update("insured_persons", again, filters=_one_called(stored, after["person_name"]), expect=1)
    elif "person_removed" in after:
        row = {name: _amount(name, before["person"][name]) for name in PERSON_KEPT}
        tx.insert("insured_persons", {"policy_id": stored["policy_id"], **row})


def _amount(name: str, kept: Any) -> Any:
    return kept if kept is None or name in ("name", "member_id") else Decimal(kept)


def _one_called(stored: Row, name: str) -> Row:
    """The insured person of that name who came last. Refused when nobody is called so any more."""
    found = [person["insured_person_id"] for person in stored.get("persons", []) if person["name"] == name]
    if not found:
        raise Refused(CHANGED_SINCE)
    return {"policy_id_eq": stored["policy_id"], "insured_person_id_eq": max(found)}
