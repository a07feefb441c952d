"""Answers that stay right until somebody changes what they were made from: a session, a list, its totals, choices.

The database counts the transactions that changed a subject (the view `change_marks`). A process that kept an answer
with the mark it saw may give it again while the mark is the same. That holds for every process and machine and needs no
word from the one who changed something, so it cannot be missed.
"""

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from database_pool import DatabasePool, call_function, default_pool, execute_query

Value = TypeVar("Value")
MOST_KEPT = 1500   # answers in each process: 500 colleagues, and what they look at
MOST_ROWS = 300    # of one subject, from which on they are gathered: adding them up must cost nothing
MOST_SUBJECTS = 50
_lock = threading.Lock()
_kept: WeakKeyDictionary[DatabasePool, LRUCache[Hashable, tuple[Any, Any]]] = WeakKeyDictionary()


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
        "clients", "names" (of clients and members), "renewals", "documents", "masters", "lists", "colleagues"
        and "sessions".
        """
        mark = self._mark(subject) if isinstance(subject, str) else tuple(map(self._mark, subject))
        with _lock:
            answers = _answers()
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
            rows = execute_query("change_marks", order="subject", limit=MOST_SUBJECTS).data
            if any(row["rows"] > MOST_ROWS for row in rows):
                call_function("gather_changes")
            self._marks = {row["subject"]: row["mark"] for row in rows}
        return self._marks.get(subject, 0)


def _answers() -> LRUCache[Hashable, tuple[Any, Any]]:
    """What this process keeps of the present database. To be called under the lock."""
    pool = default_pool()
    if pool not in _kept:
        _kept[pool] = LRUCache(MOST_KEPT)
    return _kept[pool]
