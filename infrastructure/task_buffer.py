"""What one process holds of the queue: claimed tasks waiting for a worker, running ones, and the room for more."""

import heapq
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

from gevent import monkey

from infrastructure.task_rules import Registry
from infrastructure.task_store import Claimed, Wanted

# Seconds of work that may be claimed beyond the idle workers: short tasks come in batches, long ones do not.
AHEAD = 0.05
LARGEST_BUFFER = 200
LONGEST_REST = 1.0   # seconds
SLOW = 0.03  # seconds a task takes, from which on several are claimed, and written, together
_UNKNOWN_LENGTH = 0.05  # seconds a task is believed to take before any was seen
# Nothing under the buffer's lock gives way to another greenlet, so the real lock does; gevent's costs ten times more.
_native_lock = monkey.get_original("_thread", "allocate_lock")


class TaskBuffer:
    """Hands claimed tasks to workers by priority; safe from every thread. Every method but `take` returns at once.

    A slot is a worker that is idle or will be: running tasks, waiting ones and reservations occupy slots. While
    `is_crowded()`, which must answer without a pause, one task that gives way runs at a time; the others lie aside,
    where they occupy none.
    """

    def __init__(self, registry: Registry, names: list[str], workers: int, is_crowded: Callable[[], bool]) -> None:
        self._registry, self._workers, self._is_crowded = registry, workers, is_crowded
        limits = {name: registry.declared[name].limit for name in names}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        self._limits = {name: limit() if callable(limit) else limit for name, limit in given.items()}
        self._patient = [name for name in names if registry.declared[name].gives_way]
        self._unlimited = [name for name in names if name not in {*self._limits, *self._patient}]
        # The last claim got less than it asked for: no other is made before somebody wakes us.
        self.nothing_left = False
        self._more_patient = True
        self._asked, self._patient_asked, self._patient_running = 0, 0, 0
        self.names = frozenset(names)
        self._lock = _native_lock()
        self._waiting: list[tuple[int, int, Claimed]] = []
        self._aside: list[tuple[int, int, Claimed]] = []
        self._idle: deque[threading.Event] = deque()
        self._held: dict[int, Claimed] = {}
        self._counts: Counter[str] = Counter()
        self._running = self._reserved = self._order = 0
        self._length = _UNKNOWN_LENGTH
        self._closed = False

    def wanted(self) -> list[Wanted]:
        """What to claim now, nothing while enough lies ready. What comes of it is to be told (`add`)."""
        with self._lock:
            ahead = min(LARGEST_BUFFER, int(self._workers * AHEAD / max(self._length, 1e-5)))
            idle = self._workers - self._running - self._reserved
            room = idle + ahead - len(self._waiting)
            if self._closed or room <= 0 or len(self._waiting) > max(0, idle) + ahead // 2:
                return []
            spare = {name: min(room, limit - self._counts[name]) for name, limit in self._limits.items()}
            parts = [Wanted(self._unlimited, room)] if self._unlimited else []
            parts += [Wanted([name], most) for name, most in spare.items() if most > 0]
            # With a name left out for its limit, a claim does not tell whether anything is left.
            is_complete = parts and all(most > 0 for most in spare.values())
            self._asked = min(part.most for part in parts) if is_complete else 0
            self._patient_asked, self._more_patient = min(room, self._room_for_patient()), True
            return parts + ([Wanted(self._patient, self._patient_asked)] if self._patient_asked else [])

    @property
    def is_slow(self) -> bool:
        """Whether its tasks take so long that a few milliseconds before the next one cost less than a trip for it."""
        return self._length > SLOW

    def reserve(self, name: str) -> bool:
        """Keeps a worker for a task that is about to be stored; False when none is idle."""
        with self._lock:
            busy = self._running + self._reserved + len(self._waiting)
            if self._closed or name not in self.names or busy >= self._workers:
                return False
            limit = self._limits.get(name)
            if limit is not None and self._counts[name] >= limit:
                return False
            self._reserved += 1
            self._counts[name] += 1
            return True

    def release(self, name: str) -> None:
        """Gives a reservation up."""
        with self._lock:
            self._reserved -= 1
            self._counts[name] -= 1

    def add_reserved(self, task: Claimed) -> bool:
        """The task of a reservation, now stored; False when the process is leaving and it must be handed back."""
        with self._lock:
            self._reserved -= 1
            self._counts[task.name] -= 1
            return not self._closed and self._add(task)

    def add(self, tasks: list[Claimed]) -> list[Claimed]:
        """Claimed tasks; answers those that came too late, as the process is leaving."""
        with self._lock:
            if self._closed:
                return tasks
            for task in tasks:
                self._add(task)
            patient = sum(task.name in self._patient for task in tasks)
            self._more_patient = patient >= self._patient_asked
            self.nothing_left = len(tasks) - patient < self._asked
            return []

    def take(self, me: threading.Event) -> Claimed | None:
        """The next task for the worker that owns the event `me`; waits for one. None: there will be none any more."""
        while True:
            with self._lock:
                if self._closed:
                    return None
                if (task := self._next()) is not None:
                    return task
                me.clear()
                self._idle.append(me)
            me.wait()

    def ran(self, task: Claimed, seconds: float) -> bool:
        """A task ended after so many seconds; whether more should be claimed: those that give way by the half dozen."""
        with self._lock:
            self._running -= 1
            self._counts[task.name] -= 1
            if task.name in self._patient:
                self._patient_running -= 1
                self._bring_back()
            self._length += (seconds - self._length) * 0.1
            if self._more_patient and self._room_for_patient() > 0:
                return True
            return not self.nothing_left and len(self._waiting) <= LARGEST_BUFFER // 2

    def rest_after(self, task: Claimed, seconds: float) -> float:
        """Seconds that a worker rests after a task that took so many, before it counts as ended (`ran`): as long again
        where it gave way to a crowd.
        """
        return min(seconds, LONGEST_REST) if task.name in self._patient and self._is_crowded() else 0.0

    def forget(self, task: Claimed) -> None:
        """What became of it is written: it is no longer held."""
        with self._lock:
            if self._held.get(task.task_id) is task:
                del self._held[task.task_id]

    def due_for_renewal(self) -> list[Claimed]:
        """Held tasks of whose lease a third has passed."""
        now = time.monotonic()
        with self._lock:
            return [task for task in self._held.values() if task.until - now < task.lease * 2 / 3]

    def held(self) -> list[Claimed]:
        """Every task whose lease this process has."""
        with self._lock:
            return list(self._held.values())

    def busy(self) -> int:
        """How many tasks run or are about to."""
        with self._lock:
            return self._running + self._reserved

    def close(self) -> list[Claimed]:
        """No worker gets a task any more; answers those that have not begun."""
        with self._lock:
            self._closed = True
            waiting = [entry[2] for entry in (*self._waiting, *self._aside)]
            self._waiting, self._aside = [], []
            idle, self._idle = self._idle, deque()
        for event in idle:
            event.set()
        return waiting

    def _room_for_patient(self) -> int:
        held = sum(self._counts[name] for name in self._patient)
        return self._workers - held if self._patient and held <= self._workers // 2 else 0

    def _next(self) -> Claimed | None:
        while self._waiting:
            entry = heapq.heappop(self._waiting)
            task = entry[2]
            patient = task.name in self._patient
            if task.until <= time.monotonic():
                # Its lease ran out while it lay here: the process was stopped for long.
                self._held.pop(task.task_id, None)
                self._counts[task.name] -= 1
            elif patient and self._patient_running and self._is_crowded():
                self._aside.append(entry)
            else:
                self._running += 1
                self._patient_running += patient
                return task
        return None

    def _bring_back(self) -> None:
        for entry in self._aside:
            heapq.heappush(self._waiting, entry)
        for _ in range(min(len(self._idle), 1 if self._is_crowded() else len(self._aside))):
            self._idle.popleft().set()
        self._aside.clear()

    def _add(self, task: Claimed) -> bool:
        self._held[task.task_id] = task
        self._counts[task.name] += 1
        self._order += 1
        heapq.heappush(self._waiting, (task.priority, self._order, task))
        if self._idle:
            self._idle.popleft().set()
        return True
