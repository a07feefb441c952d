"""Connections to the outside that one process keeps open between requests, each used by one caller at a time."""

import ssl
import threading
from collections import deque
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from select import POLLERR, POLLHUP, POLLIN
from typing import Any

import certifi
from gevent import monkey

# The real poll(), not gevent's: with a timeout of 0 it never waits, and the emulation would cost a trip through the
# loop.
_poll = monkey.get_original("select", "poll")


class _Whole(HTTPConnection):
    """Sends a request in one piece: head and body apart are two packets, and two turns of the processor."""

    _pieces: tuple[bytes, ...] = ()

    def send(self, data: Any) -> None:
        self._pieces += (data,)

    def getresponse(self) -> HTTPResponse:
        pieces, self._pieces = self._pieces, ()
        self.sock.sendall(b"".join(pieces))
        return super().getresponse()


class _WholeOverTLS(_Whole, HTTPSConnection):
    """The same for https."""


class Connections:
    """Open connections by scheme and host. A new one for each message costs twice the time and three times the CPU."""

    def __init__(self, most_kept: int, patience: float) -> None:
        """`most_kept` of one host stay open; a new one may take `patience` seconds."""
        self.most_kept, self._patience = most_kept, patience
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], deque[HTTPConnection]] = {}
        self._trusted = ssl.create_default_context(cafile=certifi.where())

    def take(self, scheme: str, host: str) -> HTTPConnection:
        """An open connection that nobody else uses. Raises OSError and the like when none comes about: then nothing was
        sent.
        """
        while (kept := self._kept(scheme, host)) is not None:
            if _is_open(kept):
                return kept
            kept.close()
        fresh = (
            _WholeOverTLS(host, timeout=self._patience, context=self._trusted) if scheme == "https"
            else _Whole(host, timeout=self._patience)
        )  # fmt: skip
        fresh.connect()
        # It is never quietly made anew: a request may have left on it already.
        fresh.auto_open = 0
        return fresh

    def give_back(self, scheme: str, host: str, connection: HTTPConnection) -> None:
        """Its answer was read to the end: the next request may use it, unless the other side ends it."""
        if connection.sock is None:
            return
        with self._lock:
            kept = self._idle.setdefault((scheme, host), deque())
            if len(kept) < self.most_kept:
                kept.append(connection)
                return
        connection.close()

    def _kept(self, scheme: str, host: str) -> HTTPConnection | None:
        with self._lock:
            kept = self._idle.get((scheme, host))
            return kept.pop() if kept else None


def _is_open(connection: HTTPConnection) -> bool:
    """Whoever ended it left an end-of-file in the socket: it is readable though nothing was asked."""
    if connection.sock is None:
        return False
    poll = _poll()
    poll.register(connection.sock.fileno(), POLLIN | POLLERR | POLLHUP)
    return not poll.poll(0)
