"""Bulk jobs: one task per record, watched, paused and stopped together; and what failed for good."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from database_pool import Transaction, call_function
from portal import audit
from portal.audit import Actor
from portal.errors import NotFound, Refused
from portal.formats import midnight, today
from portal.jobs import queries
from portal.staff.queries import colleague
from portal.staff.service import permissions_of
from task_queue import enqueue_many

# What a wish makes of a job's stored state, and from which states a colleague may have it.
WISHES: Mapping[str, tuple[str, frozenset[str]]] = {
    "pause": ("paused", frozenset({"queued", "running"})),
    "resume": ("active", frozenset({"paused", "pausing"})),
    "stop": ("stopped", frozenset({"queued", "running", "paused", "pausing"})),
}
NO_RIGHT = "Who started this job may not send to clients any more, so it was stopped."
PAST = {"pause": "paused", "resume": "resumed", "stop": "stopped"}


@dataclass(frozen=True)
class JobItem:
    """One record of a job: what its task gets, and how the page of the job calls it."""

    record_type: str
    record_id: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None


@dataclass(frozen=True)
class Skipped:
    """A record that the job leaves out, and the sentence why."""

    record_type: str
    record_id: str
    reason: str
    label: str | None = None


def start_job(
    tx: Transaction,
    actor: Actor,
    *,
    kind: str,
    title: str,
    task: str,
    items: Sequence[JobItem],
    skipped: Sequence[Skipped] = (),
    key: str | None = None,
    priority: int | None = None,
    most_a_day: int | None = None,
) -> str:
    """Adds a job with one task per item to the transaction and answers its id, for /jobs/<batch_id>.

    `key` (the token of the preview) makes it once: the same key again answers the same job and adds nothing, whoever
    comes second. A record comes once in a job. `kind` is the name of the action ("renewals.remind"), `title` what the
    colleague reads. Raises Refused when this colleague's jobs of the kind would have more than `most_a_day` records
    today.
    """
    batch_id = hashlib.sha256(f"job {key}".encode()).hexdigest()[:16] if key else secrets.token_hex(8)
    if key and queries.exists(batch_id):
        return batch_id
    once = list({(item.record_type, item.record_id): item for item in items}.values())
    if most_a_day is not None:
        _check_the_day(actor, kind, len(once), most_a_day)
    # Of two requests with one key the second waits here for the first, and then finds its tasks.
    tx.upsert("batches", {
        "batch_id": batch_id, "kind": kind, "title": title, "total": len(once), "owner_id": actor.user_id, "key": key,
        "skipped": [asdict(record) for record in skipped],
    }, on_conflict="batch_id")
    enqueue_many(
        tx, task, [item.payload for item in once], batch_id=batch_id, priority=priority,
        records=[(item.record_type, item.record_id, item.label) for item in once])
    audit.record(tx, actor, "started", "job", batch_id,
                 after={"title": title, "records": len(once), "skipped": len(skipped)})
    return batch_id


def starter_of(batch_id: str | None, right: str) -> Actor | None:
    """The colleague who started the job, for its tasks to act as; the portal where nobody did; None when they have lost
    the right since: then the task stops the job and fails with NO_RIGHT.
    """
    owner = queries.owner_of(batch_id) if batch_id else None
    if owner is None:
        return audit.THE_PORTAL
    who = colleague(owner)
    if who is None or not who["is_active"] or right not in permissions_of(who["role"]):
        return None
    return Actor(user_id=who["user_id"])


def steer(tx: Transaction, actor: Actor, batch_id: str, wish: str) -> None:
    """Pauses, resumes or stops a job: what runs ends, what waits follows. Raises Refused where it makes no sense."""
    job = queries.job(batch_id)
    if job is None:
        raise NotFound("There is no such job. Jobs are kept for 90 days.")
    if wish not in WISHES or job["state"] not in WISHES[wish][1]:
        raise Refused(f"This job is {job['state']}, so there is nothing to {wish if wish in WISHES else 'do'}.")
    tx.update("batches", {"state": WISHES[wish][0]}, filters={"batch_id_eq": batch_id}, expect=1)
    audit.record(tx, actor, PAST[wish], "job", batch_id)


def send_again(actor: Actor, **which: Any) -> int:
    """Queues dead tasks anew, with all their attempts: task_ids=[...], batch_id=, name= or all=True. How many."""
    return _settle("resend", actor, which)


def drop(actor: Actor, **which: Any) -> int:
    """Gives dead tasks up for good: task_ids=[...], batch_id=, name= or all=True. How many."""
    return _settle("drop", actor, which)


def pause_name(tx: Transaction, actor: Actor, name: str) -> None:
    """From now on nobody begins a task of that name; what runs ends. Every process obeys within seconds."""
    tx.upsert("task_pauses", {"name": name, "paused_by": actor.user_id}, on_conflict="name")
    audit.record(tx, actor, "paused", "task name", name)


def resume_name(tx: Transaction, actor: Actor, name: str) -> None:
    """Tasks of that name run again."""
    tx.delete("task_pauses", filters={"name_eq": name})
    audit.record(tx, actor, "resumed", "task name", name)


def _check_the_day(actor: Actor, kind: str, records: int, most: int) -> None:
    left = max(0, most - queries.records_asked(actor.user_id, kind, midnight(today())))
    if records > left:
        raise Refused(
            f"One colleague may do this for {most} records a day, and {left} of them are left today; these are "
            f"{records}. Choose fewer, or ask an administrator to raise BULK_RECORDS_PER_DAY."
        )


def _settle(wish: str, actor: Actor, which: Mapping[str, Any]) -> int:
    doer = json.dumps({"user_id": actor.user_id, "request_id": actor.request_id, "ip": actor.ip})
    parameters = {"wish": wish, "wanted": json.dumps(which), "doer": doer}
    return int(call_function("settle_dead_tasks", parameters))
