"""Durable tasks: stored with the data they are about, run once by whichever process is free, tried again, never lost.

    @task("outbox.deliver", priority=1)                      # in portal/<area>/tasks.py
    def deliver(message_id: int) -> None: ...

    with transaction() as tx:
        tx.insert("messages", {...})
        enqueue(tx, "outbox.deliver", message_id=7)          # exists exactly if the message does

The row in the table `tasks` is the truth. A task may run twice (a machine dies in between), so its function takes ids,
looks at the state and has its effect once. Importing opens nothing; `task_queue.start()` does.
"""

import datetime as dt
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import database_pool
from config import settings
from database_pool import Transaction, transaction
from infrastructure import task_rules
from infrastructure.gathering import Gathering
from infrastructure.task_pace import Granted, Lines, Turn
from infrastructure.task_rules import (
    HIGH,
    LOW,
    MEDIUM,
    Declaration,
    EndsWith,
    PermanentFailure,
    Postpone,
    Registry,
    RunningTask,
    Schedule,
    TemporaryFailure,
)
from infrastructure.task_store import Claimed, TaskStore
from infrastructure.task_workers import WorkerProcess, run_due

__all__ = [
    "HIGH", "LOW", "MEDIUM", "EndsWith", "Gathering", "PermanentFailure", "Postpone", "RunningTask", "TaskQueue",
    "TemporaryFailure", "Turn", "come_near", "current_task", "drop_dead", "enqueue", "enqueue_many", "known_names",
    "knows", "name_requests_by", "pace", "run_due_tasks", "schedule", "send_email_async", "send_whatsapp_async",
    "take_turn", "task", "task_queue",
]  # fmt: skip

SEND_WHATSAPP, SEND_EMAIL = "outbox.send_whatsapp", "outbox.send_email"
Work = TypeVar("Work", bound=Callable[..., dict[str, Any] | EndsWith | None])

_registry = Registry()
_lines = Lines(lambda *wanted: _store().reserve_turns(*wanted))
_granted = Granted()
_request_id: Callable[[], str | None] = lambda: None  # noqa: E731 - replaced by the web application


def task(
    name: str, *, priority: int = MEDIUM, attempts: int = 5, limit: int | Callable[[], int] | None = None,
    lease: float = 60.0, gives_way: bool = False,
) -> Callable[[Work], Work]:
    """Declares the decorated function as the task `name` (<area>.<verb>). Keyword arguments are its payload, a returned
    dict is stored as its result; see also `EndsWith`.

    `priority` is 1 (high), 2 or 3 (low); `attempts` how often it is tried before it is a dead letter; `limit` how many
    of this name one process runs at once; `lease` (seconds, renewed while it runs) after how long a task whose process
    fell silent is given to another. One that `gives_way` is work by the hundred that nobody waits for: while a crowd
    waits for this process, one of them runs at a time, and rests as long as it took. Raises RuntimeError for a name
    that is declared already.
    """

    def declare(work: Work) -> Work:
        _registry.declare(Declaration(name, work, priority, attempts, limit, lease, gives_way))
        return work

    return declare


def schedule(name: str, *, daily_at: str | None = None, every: float | None = None) -> None:
    """Asks for the task `name` daily at an office time ("09:00") or every so many seconds, once over all processes.

    What was missed because nothing ran is made up for once. While one is queued or running no second one is made.
    """
    _registry.plan(Schedule(name, every, daily_at))


def knows(name: str) -> bool:
    """Whether a task of that name is declared."""
    return name in _registry.declared


def known_names() -> list[str]:
    """The names of all declared tasks, sorted."""
    return _registry.matching(None)


def enqueue(
    tx: Transaction,
    name: str,
    *,
    priority: int | None = None,
    run_at: dt.datetime | None = None,
    unique_key: str | None = None,
    batch_id: str | None = None,
    **payload: Any,
) -> int:
    """Adds a task to the transaction and answers its id; workers learn of it at the commit.

    `run_at` (aware) delays it. While a task with the same `unique_key` is queued or running this one is quietly not
    made: then the id that was answered names no row. Where a worker of this process is idle it begins right there.
    """
    task_id = database_pool.new_id("tasks")
    row = _row(task_id, name, payload, priority, run_at, unique_key, batch_id)
    runner = _runner() if run_at is None and batch_id is None else None
    if runner is not None and runner.reserve(name):
        token = runner.next_token()
        change = tx.insert("tasks", {
            **row, "state": "running", "attempts": 1, "worker_id": runner.worker, "lease_token": token,
        }, alone="store_task")  # fmt: skip
        claimed = _claimed(row, token)
        began = time.monotonic()

        def hand_over(applied: bool) -> None:
            # With the key of an earlier transaction, or a unique key that was taken, the row is not this one.
            if applied and change.rows and change.rows[0]["task_id"] == task_id:
                runner.take_over(claimed, time.monotonic() - began)
                time.sleep(0)  # it begins now, not when this caller next waits for something
            else:
                runner.buffer.release(name)

        tx.when_settled(hand_over)
    else:
        tx.insert("tasks", row, returning=False, alone="store_task")
        tx.when_settled(_wake)
    return task_id


def enqueue_many(
    tx: Transaction,
    name: str,
    payloads: Iterable[Mapping[str, Any]],
    *,
    priority: int | None = None,
    run_at: dt.datetime | None = None,
    batch_id: str | None = None,
    unique_keys: Sequence[str | None] | None = None,
    records: Sequence[tuple[str, str, str | None]] | None = None,
) -> list[int]:
    """Adds one task per payload in one statement and answers their ids in order.

    `records` names what each is about (record type, id, label) for the page of its batch; in one batch each record
    comes once.
    """
    many = list(payloads)
    ids = _new_ids(len(many))
    keys = unique_keys or [None] * len(many)
    rows = [
        _row(task_id, name, payload, priority, run_at, key, batch_id)
        for task_id, payload, key in zip(ids, many, keys, strict=True)
    ]
    for row, record in zip(rows, records or (), strict=records is not None):
        row["record_type"], row["record_id"], row["label"] = record
    if rows:
        tx.insert("tasks", rows, returning=False)
        tx.when_settled(_wake)
    return ids


def drop_dead(tx: Transaction, unique_keys: Sequence[str]) -> None:
    """Dead letters with these keys are none any more: what they are about is asked for anew."""
    tx.update("tasks", {"state": "cancelled"}, filters={"unique_key_in": list(unique_keys), "state_eq": "dead"})


def current_task() -> RunningTask | None:
    """The task that this thread or greenlet runs: task_id, name, attempt (1 for the first), batch_id, request_id."""
    return task_rules.current.get()


def pace(bucket: str, *, per_second: float, burst: int = 1, together: int = 1) -> None:
    """Waits until it is this caller's turn in `bucket`; see `take_turn`.

    Other tasks go on meanwhile. With `together` this process takes so many turns in one trip, for its next callers;
    every caller of the bucket must name the same number, which divides `burst`. Raises Postpone when the process is
    about to stop: the task comes back elsewhere.
    """
    if together > 1 and _granted.use(bucket):
        return
    turn = take_turn(bucket, per_second=per_second / together, burst=burst // together)
    come_near(turn)
    turn.come()
    if together > 1:
        _granted.add(bucket, together - 1, max(1.0, together / per_second))


def take_turn(bucket: str, *, per_second: float, burst: int = 1, late: float | None = None) -> Turn:
    """A place in the line of `bucket`, which all processes share. After a rest `burst` calls go at once, then
    `per_second`, evenly; so one second may see `burst` + `per_second` of them, and `per_second` * `late` of those who
    come a little late: up to `late` seconds, or for a burst's length when that is absent. Callers who come about the
    same time take their places in one trip.
    """
    if per_second <= 0 or burst < 1:
        raise ValueError("a pace needs per_second above 0 and a burst of 1 or more")

    take = partial(_lines.take, bucket, per_second, burst)
    return Turn(take, burst / per_second if late is None else late, _is_leaving)


def come_near(turn: Turn, ahead: float = 0.0) -> None:
    """Waits until `ahead` seconds before a turn. Raises Postpone when the process is about to stop."""
    if not turn.come_near(ahead):
        raise Postpone(after=0)


def run_due_tasks() -> int:
    """Runs everything that is due in this thread until nothing is; how many ended. For tests and commands."""
    return run_due(_store(), _registry)


def name_requests_by(request_id: Callable[[], str | None]) -> None:
    """Tasks stored from now on carry what `request_id()` answers: so the log leads from a request to its tasks."""
    global _request_id  # noqa: PLW0603 - one process, one web application
    _request_id = request_id


def send_whatsapp_async(phone: str, message: str, priority: int = MEDIUM) -> int:
    """Sends a WhatsApp message (`phone` with country code) from a worker; the task's id. Priority 1 high to 3 low."""
    with transaction() as tx:
        return enqueue(tx, SEND_WHATSAPP, priority=priority, phone=phone, message=message)


def send_email_async(email: str, subject: str, body: str, priority: int = MEDIUM) -> int:
    """Sends an e-mail from a worker; the task's id. Priority 1 high to 3 low."""
    with transaction() as tx:
        return enqueue(tx, SEND_EMAIL, priority=priority, email=email, subject=subject, body=body)


class TaskQueue:
    """The part of this process that runs tasks. Made without effect; `start` begins.

    `max_workers` tasks run at once: greenlets where gevent has patched the process, threads elsewhere. Absent:
    TASK_WORKERS.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError("a task queue needs 1 worker or more")
        self._max_workers = max_workers
        self._lock = threading.Lock()
        self._process = 0
        self._runner: WorkerProcess | None = None
        self.leaving = False

    @property
    def max_workers(self) -> int:
        """How many tasks run at once in this process."""
        return settings().task_workers if self._max_workers is None else self._max_workers

    @property
    def runner(self) -> WorkerProcess | None:
        """What runs tasks in this process; None before `start` and after `stop`, and in a process forked off it."""
        return self._runner if self._process == os.getpid() else None

    def start(self, names: Iterable[str] | None = None, is_crowded: Callable[[], bool] = lambda: False) -> bool:
        """Begins to run tasks, those whose names meet a pattern of `names` ("outbox.*") or all; False where
        TASK_WORKERS is 0. Waits for nothing: the database may come later. After a fork, each process starts its own.
        `is_crowded` tells whether people wait for this process (see `task`); it is asked often and must not pause.
        """
        global _started  # noqa: PLW0603 - one process, one place that runs what it stores
        with self._lock:
            if self.max_workers == 0 or self.runner is not None:
                return self.runner is not None
            patterns = None if names is None else tuple(names)
            runner = WorkerProcess(
                _store(), _registry, workers=self.max_workers, patterns=patterns,
                address=lambda: database_pool.default_pool().listening_address(), is_crowded=is_crowded,
            )  # fmt: skip
            self._runner, self._process = runner, os.getpid()
            _started = self
            runner.start()
            return True

    def prepare_to_stop(self) -> None:
        """Takes no new task from now on; `stop` follows. `leaving` is True from here on."""
        self.leaving = True
        if self.runner is not None:
            self.runner.prepare_to_stop()

    def stop(self, timeout: float = 25.0) -> bool:
        """Takes nothing new, hands back what has not begun and waits up to `timeout` seconds for what runs; whether all
        of it ended. What did not is run again by another process once this one is gone.
        """
        runner = self.runner
        if runner is None:
            return True
        ended = runner.stop(timeout)
        self._runner = None
        return ended

    def statistics(self) -> dict[str, Any]:
        """Figures for monitoring: this process's (`process`) and, from the database, those of the whole queue:
        `states`, `names`, `oldest_seconds`, `paused_names`, `processes`, `workers`, `busy`, `per_minute`, `done`,
        `retried`, `failed`.
        """
        runner = self.runner
        mine = {"running": runner is not None, "max_workers": self.max_workers, **(runner.figures() if runner else {})}
        return {"process": mine, **_store().figures()}

    def run_due_tasks(self) -> int:
        """`run_due_tasks` of this module."""
        return run_due_tasks()


task_queue = TaskQueue()
_started = task_queue


def _runner() -> WorkerProcess | None:
    return _started.runner


def _is_leaving() -> bool:
    runner = _runner()
    return runner is not None and runner.stopping and current_task() is not None


def _store() -> TaskStore:
    return TaskStore(database_pool.call_function)


def _row(
    task_id: int,
    name: str,
    payload: Mapping[str, Any],
    priority: int | None,
    run_at: dt.datetime | None,
    unique_key: str | None,
    batch_id: str | None,
) -> dict[str, Any]:
    declared = _registry.declared.get(name)
    chosen = priority or (declared.priority if declared else MEDIUM)
    if chosen not in (HIGH, MEDIUM, LOW):
        raise ValueError(f"the priority is 1 (high), 2 or 3 (low), not {chosen!r}")
    return {
        "task_id": task_id, "name": name, "payload": dict(payload), "priority": chosen,
        "unique_key": unique_key, "batch_id": batch_id,
        "max_attempts": declared.attempts if declared else 5, "lease_seconds": declared.lease if declared else 60.0,
        "request_id": _request_id() or _request_of_current_task(), **({"run_at": run_at} if run_at else {}),
    }  # fmt: skip


def _request_of_current_task() -> str | None:
    running = current_task()
    return running.request_id if running else None


def _claimed(row: Mapping[str, Any], token: str) -> Claimed:
    return Claimed(
        token, row["task_id"], row["name"], dict(row["payload"]), 1, row["max_attempts"], row["priority"],
        row["batch_id"], row["request_id"], row["lease_seconds"],
    )  # fmt: skip


def _new_ids(how_many: int) -> list[int]:
    ids: list[int] = []
    while len(ids) < how_many:
        ids += database_pool.new_ids("tasks", min(10_000, how_many - len(ids)))
    return ids


def _wake(applied: bool) -> None:
    runner = _runner()
    if applied and runner is not None:
        runner.wake()
