"""Emptying the trash: every night one task for each record whose 30 days are over, so that one failure stays alone."""

from typing import Any

from database_pool import BusinessRule, Conflict, transaction
from portal.trash import queries, service
from task_queue import enqueue_many, schedule, task


@task("trash.purge", priority=3)
def purge() -> dict[str, Any]:
    """Asks for the erasing of everything that is due."""
    due = queries.due()
    with transaction() as tx:
        enqueue_many(tx, "trash.erase", [{"kind": row["kind"], "record_id": row["record_id"]} for row in due],
                     unique_keys=[f"trash.erase {row['entry']}" for row in due])  # fmt: skip
    return {"asked_for": len(due)}


@task("trash.erase", priority=3)
def erase(kind: str, record_id: str) -> dict[str, Any]:
    """Erases one record, if it is still due. Twice is once: what is gone is not due any more."""
    if not queries.is_due(kind, record_id):
        return {"erased": False}
    try:
        with transaction() as tx:
            service.purge(tx, kind, record_id)
    except (Conflict, BusinessRule):   # restored, erased or held since
        return {"erased": False}
    return {"erased": True}


schedule("trash.purge", daily_at="03:30")
