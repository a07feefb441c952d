"""Who read which person's data: noted in this process by each answered request, written together a little later.

A view says beside its route what it shows (`@shows`), or while it answers (`showing`) where it does so only at times.
Reads of one record by one colleague within a few seconds become one row with a number of times. A request waits for
nothing; what `kill -9` may lose are the last seconds.
"""

import datetime
import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request

from database_pool import DatabaseError, call_function
from portal.web.access import actor, user_or_none

logger = logging.getLogger(__name__)

WRITTEN_EVERY = 5.0   # seconds
AT_ONCE = 500   # rows in one call
MOST_WAITING = 20_000   # rows kept while the database is away; later ones are counted and not kept
DONE = frozenset({200, 206})
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Read:
    """One colleague looked at one record in one way, or took a list along (`record_id` is then "")."""

    user_id: int
    token_id: int | None
    way: str
    record_type: str
    record_id: str
    ip: str | None


class Reads:
    """Reads that wait for being written. Nothing runs until the first one is noted."""

    def __init__(self, write: Callable[[Sequence[dict[str, Any]]], Any], *, every: float | None) -> None:
        """`write` gets rows; when it raises DatabaseError they are tried again. Without `every` only `flush` writes."""
        self.every = every
        self._write = write
        self._lock = threading.Lock()
        self._writing = threading.Lock()   # two writers at once could write one row twice
        self._waiting: dict[Read, dict[str, Any]] = {}
        self._timer: threading.Timer | None = None
        self._lost = 0

    def note(self, read: Read, request_id: str | None) -> None:
        """Notes one read. Never raises, never waits for the database."""
        with self._lock:
            known = self._waiting.get(read)
            if known:
                known["times"] += 1
            elif len(self._waiting) >= MOST_WAITING:
                self._lost += 1
            else:
                self._waiting[read] = {**asdict(read), "times": 1, "request_id": request_id,
                                       "read_at": datetime.datetime.now(datetime.UTC).isoformat()}  # fmt: skip
            self._start_timer()

    def flush(self) -> None:
        """Writes what was noted so far. What cannot be written now waits on, and stands in the log."""
        with self._writing:
            with self._lock:
                self._timer = None
                taken, self._waiting = self._waiting, {}
                lost, self._lost = self._lost, 0
            if lost:
                logger.error("reads of personal data not noted: the database was away too long", extra={"lost": lost})
            left = list(taken.items())
            try:
                while left:
                    self._write([row for _, row in left[:AT_ONCE]])
                    left = left[AT_ONCE:]
            except DatabaseError as problem:
                logger.warning("reads of personal data wait for the database: %s", type(problem).__name__)
                self._keep(left)

    def _keep(self, left: list[tuple[Read, dict[str, Any]]]) -> None:
        with self._lock:
            for read, row in left:
                known = self._waiting.get(read)
                times = known["times"] if known else 0
                self._waiting[read] = {**row, "times": row["times"] + times}
            self._start_timer()

    def _start_timer(self) -> None:
        if self._timer is None and self.every is not None and self._waiting:
            self._timer = threading.Timer(self.every, self.flush)
            self._timer.daemon = True
            self._timer.start()


def shows(way: str, record_type: str = "", argument: str = "") -> Callable[[View], View]:
    """Marks a view as one that shows personal data: `way` in the office's words, and which record by its path."""

    def mark(view: View) -> View:
        view.shows = (way, record_type, argument)  # type: ignore[attr-defined]
        return view

    return mark


def showing(way: str) -> None:
    """Says that this very answer shows personal data: for a view whose other answers show none."""
    g.shown = (way, "", "")


def connect(app: Flask) -> None:
    """Notes every answer of which is said what it shows."""
    _reads.every = None if app.testing else WRITTEN_EVERY
    app.after_request(_note)


def flush() -> None:
    """Writes what this process has noted. Called as it ends."""
    _reads.flush()


def _note(response: Response) -> Response:
    view = current_app.view_functions.get(request.endpoint or "")
    shown = g.get("shown") or getattr(view, "shows", None)
    seen = shown is not None and response.status_code in DONE and request.method != "HEAD"
    user = user_or_none() if seen else None
    if shown is not None and user is not None:
        way, record_type, argument = shown
        by = actor()
        record_id = str((request.view_args or {}).get(argument, "")) if argument else ""
        read = Read(user.user_id, user.token_id, way, record_type, record_id.upper()[:40], by.ip)
        _reads.note(read, by.request_id)
    return response


def _write(rows: Sequence[dict[str, Any]]) -> None:
    call_function("note_reads", {"rows": json.dumps(list(rows))})


_reads = Reads(_write, every=None)
