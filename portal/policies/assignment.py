"""Whose policies they are: many given to an agent at once."""

from typing import Any

from database_pool import Transaction
from portal import audit
from portal.errors import Refused
from portal.lists.queries import MOST_AT_ONCE
from portal.lists.service import TOO_MANY

Row = dict[str, Any]


def assign_agent(tx: Transaction, actor: audit.Actor, rows: list[Row], agent_id: int | None) -> int:
    """Gives policies (rows with policy_id, client_id and agent_id) an agent, and answers how many that changes.

    Raises Refused for more than may change at once. The end of `tx` raises ReferenceMissing for an unknown agent.
    """
    if len(rows) > MOST_AT_ONCE:
        raise Refused(TOO_MANY)
    changing = [row for row in rows if row["agent_id"] != agent_id]
    if changing:
        values: Row = {"agent_id": agent_id, "updated_by": actor.user_id}
        tx.update("policies", values, filters={"policy_id_in": [row["policy_id"] for row in changing]})
    for row in changing:
        after = {"agent_id": agent_id}
        audit.record(
            tx, actor, "change", "policy", row["policy_id"], client_id=row["client_id"], before=row, after=after
        )
    return len(changing)
