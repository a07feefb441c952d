"""A process answers a few requests at a time, in the order in which they came; the others wait at the door.

Without that a crowd is served all at once: each step of a request waits for a step of all others, so that a request of
many steps (an upload) takes many times as long as the queue, and all fight for the connections to the database. With it
the same work is done, and nobody waits for those who came later.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from portal.web.protection import WSGIApplication

Environ = dict[str, Any]
LONGEST_WAIT = 20.0  # seconds, of the 60 that nginx waits for an answer
LONGEST_STANDSTILL = 5.0  # seconds; who holds all turns for longer waits for another server or for a slow sender
BUSY_LASTS = 1.0  # seconds
LARGE = 1024 * 1024  # bytes of a request that may come as slowly as somebody's line
# Asked by whoever looks whether the portal is well, also while a crowd waits; sign-in waits for its own turns to hash.
NO_TURN = ("/health", "/metrics", "/login", "/media/")
FROM_A_STORE = ("/content", "/preview")   # of a document: it waits for the disk or for Drive, as /media/ does


class Turns:
    """So many turns. Who gives one back hands it to whoever has waited longest; nobody who comes later is faster."""

    def __init__(self, at_once: int) -> None:
        self._lock, self._free, self._half = threading.Lock(), at_once, at_once // 2
        self._waiting: deque[threading.Lock] = deque()
        self._busy_until, self._given_back = 0.0, 0

    @property
    def all_taken(self) -> bool:
        """Whether somebody who came now would have to wait."""
        return self._free <= 0

    def is_busy(self) -> bool:
        """Whether half of the turns were taken at once within the last second."""
        return time.monotonic() < self._busy_until

    def take(self, longest: float) -> bool:
        """Waits for a turn; False when none came back for `longest` seconds, or none was ours for LONGEST_WAIT."""
        until = time.monotonic() + LONGEST_WAIT
        with self._lock:
            if self._free - 1 <= self._half:
                self._busy_until = time.monotonic() + BUSY_LASTS
            if self._free > 0:
                self._free -= 1
                return True
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append(ticket)
            seen = self._given_back
        while not ticket.acquire(timeout=longest):
            with self._lock:
                if ticket not in self._waiting:
                    return True   # handed over at the last moment
                if self._given_back == seen or time.monotonic() > until:
                    self._waiting.remove(ticket)
                    return False
                seen = self._given_back
        return True

    def give_back(self) -> None:
        """Hands the turn on, or keeps it for the next who comes."""
        with self._lock:
            self._given_back += 1
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


def in_turn(answer: WSGIApplication, turns: Turns, waits: Callable[[Environ], bool]) -> WSGIApplication:
    """The application, where requests for which `waits` is true take a turn of `turns`, or go on without one (see
    `Turns.take`). A turn lasts until the answer begins: a stream, or somebody who reads slowly, holds none.
    """
    def answer_in_turn(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not waits(environ):
            return answer(environ, start_response)
        has_turn = turns.take(LONGEST_STANDSTILL)
        try:
            return answer(environ, start_response)
        finally:
            if has_turn:
                turns.give_back()

    return answer_in_turn


def behind_the_door(answer: WSGIApplication, door: Turns) -> WSGIApplication:
    """The application that answers as many requests at a time as `door` has turns (WEB_AT_ONCE)."""
    return in_turn(answer, door, _waits_at_the_door)


def length_of(environ: Environ) -> int | None:
    """The bytes of a request's body as it says; None when it does not say."""
    written = environ.get("CONTENT_LENGTH") or ""
    return int(written) if written.isdigit() and len(written) < 19 else None


def _waits_at_the_door(environ: Environ) -> bool:
    path = environ.get("PATH_INFO", "")
    if path.startswith(NO_TURN) or path.endswith(FROM_A_STORE):
        return False
    length = length_of(environ)
    return environ.get("REQUEST_METHOD") in ("GET", "HEAD") or (length is not None and length <= LARGE)
