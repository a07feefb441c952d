"""Tasks and jobs in the background: how they stand, and a stream of events while they are at work."""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response

from database_pool import DatabaseError
from portal.api.operations import EVENTS, Operation
from portal.api.records import BATCH, TASK
from portal.api.shapes import plain
from portal.api.views.routes import Asked, operation, record
from portal.errors import PortalError
from portal.jobs import queries
from portal.web import not_found
from task_queue import task_queue

Row = dict[str, Any]
TAG = "Work"
LOOK_EVERY = 1.0  # seconds
HEARTBEAT = 15.0  # seconds without news, after which a proxy might take the line for dead
LONGEST_STREAM = 900.0  # seconds; a browser then connects again by itself
TASK_ENDS = frozenset({"done", "dead", "cancelled"})


@operation(Operation(
    "show_task", "GET", "/tasks/<int:task_id>", "", "State, attempts, error and result of one task", TAG,
    TASK))  # fmt: skip
def show_task(asked: Asked, task_id: int) -> Response:
    return record(asked.operation, _task(task_id))


@operation(Operation(
    "watch_task", "GET", "/tasks/<int:task_id>/events", "",
    "The same as server-sent events: `progress` whenever it changes, `done` at its end", TAG,
    gives=EVENTS))  # fmt: skip
def watch_task(asked: Asked, task_id: int) -> Response:
    _task(task_id)
    return _stream(lambda: _plain_task(_task(task_id)), lambda told: told["state"] in TASK_ENDS)


@operation(Operation(
    "show_batch", "GET", "/batches/<batch_id>", "",
    "How a job stands, the tasks of it that failed (100 at most) and the records it left out", TAG, BATCH))  # fmt: skip
def show_batch(asked: Asked, batch_id: str) -> Response:
    told = _batch(batch_id)
    failed = queries.failed_of(batch_id) if told["failed"] else []
    told |= {"failures": [_plain_task(_told_task(row)) for row in failed], "skipped": queries.skipped_of(batch_id)}
    return record(asked.operation, told)


@operation(Operation(
    "watch_batch", "GET", "/batches/<batch_id>/events", "",
    "How a job stands as server-sent events: `progress` whenever it changes, `done` at its end", TAG,
    gives=EVENTS))  # fmt: skip
def watch_batch(asked: Asked, batch_id: str) -> Response:
    _batch(batch_id)
    return _stream(lambda: BATCH.seen_by(_batch(batch_id), ()), lambda told: told["state"] in queries.FINISHED)


def _task(task_id: int) -> Row:
    row = queries.task(task_id) if 0 < task_id < 2**63 else None
    return _told_task(row or not_found("There is no such task. Finished tasks are kept for a week."))


def _told_task(row: Row) -> Row:
    return {**row, "error": row["last_error"]}


def _plain_task(row: Row) -> Row:
    return TASK.seen_by(row, ())


def _batch(batch_id: str) -> Row:
    job = queries.job(batch_id) if re.fullmatch(r"[0-9a-zA-Z_-]{1,64}", batch_id) else None
    return job or not_found("There is no such job. Jobs are kept for 90 days.")


def _stream(look: Callable[[], Row], is_over: Callable[[Row], bool]) -> Response:
    answer = Response(_events(look, is_over), mimetype=EVENTS)
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
            yield f"event: {'done' if over else 'progress'}\ndata: {json.dumps(plain(told))}\n\n"
        elif time.monotonic() - heard_at > HEARTBEAT:
            heard_at = time.monotonic()
            yield ": still here\n\n"
        if over:
            return
        time.sleep(LOOK_EVERY)
