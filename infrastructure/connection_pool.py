"""A fair pool of connections of any kind: `size` are kept, `overflow` more are opened when waiting gets long.

Why not a library's: under gevent a pool must hand a returned connection to whoever has waited longest. A plain LIFO
queue lets the releasing greenlet take its own connection back, and others starve for seconds; the known fair pools
cost more per hand-over than a query by primary key. And a greenlet may be killed at any point: whatever it held or
was just given must go on to the next in line.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gevent import monkey

from infrastructure.errors import PoolExhausted

Connection = TypeVar("Connection")
CHECK_AFTER = 1.0  # seconds idle, after which a look at the socket is worth its price
GROW_AFTER = 0.05  # seconds of waiting before another server process is opened: most waits end within a query's length
CLOSE_IDLE_AFTER = 60.0  # seconds without use, for connections above `size`


# Nothing under the pool's lock gives way to another greenlet, so the real lock does; gevent's costs ten times as much.
_native_lock = monkey.get_original("_thread", "allocate_lock")


class Opener(Protocol[Connection]):
    """Makes and ends the connections of a pool."""

    def open(self, deadline: float) -> Connection:
        """A new connection, before `deadline` (monotonic seconds); raises Unavailable."""

    def close(self, connection: Connection) -> None:
        """Ends it; never raises."""

    def is_alive(self, connection: Connection) -> bool:
        """Whether an idle connection still seems usable, without asking the server."""


class _Waiter(Generic[Connection]):
    __slots__ = ("connection", "may_open", "served")

    def __init__(self) -> None:
        self.served = threading.Event()
        self.connection: Connection | None = None
        self.may_open = False


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Figures of a pool in this process; times in seconds."""

    size: int
    limit: int
    in_use: int
    idle: int
    waiting: int
    peak: int
    opened: int
    timeouts: int
    waited: float
    longest_wait: float


class ConnectionPool(Generic[Connection]):
    """Hands out connections, each to one caller at a time, first come first served."""

    def __init__(self, opener: Opener[Connection], size: int = 15, overflow: int = 30, timeout: float = 45.0) -> None:
        if size < 1 or overflow < 0 or timeout <= 0:
            raise ValueError("a pool needs a size above 0, an overflow of 0 or more, and a timeout above 0 seconds")
        self._opener, self.size, self.limit, self.timeout = opener, size, size + overflow, timeout
        self._lock = _native_lock()
        self._idle: list[tuple[Connection, float]] = []
        self._waiters: deque[_Waiter[Connection]] = deque()
        self._in_use = self._peak = self._opened = self._timeouts = 0
        self._waited = self._longest_wait = 0.0
        self._closed = False

    def acquire(self, deadline: float) -> Connection:
        """A connection for the caller alone, before `deadline` (monotonic seconds) or the pool's timeout.

        Raises PoolExhausted when none became free in time, Unavailable when none could be opened.
        """
        waiter: _Waiter[Connection] | None = None
        with self._lock:
            if self._closed:
                raise PoolExhausted("the database pool is closed")
            if not self._waiters and (self._idle or self._in_use < self.size):
                self._in_use += 1
                self._peak = max(self._peak, self._in_use)
                found = self._idle.pop() if self._idle else None
            else:
                waiter = _Waiter()
                self._waiters.append(waiter)
        if waiter is not None:
            connection = self._wait(waiter, min(deadline, time.monotonic() + self.timeout))
            return self._open(deadline) if connection is None else connection
        if found is None:
            return self._open(deadline)
        connection, since = found
        if time.monotonic() - since < CHECK_AFTER or self._opener.is_alive(connection):
            return connection
        self._opener.close(connection)
        return self._open(deadline)

    def release(self, connection: Connection, *, broken: bool) -> None:
        """Takes a connection back; a broken one is closed and its place goes to the next in line."""
        surplus: list[Connection] = []
        with self._lock:
            if broken or self._closed:
                surplus.append(connection)
                self._pass_on(None)
            elif self._waiters:
                self._pass_on(connection)
            else:
                self._in_use -= 1
                now = time.monotonic()
                self._idle.append((connection, now))
                if len(self._idle) + self._in_use > self.size and now - self._idle[0][1] > CLOSE_IDLE_AFTER:
                    surplus.append(self._idle.pop(0)[0])
        for unwanted in surplus:
            self._opener.close(unwanted)

    def drop_idle(self) -> None:
        """Closes what lies idle: one broken connection usually means that the server went away from all of them."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            self._opener.close(connection)

    def close(self) -> None:
        """Closes the idle connections now and the ones in use when they come back; acquiring fails from here on."""
        self._closed = True
        self.drop_idle()

    def statistics(self) -> PoolStatistics:
        """The pool's figures at this moment."""
        with self._lock:
            return PoolStatistics(
                self.size, self.limit, self._in_use, len(self._idle), len(self._waiters), self._peak, self._opened,
                self._timeouts, round(self._waited, 6), round(self._longest_wait, 6),
            )  # fmt: skip

    def _open(self, deadline: float) -> Connection:
        try:
            connection = self._opener.open(deadline)
        except BaseException:
            with self._lock:
                self._pass_on(None)
            raise
        self._opened += 1
        return connection

    def _pass_on(self, connection: Connection | None) -> None:
        """Gives a place (and its connection, or the right to open one) to the longest waiter. Holds the lock."""
        if not self._waiters:
            self._in_use -= 1
            return
        waiter = self._waiters.popleft()
        waiter.connection, waiter.may_open = connection, connection is None
        waiter.served.set()

    def _wait(self, waiter: _Waiter[Connection], until: float) -> Connection | None:
        """Waits in line; None means: the place is yours, open the connection yourself."""
        began = time.monotonic()
        try:
            # A full pool cannot grow: one wait then, as every timer that runs out costs as much as a query.
            full = self._in_use + len(self._idle) >= self.limit
            if full or not (waiter.served.wait(min(GROW_AFTER, until - began)) or self._may_grow(waiter)):
                waiter.served.wait(max(0.0, until - time.monotonic()))
        except BaseException:
            # Killed while waiting (gevent.Timeout, GreenletExit): what was given in the same instant must not be lost.
            with self._lock:
                if not self._leave_line(waiter):
                    self._pass_on(waiter.connection)
            raise
        waited = time.monotonic() - began
        self._waited += waited
        if waited > self._longest_wait:
            self._longest_wait = waited
        if waiter.connection is None and not waiter.may_open:
            with self._lock:
                if self._leave_line(waiter):
                    self._timeouts += 1
                    raise PoolExhausted(f"no database connection became free within {waited:.1f} seconds")
        return waiter.connection

    def _may_grow(self, waiter: _Waiter[Connection]) -> bool:
        with self._lock:
            if waiter.may_open or waiter.connection is not None:
                return True  # served in this instant
            if self._in_use + len(self._idle) >= self.limit:
                return False
            self._waiters.remove(waiter)
            self._in_use += 1
            self._peak = max(self._peak, self._in_use)
            waiter.may_open = True
            return True

    def _leave_line(self, waiter: _Waiter[Connection]) -> bool:
        """Whether the waiter was still in line, and is no more. Holds the lock."""
        if waiter.may_open or waiter.connection is not None:
            return False
        self._waiters.remove(waiter)
        return True
