"""The queue's rows, through the SQL functions of the schema: claim, finish, keep alive."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from infrastructure.task_rules import EndsWith, RunningTask

NOT_STORED = "What it came to cannot be stored; the log tells more."


class Call(Protocol):
    """How the data layer calls a function of the schema; `read_only` promises that repeating it does no harm."""

    def __call__(self, name: str, parameters: Mapping[str, Any] | None = None, *, read_only: bool = False) -> Any: ...


@dataclass(slots=True)
class Claimed:
    """A task that this process may run until `until` (monotonic seconds), and the token that proves it."""

    token: str
    task_id: int
    name: str
    payload: dict[str, Any]
    attempt: int
    attempts: int
    priority: int
    batch_id: str | None
    request_id: str | None
    lease: float
    until: float = 0.0

    def as_running(self) -> RunningTask:
        """What `current_task()` answers while it runs."""
        return RunningTask(self.task_id, self.name, self.attempt, self.batch_id, self.request_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed task: `state` is done, queued (again after so many seconds) or dead; `back` says that
    the attempt does not count, `ending` what is written with it.
    """

    claimed: Claimed
    state: str
    error: str | None = None
    result: dict[str, Any] | None = None
    after: float = 0.0
    back: bool = False
    ending: EndsWith | None = None

    @property
    def function(self) -> str:
        """The function of the schema that writes it."""
        return self.ending.function if self.ending is not None else "finish_tasks"

    def without_what_it_tells(self) -> "Outcome":
        """Its end alone, as the rest cannot be stored: a dead letter when that was more than a result."""
        if self.ending is None:
            return replace(self, result=None, error=None)
        return replace(self, state="dead", result=None, error=NOT_STORED, ending=None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to claim: up to `most` tasks of these names."""

    names: Sequence[str]
    most: int


class TaskStore:
    """Claims and finishes tasks for one process. Raises the errors of the data layer."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def register(self, *, host: str, process: int, workers: int, names: str | None, locked: bool) -> int:
        """The number of this process among the workers. `locked`: it will hold the session lock of that number."""
        about = {"host": host, "process": process, "workers": workers, "names": names, "locked": locked}
        return int(self._call("register_worker", about))

    def leave(self, worker: int) -> None:
        """This process runs no tasks any more."""
        self._call("leave_worker", {"worker": worker}, read_only=True)

    def claim(
        self, worker: int | None, token: str, wanted: Iterable[Wanted], undo: str | None = None
    ) -> tuple[list[Claimed], float | None]:
        """Due tasks, and where there is none the seconds until the next one is due (None: no other waits).

        When the answer is lost the claim may have happened: name its token as `undo` the next time.
        """
        parts = json.dumps([{"names": list(part.names), "most": part.most} for part in wanted])
        answer = self._call("claim_tasks", {"worker": worker, "token": token, "wanted": parts, "undo": undo})
        claimed = [Claimed(token, *row) for row in answer["tasks"]]
        claimed.sort(key=lambda task: (task.priority, task.task_id))
        return claimed, None if answer["next"] is None else float(answer["next"])

    def finish(self, outcomes: Iterable[Outcome]) -> set[int]:
        """Writes what became of tasks, with one trip for all that one function writes; the ids still held here."""
        parts: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            parts.setdefault(outcome.function, []).append(outcome)
        kept: set[int] = set()
        for function, part in parts.items():
            parameters = {"finished": json.dumps([_told(outcome) for outcome in part], default=str)}
            rows = [outcome.ending.row for outcome in part if outcome.ending is not None]
            parameters |= {"rows": json.dumps(rows)} if rows else {}
            kept |= set(self._call(function, parameters, read_only=True))
        return kept

    def tend(self, worker: int, held: Iterable[Claimed], figures: Mapping[str, int]) -> dict[str, Any]:
        """Renews the leases of `held` and shows that this process lives; see the SQL function `tend_tasks`."""
        leases = json.dumps([{"id": task.task_id, "token": task.token} for task in held])
        parameters = {"worker": worker, "held": leases, "figures": json.dumps(figures)}
        answer: dict[str, Any] = self._call("tend_tasks", parameters, read_only=True)
        return answer

    def fire_schedules(self, schedules: list[dict[str, Any]]) -> float | None:
        """Stores the tasks of schedules that are due; seconds until the next one is."""
        answer = self._call("fire_schedules", {"schedules": json.dumps(schedules)}, read_only=True)
        return None if answer is None else float(answer)

    def prune(self) -> int:
        """Removes finished tasks that nobody will ask for; how many."""
        return int(self._call("prune_tasks", read_only=True))

    def reserve_turns(self, bucket: str, per_second: float, burst: int, how_many: int) -> tuple[float, list[float]]:
        """What the database's clock shows, and when by it the caller's turns are; counted over all processes."""
        moment, first = self._call("reserve_turns", {
            "bucket": bucket, "per_second": per_second, "burst": burst, "how_many": how_many})  # fmt: skip
        turns = [max(float(moment), float(first) + number / per_second) for number in range(how_many)]
        return float(moment), turns

    def figures(self) -> dict[str, Any]:
        """See the SQL function `task_figures`."""
        answer: dict[str, Any] = self._call("task_figures", read_only=True)
        return answer


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "id": outcome.claimed.task_id, "token": outcome.claimed.token, "state": outcome.state, "error": outcome.error,
        "result": outcome.result, "after": outcome.after, "back": int(outcome.back),
    }  # fmt: skip
