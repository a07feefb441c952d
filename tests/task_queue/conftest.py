"""Tasks that note what was done with them, and the three ways to the database."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

import database_pool
import task_queue
from config import Settings
from task_queue import TaskQueue
from tests.database.conftest import Backend, backend, pooler

__all__ = ["Backend", "Tried", "backend", "pooler"]
PATIENCE = 60.0  # seconds, on a busy machine


class Tried:
    """Declares tasks under fresh names and counts, by what they were given, how often they ran."""

    def __init__(self) -> None:
        self.ran: Counter[Any] = Counter()
        self.order: list[Any] = []
        self.names: list[str] = []

    def task(self, work: Callable[..., Any] | None = None, **options: Any) -> str:
        """The name of a new task: it runs `work`, after it was noted that it ran for its argument `what`."""
        name = f"tests.t{uuid.uuid4().hex}"

        @task_queue.task(name, **options)
        def note(what: Any = None) -> dict[str, Any] | None:
            self.ran[what] += 1
            self.order.append(what)
            return work(what) if work is not None else None

        self.names.append(name)
        return name

    def ask(self, name: str, what: Any = None, **options: Any) -> int:
        """Asks for one run of the task in a transaction of its own."""
        with database_pool.transaction() as tx:
            return task_queue.enqueue(tx, name, what=what, **options)


@pytest.fixture
def tried() -> Iterator[Tried]:
    """Tasks of this test alone; they are forgotten afterwards."""
    tasks = Tried()
    yield tasks
    for name in tasks.names:
        task_queue._registry.declared.pop(name, None)
        task_queue._registry.schedules.pop(name, None)


@pytest.fixture
def sql(database: Settings) -> Iterator[psycopg.Connection]:
    """Straight to the module's database, past the data layer."""
    with psycopg.connect(database.database_url or "", autocommit=True) as connection:
        yield connection


def wait_until(ready: Callable[[], bool]) -> None:
    """Returns once it is so; fails after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def workers(tried: Tried) -> Iterator[Callable[..., TaskQueue]]:
    """Starts a queue of so many workers once its tasks are declared; it is stopped at the end."""
    queues = []

    def start(number: int = 4, **options: Any) -> TaskQueue:
        queue = TaskQueue(number)
        assert queue.start(**options)
        queues.append(queue)
        runner = queue.runner
        assert runner is not None
        wait_until(lambda: runner.paused is not None)
        wait_until(lambda: runner._listener is None or runner._listener.connected.is_set())
        return queue

    yield start
    for queue in queues:
        queue.stop(10)
