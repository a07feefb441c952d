"""Answers that stay right until somebody changes what they were made from: a session, a list, its totals, choices.

The database counts the transactions that changed a subject (`latest_marks`). A process that kept an answer
with the mark it saw may give it again while the mark is the same. That holds for every process and machine and needs no
word from the one who changed something, so it cannot be missed.
"""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from database_pool import DatabaseError, DatabasePool, call_function, default_pool

Value = TypeVar("Value")
MOST_KEPT = 5000   # answers in each process: 500 colleagues, how each looks at five lists, and what they look at
MOST_ROWS = 50     # more than the subjects there are, from which on they are gathered: each request adds them up
_lock = threading.Lock()


class KeptRows(list[dict[str, Any]]):
    """Rows that are one object as long as they are right. They equal themselves alone, so a piece of a page made from
    them (portal/web/fragments.py) is found without a look at each.
    """

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


class Marks:
    """The marks of one database: one question answers all requests that came before it was asked.

    While one question is on its way the next requests wait for the one after it, and share that. A crowd costs the
    database as much as two visitors, and nobody gets a mark older than his request.
    """

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._next: Future[dict[str, int]] = Future()

    def latest(self) -> dict[str, int]:
        """The mark of each subject, no older than this call. Raises DatabaseError."""
        question = self._next
        with self._asking:
            if not question.done():
                self._next = Future()   # before it is asked: who comes from now on may not have its answer
                try:
                    question.set_result(_read_marks())
                except DatabaseError as problem:
                    question.set_exception(problem)
        return question.result()


def _read_marks() -> dict[str, int]:
    told = call_function("latest_marks", read_only=True)
    parts = told.split(",") if told else []
    marks: dict[str, int] = {}
    for part in parts:
        subject, _, times = part.partition(" ")
        marks[subject] = marks.get(subject, 0) + int(times)
    if len(parts) - len(marks) > MOST_ROWS:
        call_function("gather_changes")
    return marks


@dataclass
class Kept:
    """What this process keeps of one database."""

    marks: Marks = field(default_factory=Marks)
    answers: LRUCache[Hashable, tuple[Any, Any]] = field(default_factory=lambda: LRUCache(MOST_KEPT))


_kept: WeakKeyDictionary[DatabasePool, Kept] = WeakKeyDictionary()


class Fresh:
    """What one request may take from answers given before. Made anew for each request (`web.fresh`): it asks for the
    marks once, when they are first needed.
    """

    def __init__(self) -> None:
        self._marks: dict[str, int] | None = None

    def value(
        self, subject: str | tuple[str, ...], key: Hashable, compute: Callable[[], Value], *, anew: bool = False
    ) -> Value:
        """What `compute` answers, or answered before if nothing of the subject (or subjects) has changed since. Whoever
        takes it must not change it. `anew` asks in any case; None is not kept. Triggers note the subjects "policies",
        "clients", "listed" (what lists show of clients), "names" (of clients and members), "renewals", "documents",
        "work" (what Today shows besides), "threads" (who wrote to us for the first time), "masters", "lists", "alerts",
        "colleagues" and "sessions".
        """
        mark = self._mark(subject) if isinstance(subject, str) else tuple(map(self._mark, subject))
        answers = _of_this_database().answers
        with _lock:
            found = None if anew else answers.get((subject, key))
        if found is not None and found[0] == mark:
            return cast(Value, found[1])
        value = compute()   # sees at least what the mark counts; what came since has another mark
        if value is not None:
            with _lock:
                answers[subject, key] = mark, value
        return value

    def _mark(self, subject: str) -> int:
        if self._marks is None:
            self._marks = _of_this_database().marks.latest()
        return self._marks.get(subject, 0)


def _of_this_database() -> Kept:
    """What this process keeps of the present database."""
    pool = default_pool()
    with _lock:
        if pool not in _kept:
            _kept[pool] = Kept()
        return _kept[pool]
