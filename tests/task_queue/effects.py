"""A task that has its effect the way a real one does, for worker processes and for the portal's own."""

import time
from typing import Any

import database_pool
import task_queue


@task_queue.task("tests.work")
def work(record_id: int, seconds: float = 0.0) -> None:
    """Takes its time, then moves the record from waiting to done and writes one line into the ledger, together."""
    found = database_pool.execute_query("test_records", filters={"record_id_eq": record_id}).data[0]
    if found["state"] == "done":
        return
    time.sleep(seconds)
    with database_pool.transaction() as tx:
        still_waiting = {"record_id_eq": record_id, "state_eq": "waiting"}
        tx.update("test_records", {"state": "done"}, filters=still_waiting, expect=1)
        tx.insert("test_ledger", {"record_id": record_id})


@task_queue.task("tests.note_run", limit=4)
def note_run(record_id: int, seconds: float = 0.0) -> dict[str, Any]:
    """Writes a line into the ledger each time that it begins, then takes its time. Four at once in a process."""
    with database_pool.transaction() as tx:
        tx.insert("test_ledger", {"record_id": record_id})
    time.sleep(seconds)
    return {"slept": seconds}
