"""What a task is: its declaration, how it may fail, when it is tried again."""

import contextvars
import datetime as dt
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

HIGH, MEDIUM, LOW = 1, 2, 3
FIRST_RETRY = 2.0  # seconds; four times as much after each further failure
LONGEST_RETRY = 3600.0
_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")


class TemporaryFailure(Exception):
    """It may work later. `sentence` is for a colleague; `retry_after` (seconds) is the provider's own wish, if any."""

    def __init__(self, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.sentence, self.retry_after = sentence, retry_after


class PermanentFailure(Exception):
    """It will never work as it is: straight to the dead letters, with the sentence for a colleague."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Postpone(Exception):
    """Nothing failed, it is only not time yet: the task comes back at `until` (aware) or `after` so many seconds, which
    costs no attempt. Where a pause is meant name `after`: a clock that is set before the task ends does not change it,
    while a moment of the clock before is an hour off by the one after.
    """

    def __init__(self, *, until: dt.datetime | None = None, after: float | None = None) -> None:
        if (until is None) == (after is None):
            raise ValueError("a task is postponed either until= a moment or by after= seconds")
        wait = (until - dt.datetime.now(dt.UTC)).total_seconds() if until is not None else after
        self.after = max(0.0, wait or 0.0)
        super().__init__(f"not before {self.after:.0f} s have passed")


@dataclass(frozen=True, slots=True)
class EndsWith:
    """What a task answers whose effect is written together with its end, for several tasks in one trip: `function` of
    the schema gets `rows`, what they answered here, and `finished`, which it passes on to `finish_tasks`. It may be
    called twice. `result` is stored with the task.
    """

    function: str
    row: Mapping[str, Any]
    result: dict[str, Any] | None = None


Work = Callable[..., dict[str, Any] | EndsWith | None]


@dataclass(frozen=True, slots=True)
class Declaration:
    """One kind of task: what runs, how urgent, how often it is tried, how many at once in a process (`limit`), and for
    how many seconds a claim holds before it must be renewed (`lease`; the process renews it while the task runs).
    One that `gives_way` runs alone of its kind, with rests, while people wait for the process.
    """

    name: str
    work: Work
    priority: int = MEDIUM
    attempts: int = 5
    limit: int | Callable[[], int] | None = None
    lease: float = 60.0
    gives_way: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """A task asked for again and again: every so many seconds, or daily at an office time."""

    name: str
    every: float | None
    daily_at: str | None

    @property
    def rule(self) -> str:
        """What changes when the schedule does."""
        return f"daily at {self.daily_at}" if self.daily_at else f"every {self.every:g} s"


@dataclass(frozen=True, slots=True)
class RunningTask:
    """The task that this thread or greenlet runs at the moment."""

    task_id: int
    name: str
    attempt: int
    batch_id: str | None
    request_id: str | None


current: contextvars.ContextVar[RunningTask | None] = contextvars.ContextVar("running_task", default=None)


@dataclass
class Registry:
    """Every task that this process knows by name, and the schedules."""

    declared: dict[str, Declaration] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)

    def declare(self, declaration: Declaration) -> None:
        """Raises RuntimeError for a name that exists, and ValueError for one that is not `area.verb` or odd figures."""
        name = declaration.name
        if not _NAME.fullmatch(name):
            raise ValueError(f"a task is called <area>.<verb> in small letters, not {name!r}")
        if name in self.declared:
            raise RuntimeError(f"two tasks are called {name!r}")
        if declaration.priority not in (HIGH, MEDIUM, LOW):
            raise ValueError(f"{name}: the priority is 1 (high), 2 or 3 (low)")
        limit = 1 if declaration.limit is None or callable(declaration.limit) else declaration.limit
        if declaration.attempts < 1 or declaration.lease < 3 or limit < 1:
            raise ValueError(f"{name}: at least 1 attempt, a limit of 1, and a lease of 3 seconds")
        if declaration.gives_way and declaration.limit is not None:
            raise ValueError(f"{name}: a task that gives way has no limit of its own")
        self.declared[name] = declaration

    def plan(self, schedule: Schedule) -> None:
        """Raises RuntimeError for a name that has a schedule, and ValueError for a rule that is not one."""
        if schedule.name in self.schedules:
            raise RuntimeError(f"{schedule.name!r} has two schedules")
        if (schedule.every is None) == (schedule.daily_at is None):
            raise ValueError(f"{schedule.name}: a schedule has either every= or daily_at=")
        if schedule.every is not None and schedule.every < 1:
            raise ValueError(f"{schedule.name}: every= is in seconds, 1 or more")
        if schedule.daily_at is not None and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", schedule.daily_at):
            raise ValueError(f"{schedule.name}: daily_at= is an office time such as '09:00'")
        self.schedules[schedule.name] = schedule

    def matching(self, patterns: Iterable[str] | None) -> list[str]:
        """The names that meet one of the shell-like patterns; all for None."""
        wanted = None if patterns is None else tuple(patterns)
        return sorted(n for n in self.declared if wanted is None or any(fnmatchcase(n, p) for p in wanted))

    def due(self, schedules: Iterable[Schedule]) -> list[dict[str, Any]]:
        """Schedules as the SQL function `fire_schedules` reads them."""
        return [
            {
                "name": s.name, "rule": s.rule, "every": s.every, "daily_at": s.daily_at,
                "priority": self.declared[s.name].priority, "attempts": self.declared[s.name].attempts,
                "lease": self.declared[s.name].lease,
            }
            for s in schedules if s.name in self.declared
        ]  # fmt: skip


def retry_delay(attempt: int) -> float:
    """Seconds until the next try after `attempt` failed ones: growing fourfold, spread so that failures part ways."""
    return float(min(LONGEST_RETRY, FIRST_RETRY * 4 ** (attempt - 1))) * (0.75 + random.random() / 2)
