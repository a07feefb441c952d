"""The rules of the renewal desk: where a renewal stands, and the ladder of its reminders."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from database_pool import Transaction, new_id
from portal import audit
from portal.errors import Refused
from portal.renewals.inputs import RenewalInput, StepEndInput, StepInput

Row = dict[str, Any]
NOTED = ("stage", "owner_id", "quoted_premium", "snoozed_until", "note")


def change_renewal(tx: Transaction, actor: audit.Actor, stored: Row, data: RenewalInput) -> None:
    """Notes where a renewal stands. Conflict (or Duplicate) when somebody else noted something since `data.version`.

    A premium that is quoted for the first time moves the renewal to "quoted" by itself.
    """
    values = data.model_dump(exclude={"version"})
    if data.quoted_premium is not None and stored["quoted_premium"] is None and data.stage in ("due", "contacted"):
        values["stage"] = "quoted"
    _write(tx, actor, stored, values, data.version)


def assign(tx: Transaction, actor: audit.Actor, rows: Sequence[Row], owner_id: int | None) -> None:
    """Gives several renewals to one colleague, or to nobody; everything else about them stays as it is."""
    changed = [row for row in rows if row["owner_id"] != owner_id]
    if not changed:
        return
    tx.upsert(
        "renewals",
        [{"policy_id": row["policy_id"], "owner_id": owner_id, "updated_by": actor.user_id} for row in changed],
        on_conflict="policy_id",
    )
    for row in changed:
        before, after = {"owner_id": row["owner_id"]}, {"owner_id": owner_id}
        audit.record(tx, actor, "assign", "renewal", row["policy_id"], client_id=row["client_id"], before=before,
                     after=after)  # fmt: skip


def _write(tx: Transaction, actor: audit.Actor, stored: Row, values: Row, version: int) -> None:
    row = {**values, "updated_by": actor.user_id}
    if version == 0:
        tx.insert("renewals", {"policy_id": stored["policy_id"], **row})
    else:
        tx.update("renewals", row, filters={"policy_id_eq": stored["policy_id"], "version_eq": version}, expect=1)
    before = {name: stored[name] for name in NOTED}
    audit.record(tx, actor, "change", "renewal", stored["policy_id"], client_id=stored["client_id"], before=before,
                 after=values)  # fmt: skip


def add_step(tx: Transaction, actor: audit.Actor, data: StepInput, *, today: date) -> None:
    """Adds a step to the ladder of a line. Duplicate when the line has this step from this day already."""
    if data.valid_from < today:
        raise Refused("A step can begin today or later: reminders of the past cannot be sent.", field="valid_from")
    step_id = new_id("reminder_steps")
    values = {**data.model_dump(), "source": "added by the office"}
    tx.insert("reminder_steps", {"reminder_step_id": step_id, **values})
    audit.record(tx, actor, "add", "reminder step", step_id, after=values)


def end_step(tx: Transaction, actor: audit.Actor, stored: Row, data: StepEndInput) -> None:
    """Sets the last day of a step. Conflict when somebody changed it since `data.version`."""
    if data.valid_to < stored["valid_from"]:
        raise Refused("The step would end before it begins. Please check the day.", field="valid_to")
    values = {"valid_to": data.valid_to}
    tx.update(
        "reminder_steps",
        values,
        filters={"reminder_step_id_eq": stored["reminder_step_id"], "version_eq": data.version},
        expect=1,
    )
    audit.record(tx, actor, "change", "reminder step", stored["reminder_step_id"], before=stored, after=values)
