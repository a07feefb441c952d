"""What a pending policy waits for, and who looks after it."""

from typing import Any

from database_pool import Transaction
from portal import audit
from portal.policies.inputs import ArrivalInput

Row = dict[str, Any]


def receive(tx: Transaction, actor: audit.Actor, stored: Row, data: ArrivalInput) -> str:
    """Takes one thing off the list of what a pending policy waits for; answers a sentence. Conflict as everywhere."""
    left = [thing for thing in stored["waiting_for"] if thing != data.thing]
    tx.update(
        "policies",
        {"waiting_for": left, "updated_by": actor.user_id},
        filters={
            "policy_id_eq": stored["policy_id"],
            "version_eq": data.version,
            "state_eq": "pending",
            "deleted_at_is": None,
        },
        expect=1,
    )
    audit.record(
        tx, actor, "receive", "policy", stored["policy_id"], client_id=stored["client_id"],
        before={"waiting_for": stored["waiting_for"]}, after={"waiting_for": left},
    )  # fmt: skip
    said = data.thing if data.thing == "KYC" else data.thing.capitalize()
    return f"{said} has arrived." + (f" Still waiting for: {', '.join(left)}." if left else " Nothing else is awaited.")


def take_over(tx: Transaction, actor: audit.Actor, stored: Row, version: int, name: str) -> str:
    """Makes the actor the one who looks after a policy; answers a sentence. Conflict as everywhere."""
    tx.update(
        "policies",
        {"owner_id": actor.user_id, "updated_by": actor.user_id},
        filters={"policy_id_eq": stored["policy_id"], "version_eq": version, "deleted_at_is": None},
        expect=1,
    )
    audit.record(
        tx, actor, "take over", "policy", stored["policy_id"], client_id=stored["client_id"],
        before={"owner_name": stored["owner_name"]}, after={"owner_name": name},
    )  # fmt: skip
    return "You look after this policy now."
