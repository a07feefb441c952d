"""Requests come first: while a process answers one, its workers begin no further task, for a while."""

import threading
from types import TracebackType

from gevent import monkey

# Seconds that a worker lets requests pass. A page takes less; many at once, or a slow upload, must not stop the queue.
LONGEST_WAIT = 0.03
_native_lock = monkey.get_original("_thread", "allocate_lock")


class Precedence:
    """A block that is inside comes before those who `give_way`. Safe from every thread."""

    def __init__(self) -> None:
        self._lock = _native_lock()
        self._inside = 0
        self._nobody = threading.Event()
        self._nobody.set()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            first = self._inside == 1
        if first:
            self._nobody.clear()

    def __exit__(
        self, sort: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._inside -= 1
            last = self._inside == 0
        if last:
            self._nobody.set()

    def give_way(self) -> bool:
        """Waits while somebody is inside, LONGEST_WAIT seconds at most; whether there was anybody."""
        if not self._inside:
            return False
        self._nobody.wait(LONGEST_WAIT)
        return True
