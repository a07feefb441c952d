"""Jobs and tasks for programs: JSON, and a stream of events while they are at work."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, jsonify

from database_pool import DatabaseError
from portal.errors import PortalError
from portal.jobs import queries
from portal.jobs.views.routes import Row, blueprint, named_job
from portal.web import not_found, signed_in
from task_queue import task_queue

LOOK_EVERY = 1.0  # seconds
HEARTBEAT = 15.0  # seconds without news, after which a proxy might take the line for dead
LONGEST_STREAM = 900.0  # seconds; a browser then connects again by itself
TASK_ENDS = frozenset({"done", "dead", "cancelled"})


@blueprint.get("/api/tasks/<int:task_id>")
@signed_in
def task(task_id: int) -> Response:
    """State, attempts, error and result of one task."""
    return jsonify(_task(task_id))


@blueprint.get("/api/tasks/<int:task_id>/events")
@signed_in
def task_events(task_id: int) -> Response:
    """The same as server-sent events: `progress` whenever it changes, `done` at its end."""
    _task(task_id)
    return _stream(lambda: _task(task_id), lambda told: told["state"] in TASK_ENDS)


@blueprint.get("/api/batches/<batch_id>")
@signed_in
def batch(batch_id: str) -> Response:
    """How a job stands, the tasks of it that failed (100 at most) and the records it left out."""
    told = _batch(batch_id)
    failed = [_plain_task(row) for row in queries.failed_of(batch_id)] if told["failed"] else []
    return jsonify({**told, "failures": failed, "skipped": queries.skipped_of(batch_id)})


@blueprint.get("/api/batches/<batch_id>/events")
@signed_in
def batch_events(batch_id: str) -> Response:
    """How a job stands as server-sent events: `progress` whenever it changes, `done` at its end."""
    _batch(batch_id)
    return _stream(lambda: _batch(batch_id), lambda told: told["state"] in queries.FINISHED)


def _task(task_id: int) -> Row:
    row = queries.task(task_id) if 0 < task_id < 2**63 else None
    if row is None:
        not_found("There is no such task. Finished tasks are kept for a week.")
    return _plain_task(row)


def _plain_task(row: Row) -> Row:
    wanted = ("task_id", "name", "state", "attempts", "max_attempts", "result", "batch_id", "record_type", "record_id")
    moments = ("created_at", "run_at", "started_at", "finished_at")
    times = {name: row[name].isoformat() if row[name] else None for name in moments}
    return {**{name: row[name] for name in wanted}, "error": row["last_error"], **times}


def _batch(batch_id: str) -> Row:
    job = named_job(batch_id)
    counts = ("total", "waiting", "running", "done", "failed", "cancelled")
    return {
        **{name: job[name] for name in ("batch_id", "kind", "title", "state", *counts)},
        "skipped_count": job["skipped_count"],
        "created_at": job["created_at"].isoformat(),
    }


def _stream(look: Callable[[], Row], is_over: Callable[[Row], bool]) -> Response:
    answer = Response(_events(look, is_over), mimetype="text/event-stream")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep the events until the end
    return answer


def _events(look: Callable[[], Row], is_over: Callable[[Row], bool]) -> Iterator[str]:
    """Looks once a second, holds nothing between two looks, and ends with the work or when this process leaves."""
    began = heard_at = time.monotonic()
    before: Any = None
    yield "retry: 2000\n\n"
    while time.monotonic() - began < LONGEST_STREAM and not task_queue.leaving:
        try:
            told = look()
        except PortalError:  # pruned meanwhile
            return
        except DatabaseError:
            time.sleep(LOOK_EVERY)
            continue
        over = is_over(told)
        if told != before:
            before, heard_at = told, time.monotonic()
            yield f"event: {'done' if over else 'progress'}\ndata: {json.dumps(told, default=str)}\n\n"
        elif time.monotonic() - heard_at > HEARTBEAT:
            heard_at = time.monotonic()
            yield ": still here\n\n"
        if over:
            return
        time.sleep(LOOK_EVERY)
