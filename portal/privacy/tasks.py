"""What is done for privacy without anybody waiting: sealing, copies, erasures, and forgetting what is over."""

from datetime import timedelta
from typing import Any

import config
from database_pool import transaction
from portal.formats import now
from portal.privacy import copies, queries, service
from portal.privacy.keys import seal_everything
from task_queue import enqueue, schedule, task

COPY_KEPT = timedelta(days=1)


@task("privacy.seal_data", priority=3, lease=600.0)
def seal_data() -> dict[str, Any]:
    """Seals with the first key what is still open or sealed with another one; usually nothing."""
    return seal_everything()


@task("privacy.prune_reads", priority=3)
def prune_reads() -> dict[str, Any]:
    """Removes reads older than READS_KEEP_DAYS."""
    with transaction() as tx:
        tx.delete("reads", filters={"read_at_lt": now() - timedelta(days=config.settings().reads_keep_days)})
    return {}


@task("privacy.export", lease=300.0)
def export(request_id: int) -> dict[str, Any]:
    """Makes a copy of a client's data. Twice is once: a finished one is left alone."""
    made = service.make_copy(request_id)
    if made is None:
        return {"made": False}
    with transaction() as tx:
        tx.update("person_requests", made, filters={"request_id_eq": request_id, "state_eq": "waiting"})
    return {"made": made["state"] == "done", "bytes": made.get("file_size", 0)}


@task("privacy.erase", lease=300.0)
def erase(request_id: int) -> dict[str, Any]:
    """Erases a person. Killed between any two steps, it goes on from what is left."""
    return service.erase(request_id)


@task("privacy.review", priority=3)
def review() -> dict[str, Any]:
    """Removes copies after a day, and goes on with erasures of which a law kept something whose time is over."""
    over, due = queries.over("export", now() - COPY_KEPT), queries.to_review()
    for row in over:
        copies.remove(row["request_id"])
    with transaction() as tx:
        if over:
            tx.update(
                "person_requests",
                {"state": "gone", "file_key": None},
                filters={"request_id_in": [row["request_id"] for row in over]},
            )
        for row in due:
            tx.update(
                "person_requests",
                {"state": "waiting"},
                filters={"request_id_eq": row["request_id"], "state_eq": "kept"},
            )
            enqueue(tx, "privacy.erase", request_id=row["request_id"], unique_key=f"privacy.erase {row['request_id']}")
    return {"copies_removed": len(over), "erasures_continued": len(due)}


schedule("privacy.review", every=3600)
schedule("privacy.prune_reads", daily_at="03:50")
schedule("privacy.seal_data", every=6 * 3600)
