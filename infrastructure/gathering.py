"""Callers that come about the same time share one trip to the database."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gevent import monkey

from infrastructure.errors import DatabaseError, InvalidData, OutcomeUnknown

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")
MOST_AT_ONCE = 100
# Nothing under this lock gives way to another greenlet, so the real lock does; gevent's costs ten times more.
_native_lock = monkey.get_original("_thread", "allocate_lock")


class _Question(Generic[Asked, Answered]):
    __slots__ = ("answer", "asked", "at", "done", "problem", "under_way")

    def __init__(self, asked: Asked, at: float) -> None:
        self.asked, self.at, self.under_way = asked, at, False
        self.answer: list[Answered] = []
        self.problem: DatabaseError = OutcomeUnknown("whoever asked for several was interrupted")
        self.done = threading.Event()


class Gathering(Generic[Asked, Answered]):
    """Asks for several callers at once. Each says how long it can wait for company; the first whose time is over takes
    the others along. Safe from every thread.
    """

    def __init__(self, ask: Callable[[list[Asked]], Sequence[Answered]], early: float = float("inf")) -> None:
        """`ask` answers several questions in their order, each as if it had come alone. Taken along are questions that
        could have waited up to `early` seconds longer.
        """
        self._ask, self._early = ask, early
        self._lock = _native_lock()
        self._waiting: list[_Question[Asked, Answered]] = []

    def ask(self, asked: Asked, *, within: float) -> Answered:
        """The answer, asked for `within` seconds from now or sooner. Raises what `ask` does."""
        question: _Question[Asked, Answered] = _Question(asked, time.monotonic() + within)
        with self._lock:
            self._waiting.append(question)
        question.done.wait(max(0.0, within))
        if group := self._taken(question):
            self._ask_for(group)
        question.done.wait()
        if question.answer:
            return question.answer[0]
        raise question.problem

    def _taken(self, mine: _Question[Asked, Answered]) -> list[_Question[Asked, Answered]]:
        """The questions to ask now, mine among them; none when somebody took mine along."""
        with self._lock:
            if mine.under_way:
                return []
            until = time.monotonic() + self._early
            others = [one for one in self._waiting if one is not mine and one.at <= until]
            group = [mine, *others[: MOST_AT_ONCE - 1]]
            for one in group:
                one.under_way = True
            self._waiting = [one for one in self._waiting if not one.under_way]
            return group

    def _ask_for(self, group: list[_Question[Asked, Answered]]) -> None:
        try:
            answers = self._ask([one.asked for one in group])
            for one, answer in zip(group, answers, strict=True):
                one.answer.append(answer)
        except DatabaseError as problem:
            if isinstance(problem, InvalidData) and len(group) > 1:
                for one in group:   # one of them holds what the database cannot store: each alone
                    self._ask_for([one])
            else:
                for one in group:
                    one.problem = problem
        finally:
            for one in group:
                one.done.set()
