"""Questions about bulk jobs, their tasks, and tasks that failed for good."""

from datetime import datetime
from typing import Any

from database_pool import execute_query
from portal.paging import Listing, Page, Sort, read_page

Row = dict[str, Any]

JOBS = (Sort("newest", "created_at", "batch_id", kind="time", descending=True),)
LETTERS = (
    Sort("failed", "finished_at", "task_id", kind="time", key_kind="whole", nullable=True, descending=True),
    Sort("task", "name", "task_id", key_kind="whole"),
)
FINISHED = frozenset({"done", "stopped"})
MOST_FAILED_SHOWN = 100
_TASK = (
    "task_id, name, state, attempts, max_attempts, last_error, result, batch_id, record_type, record_id, label, "
    "run_at, created_at, started_at, finished_at"
)


def page_of_jobs(wanted: Listing, owner_id: int | None) -> Page:
    """One page of the jobs, of one colleague or of all, newest first."""
    filters = {} if owner_id is None else {"owner_id_eq": owner_id}
    return read_page("batch_progress", wanted, filters=filters, count=False)


def exists(batch_id: str) -> bool:
    """Whether there is such a job."""
    return bool(execute_query("batches", columns="batch_id", filters={"batch_id_eq": batch_id}).data)


def job(batch_id: str) -> Row | None:
    """How a job stands: its title, owner, state and counts; None when there is none."""
    found = execute_query("batch_progress", filters={"batch_id_eq": batch_id}).data
    return found[0] if found else None


def owner_of(batch_id: str) -> int | None:
    """Who started a job; None where nobody did, or there is no such job. Each of its tasks asks, so nothing is counted.
    """
    found = execute_query("batches", columns="owner_id", filters={"batch_id_eq": batch_id}).data
    return found[0]["owner_id"] if found else None


def records_asked(user_id: int | None, kind: str, since: datetime) -> int:
    """How many records a colleague's jobs of one kind have had since a moment."""
    if user_id is None:
        return 0
    filters = {"owner_id_eq": user_id, "kind_eq": kind, "created_at_gte": since}
    rows = execute_query("batches", columns="total", filters=filters).data
    return sum(row["total"] for row in rows)


def skipped_of(batch_id: str) -> list[Row]:
    """The records that a job left out, each with its reason."""
    found = execute_query("batches", columns="skipped", filters={"batch_id_eq": batch_id}).data
    return list(found[0]["skipped"]) if found else []


def failed_of(batch_id: str) -> list[Row]:
    """The tasks of a job that failed for good, the first hundred."""
    filters = {"batch_id_eq": batch_id, "state_eq": "dead"}
    return execute_query("tasks", columns=_TASK, filters=filters, order="task_id", limit=MOST_FAILED_SHOWN).data


def messages_of(batch_id: str) -> list[Row]:
    """How many messages of a job are in each `state`: `messages`."""
    return execute_query("batch_messages", columns="state, messages", filters={"batch_id_eq": batch_id},
                         order="state", limit=20).data


def running_jobs_of(user_id: int) -> int:
    """How many jobs of a colleague are at work."""
    filters = {"owner_id_eq": user_id, "state_in": ["queued", "running"]}
    return len(execute_query("batch_progress", columns="batch_id", filters=filters, limit=100).data)


def task(task_id: int) -> Row | None:
    """One task, without its payload; None when there is none (any more)."""
    found = execute_query("tasks", columns=_TASK, filters={"task_id_eq": task_id}).data
    return found[0] if found else None


def page_of_dead_letters(wanted: Listing, name: str) -> Page:
    """One page of the tasks that failed for good, of one name or of all."""
    return read_page("dead_letters", wanted, filters={"name_eq": name} if name else {})


def paused_names() -> dict[str, Row]:
    """The names of tasks that are paused, with who paused them and when."""
    return {row["name"]: row for row in execute_query("task_pauses", order="name", limit=500).data}
