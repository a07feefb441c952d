"""When sessions were last used: noted once a minute each, by one statement for all that a process saw in ten seconds.

Five processes with five hundred colleagues would else read and write sessions more often than anything else. What is
not written yet when a process is killed is noted at the next click.
"""

import datetime
import threading
from typing import Any

from cachetools import LRUCache

from database_pool import Transaction
from portal import formats

EVERY = datetime.timedelta(minutes=1)
TOGETHER = datetime.timedelta(seconds=10)   # at most one statement in that time
AT_ONCE = datetime.timedelta(minutes=10)    # after so long it is not put off: it is what keeps the session alive
MOST = 5000   # sessions whose last use a process remembers
_NEVER = datetime.datetime.min.replace(tzinfo=datetime.UTC)


class Uses:
    """What one process knows of the uses of sessions, by their keys."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: LRUCache[str, datetime.datetime] = LRUCache(MOST)
        self._unwritten: set[str] = set()
        self._written_at = _NEVER

    def last(self, row: dict[str, Any]) -> datetime.datetime:
        """When the session was last used, as far as this process knows."""
        with self._lock:
            return self._last(row)

    def note(self, row: dict[str, Any]) -> list[str]:
        """It is used now. Answers the keys that `write` is to note, mostly none."""
        now = formats.now()
        with self._lock:
            since = now - self._last(row)
            if since < EVERY:
                return []
            self._known[row["token_hash"]] = now
            self._unwritten.add(row["token_hash"])
            if since < AT_ONCE and datetime.timedelta(0) <= now - self._written_at < TOGETHER:
                return []   # with the next ones; a clock that was set back puts nothing off
            keys, self._unwritten, self._written_at = sorted(self._unwritten), set(), now
        return keys

    def _last(self, row: dict[str, Any]) -> datetime.datetime:
        stored: datetime.datetime = row["last_seen_at"]
        return max(stored, self._known.get(row["token_hash"], stored))


def write(tx: Transaction, keys: list[str]) -> None:
    """Keeps these sessions from going idle. Those that another process has noted meanwhile stay as they are."""
    now = formats.now()
    tx.update("sessions", {"last_seen_at": now}, filters={"token_hash_in": keys, "last_seen_at_lt": now - EVERY})


of_this_process = Uses()
