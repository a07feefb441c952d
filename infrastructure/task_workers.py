"""The threads (greenlets under gevent) in which one process runs tasks: a claimer, workers, a finisher, a keeper.

The claimer takes due tasks in batches, the workers run them, the finisher writes what became of them in groups while
the next ones run, and the keeper renews leases, looks after what others left behind and fires the schedules.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

import psycopg

from infrastructure.errors import BusinessRule, Conflict, DatabaseError, InvalidData, OutcomeUnknown, ReferenceMissing
from infrastructure.task_buffer import TaskBuffer
from infrastructure.task_execution import about, execute
from infrastructure.task_listener import TaskListener, owns_its_session
from infrastructure.task_rules import Registry
from infrastructure.task_store import Claimed, Outcome, TaskStore, Wanted

logger = logging.getLogger("task_queue")
POLL_WITH_LISTENER, POLL_ALONE = 5.0, 1.0  # seconds between looks when nobody woke us
TEND_WITH_LISTENER, TEND_ALONE = 0.5, 5.0
LEAVE_WITHIN = 2.0  # seconds for the last word of a process
LONGEST_GROUP = 500  # outcomes written in one trip
# Seconds in which slow tasks that end about the same time are gathered, for one trip that claims the next ones and one
# that writes what became of them. A connection that is free meanwhile costs more than the trips from 5 ms on.
GATHER_ROOM, GATHER_OUTCOMES = 0.002, 0.05
GIVE_WAY = 0.002  # seconds a worker runs short tasks before others get their turn
PRUNE_EVERY = 600.0
# What the database answers each time that it is told the same.
REFUSALS = (BusinessRule, Conflict, InvalidData, ReferenceMissing)
AT_ONCE = 20  # tasks that `run_due` claims in one trip
UNNAMED_RUNNER = 0  # no worker process has this number: identity columns begin at 1


class WorkerProcess:
    """Everything that runs tasks in this process, from `start` to `stop`."""

    def __init__(
        self,
        store: TaskStore,
        registry: Registry,
        *,
        workers: int,
        patterns: tuple[str, ...] | None,
        address: Callable[[], str | None],
        is_crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        """`patterns`: run only tasks whose names meet one of these; `address`: where a session of one's own is had;
        `is_crowded`: whether people wait for this process, to whom some tasks give way.
        """
        self._store, self._registry, self._address = store, registry, address
        self.workers, self.patterns = workers, patterns
        self.buffer = TaskBuffer(registry, registry.matching(patterns), workers, is_crowded)
        self.worker = 0
        self.counted = {"done": 0, "retried": 0, "failed": 0}
        self._recent: deque[tuple[float, int]] = deque()
        self._claims = 0
        self._due_at: float | None = None
        self._listener: TaskListener | None = None
        self._outcomes: deque[Outcome] = deque()
        self._told, self._woken, self._stopped = threading.Event(), threading.Event(), threading.Event()
        self._claims_no_more = threading.Event()
        self._claims_no_more.set()
        self._threads: list[threading.Thread] = []
        self._finisher: threading.Thread | None = None
        self.paused: frozenset[str] | None = None   # None until the database has told

    def start(self) -> None:
        """Begins; the first contact with the database happens in the background and is repeated until it succeeds."""
        roles: list[Callable[[], None]] = [self._keep, *[self._work] * self.workers]
        self._threads = [threading.Thread(target=role, name="task-worker", daemon=True) for role in roles]
        self._finisher = threading.Thread(target=self._finish, name="task-finisher", daemon=True)
        for thread in [*self._threads, self._finisher]:
            thread.start()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    def stop(self, timeout: float) -> bool:
        """Takes nothing new, hands back what has not begun, waits up to `timeout` seconds for the rest; whether all
        ended. What still runs then is rescued by others once this process is gone.
        """
        deadline = time.monotonic() + timeout
        self.prepare_to_stop()
        while (busy := self.buffer.busy()) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._told.set()
        if self._finisher is not None and self._finisher.is_alive():  # else the stop came in the middle of the start
            self._finisher.join(max(1.0, deadline - time.monotonic()))
        if self._listener is not None:
            self._listener.stop()
        if not busy and self.worker and not (self._finisher is not None and self._finisher.is_alive()):
            # A database that is away as well must not hold the process up: then its lock or its leases tell.
            last_word = partial(self._quietly, partial(self._store.leave, self.worker))
            leaving = threading.Thread(target=last_word, name="task-leaving", daemon=True)
            leaving.start()
            leaving.join(LEAVE_WITHIN)
        return not busy

    def prepare_to_stop(self) -> None:
        """Takes no new task from now on, and hands back those that have not begun."""
        if not self._stopped.is_set():
            self._stopped.set()
            self._woken.set()
            self._report([Outcome(task, "queued", back=True) for task in self.buffer.close()])

    @property
    def stopping(self) -> bool:
        """Whether this process is about to leave: a task that would wait for long had better be postponed."""
        return self._stopped.is_set()

    def reserve(self, name: str) -> bool:
        """Whether a worker waits for a task about to be stored as running here: `take_over` or `buffer.release` it."""
        known_by_others = self.worker > 0 and (self._listener is None or self._listener.connected.is_set())
        if not known_by_others or self.paused is None or name in self.paused:
            return False
        return self.buffer.reserve(name)

    def next_token(self) -> str:
        """A word that no other claim has: the fence against a process that lost its lease without noticing."""
        self._claims += 1
        return f"{self.worker}.{self._claims}"

    def take_over(self, task: Claimed, stored_for: float) -> None:
        """Runs a task that was stored as running here, `stored_for` seconds after its lease may have begun."""
        task.until = time.monotonic() + task.lease - stored_for
        if not self.buffer.add_reserved(task):
            self._report([Outcome(task, "queued", back=True)])

    def figures(self) -> dict[str, int]:
        """What this process did so far and does now; `per_minute` is how many it ended in the last minute."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - 60:
            self._recent.popleft()
        return {**self.counted, "busy": self.buffer.busy(), "per_minute": sum(number for _, number in self._recent)}

    def _work(self) -> None:
        me = threading.Event()
        last_pause = time.monotonic()
        while (task := self.buffer.take(me)) is not None:
            began = time.monotonic()
            outcome = Outcome(task, "queued", back=True)
            try:
                if not self._is_still_ours(task):
                    continue
                outcome = execute(task, self._registry.declared[task.name])
            finally:
                took = time.monotonic() - began
                self._report([outcome])
                if rest := self.buffer.rest_after(task, took):
                    self._stopped.wait(rest)
                more = self.buffer.ran(task, took)
            if more and not self._woken.is_set():
                self._woken.set()
            now = time.monotonic()
            if now - last_pause > GIVE_WAY:
                time.sleep(0)
                last_pause = time.monotonic()

    def _is_still_ours(self, task: Claimed) -> bool:
        """Without our session others may take this process for dead and its tasks for theirs: then the row decides."""
        if self._listener is None or self._listener.connected.is_set():
            return True
        self._listener.connected.wait(max(0.0, task.until - time.monotonic()))
        answer = self._quietly(lambda: self._store.tend(self.worker, [task], self.figures()))
        return answer is not None and task.task_id in answer["kept"]

    def _gather(self, seconds: float) -> None:
        """Waits for others to end as well: slow tasks that began together end together."""
        if self.buffer.is_slow and not self._stopped.is_set():
            time.sleep(seconds)

    def _report(self, outcomes: list[Outcome]) -> None:
        self._outcomes.extend(outcomes)
        if outcomes and not self._told.is_set():
            self._told.set()

    def _finish(self) -> None:
        while True:
            self._told.wait()
            self._gather(GATHER_OUTCOMES)
            self._told.clear()
            while self._outcomes:
                group = [self._outcomes.popleft() for _ in range(min(LONGEST_GROUP, len(self._outcomes)))]
                group.sort(key=attrgetter("function"))   # a trip for each is written once, or comes back whole
                parts = [[*part] for _, part in groupby(group, attrgetter("function"))]
                waiting = [outcome for part in parts if not self._write(part) for outcome in part]
                if waiting:
                    self._outcomes.extendleft(reversed(waiting))
                    time.sleep(1)
            # A claim that is on its way may still bring tasks, which must be handed back.
            over = self._stopped.is_set() and self._claims_no_more.is_set()
            if over and not self.buffer.busy() and not self._outcomes:
                return

    def _write(self, group: list[Outcome]) -> bool:
        """Whether the outcomes are written, or never will be."""
        try:
            kept = self._store.finish(group)
        except REFUSALS:
            if len(group) > 1:   # one of them holds what the database cannot store
                return all(self._write([outcome]) for outcome in group)
            if (plain := group[0].without_what_it_tells()) == group[0]:
                raise
            logger.exception("what a task ended with cannot be stored")
            return self._write([plain])
        except DatabaseError as error:
            logger.warning("outcomes of %d tasks wait for the database: %s", len(group), type(error).__name__)
            return False
        self._count(group, kept)
        for outcome in group:
            self.buffer.forget(outcome.claimed)
            if outcome.claimed.task_id not in kept:
                logger.warning("a task's lease was lost before it ended", extra=about(outcome.claimed))
        return True

    def _count(self, group: list[Outcome], kept: set[int]) -> None:
        soonest = None
        for outcome in group:
            if outcome.claimed.task_id not in kept:
                continue
            if outcome.state == "queued":
                self.counted["retried"] += not outcome.back
                soonest = outcome.after if soonest is None else min(soonest, outcome.after)
            else:
                self.counted["done" if outcome.state == "done" else "failed"] += 1
        self._recent.append((time.monotonic(), len(kept)))
        if soonest is not None:
            self._due_at = min(self._due_at or float("inf"), time.monotonic() + soonest)
            self._woken.set()

    def _claim_until_stopped(self) -> None:
        try:
            self._claim()
        finally:
            self._claims_no_more.set()
            self._told.set()

    def _claim(self) -> None:
        undo: str | None = None
        while not self._stopped.is_set():
            if self.buffer.busy():
                self._gather(GATHER_ROOM)
            self._woken.clear()
            if self._stopped.is_set():
                return
            wanted = self.buffer.wanted()
            if not wanted:
                self._woken.wait(POLL_ALONE)
                continue
            token, asked_at = self.next_token(), time.monotonic()
            try:
                tasks, next_due = self._store.claim(self.worker, token, wanted, undo)
                undo = None
            except DatabaseError as error:
                undo = token if isinstance(error, OutcomeUnknown) else undo
                logger.warning("tasks cannot be claimed: %s", type(error).__name__)
                self._stopped.wait(POLL_ALONE)
                continue
            for task in tasks:
                task.until = asked_at + task.lease
            self._report([Outcome(task, "queued", back=True) for task in self.buffer.add(tasks)])
            if self.buffer.nothing_left or not tasks:
                self._woken.wait(self._pause(next_due))

    def _pause(self, next_due: float | None) -> float:
        """Seconds until a look is due though nobody wakes us."""
        poll = POLL_WITH_LISTENER if self._listener is not None else POLL_ALONE
        retry = self._due_at - time.monotonic() if self._due_at is not None else poll
        if retry <= 0:
            self._due_at, retry = None, 0.0
        return max(0.0, min(poll, poll if next_due is None else next_due, retry))

    def _keep(self) -> None:
        if not self._join():
            return
        self._claims_no_more.clear()
        self._quietly(self._tend)   # what is paused is known before anything begins
        threading.Thread(target=self._claim_until_stopped, name="task-claimer", daemon=True).start()
        shortest = min((self._registry.declared[name].lease for name in self.buffer.names), default=60.0)
        every = min(TEND_ALONE, shortest / 4) if self._listener is None else TEND_WITH_LISTENER
        schedules_due = time.monotonic()
        prune_due = time.monotonic() + PRUNE_EVERY / 2
        while self.buffer.held() or not self._stopped.is_set():
            if self._stopped.wait(every):
                time.sleep(every)  # what still runs keeps its lease until its end
                if not self.buffer.held():
                    return  # the database may be closed by now: asking would open it again
            self._quietly(self._tend)
            if self._stopped.is_set():
                continue
            if time.monotonic() >= schedules_due:
                schedules_due = time.monotonic() + (self._quietly(self._fire) or 30.0)
            if time.monotonic() >= prune_due:
                prune_due = time.monotonic() + PRUNE_EVERY
                self._quietly(self._store.prune)

    def _join(self) -> bool:
        """Registers this process, and listens where that is possible; False when it was stopped before."""
        while not self._stopped.is_set():
            try:
                address = self._address()
                locked = address is not None and owns_its_session(address)
                self.worker = self._register(locked)
            except (DatabaseError, psycopg.Error) as error:
                logger.warning("the queue waits for the database: %s", type(error).__name__)
                self._stopped.wait(1)
                continue
            if locked:
                self._listener = TaskListener(lambda: self._address() or "", self.wake)
                self._listener.start(self.worker)
                self._listener.connected.wait(5)
            return True
        return False

    def _register(self, locked: bool) -> int:
        names = None if self.patterns is None else " ".join(self.patterns)
        return self._store.register(
            host=socket.gethostname(), process=os.getpid(), workers=self.workers, names=names, locked=locked
        )

    def _tend(self) -> None:
        due = self.buffer.due_for_renewal()
        asked_at = time.monotonic()
        answer = self._store.tend(self.worker, due, self.figures())
        kept = set(answer["kept"])
        for task in due:
            task.until = asked_at + task.lease if task.task_id in kept else 0.0
        self.paused = frozenset(answer["paused"])
        if answer["rescued"]:
            logger.warning("%d tasks of a process that died are back in the queue", answer["rescued"])
            self.wake()
        if not answer["known"] and not self._stopped.is_set():
            logger.warning("this process was taken for dead; it goes on under a new number")
            self.worker = self._register(self._listener is not None)
            if self._listener is not None:
                self._listener.become(self.worker)

    def _fire(self) -> float:
        wanted = [s for s in self._registry.schedules.values() if s.name in self.buffer.names]
        if not wanted:
            return 30.0
        due = self._store.fire_schedules(self._registry.due(wanted))
        return 30.0 if due is None else max(0.05, min(30.0, due))

    def _quietly(self, ask: Callable[[], Any]) -> Any:
        """The answer, or None when the database does not give one: it is asked again soon."""
        try:
            return ask()
        except DatabaseError as error:
            logger.warning("the queue's upkeep waits for the database: %s", type(error).__name__)
            return None


def run_due(store: TaskStore, registry: Registry) -> int:
    """Runs what is due in this thread until nothing is, one after the other; how many ended (a retry counts again)."""
    names, ran = registry.matching(None), 0
    while names:
        token = f"{UNNAMED_RUNNER}.{uuid.uuid4().hex}"
        tasks, _ = store.claim(UNNAMED_RUNNER, token, [Wanted(names, AT_ONCE)])
        if not tasks:
            break
        waiting = deque(tasks)
        try:
            while waiting:
                store.finish([execute(waiting[0], registry.declared[waiting[0].name])])
                waiting.popleft()
                ran += 1
        finally:
            if waiting:
                store.finish([Outcome(task, "queued", back=True) for task in waiting])
    return ran
