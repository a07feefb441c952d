"""Failures that a provider reported after it had taken a message: what each means, and what follows."""

from typing import Any

from database_pool import transaction
from portal.formats import now
from portal.gateways.channels import gateway_for
from portal.outbox import queries
from portal.outbox.service import task_key
from portal.outbox.tasks import outcomes
from task_queue import enqueue, task


@task("outbox.judge", priority=2, attempts=8)
def judge(message_id: int) -> dict[str, Any] | None:
    """Sends a message again that failed for a while, or as a template after the 24 hours, or says why it is over."""
    message = queries.message(message_id)
    if message is None or message["state"] != "failed" or message["settled"]:
        return None
    code = message["error_code"] or ""
    verdict = gateway_for(message["channel"]).judge(code)
    guard = {"message_id_eq": message_id, "state_eq": "failed", "settled_eq": False}
    with transaction() as tx:
        change = outcomes.judged(tx, message, verdict, code)
        # A rival that was faster leaves no row to meet; then nothing of this happens, the new task included.
        tx.update("messages", {**change, "state_at": now()}, filters=guard, expect=1)
        outcomes.note(tx, message_id, "judged", attempt=message["attempts"], code=code, detail=change["reason"])
        if change["state"] == "queued":
            enqueue(tx, "outbox.deliver", message_id=message_id, priority=message["priority"],
                    run_at=change["not_before"], unique_key=task_key(message_id))  # fmt: skip
    return {"state": change["state"], "kind": verdict.kind.value}
