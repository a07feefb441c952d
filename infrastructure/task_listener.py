"""A worker process's own session on PostgreSQL: it hears of new tasks at once, and its lock shows that it lives.

When the process dies, however it dies, PostgreSQL ends the session and frees the lock: others see it within a second.
Through a transaction pooler sessions are not one's own, and over REST there are none: leases and polling do there.
"""

import logging
import threading
import time
from collections.abc import Callable

import psycopg

from infrastructure.postgres_backend import connect_once

logger = logging.getLogger("task_queue")
LOCK_SPACE = 4711  # first number of the lock; the second is the worker's. The SQL function rescue_tasks looks for it.
LONGEST_PAUSE = 0.5  # seconds between attempts to connect; rescue_tasks waits 2 for whoever lost its session
RAN_LONG = 5.0  # seconds after which a session that is lost counts as the first one
LOOK_AROUND = 0.5  # seconds after which the thread looks whether it shall stop


def owns_its_session(address: str) -> bool:
    """Whether a connection to `address` is a session of its own: a transaction pooler answers with made-up numbers.

    Raises psycopg.Error.
    """
    with connect_once(address) as connection:
        found = connection.execute("select pg_backend_pid()").fetchone()
        return found is not None and found[0] == connection.info.backend_pid


class TaskListener:
    """Listens in a thread of its own until `stop`; connects again when the session is lost."""

    def __init__(self, address: Callable[[], str], wake: Callable[[], None]) -> None:
        self._address, self._wake = address, wake
        self._worker = 0
        self._stopping = False
        self.connected = threading.Event()

    def start(self, worker: int) -> None:
        """Takes the lock of that worker number and begins to listen."""
        self._worker = worker
        threading.Thread(target=self._run, name="task-listener", daemon=True).start()

    def become(self, worker: int) -> None:
        """The process has a new number: within a second its lock is held instead of the old one's."""
        self._worker = worker

    def stop(self) -> None:
        """Ends the session, and with it the lock, within a second."""
        self._stopping = True

    def _run(self) -> None:
        pause = 0.1
        while not self._stopping:
            began = time.monotonic()
            try:
                self._listen(self._worker)
            except (psycopg.Error, OSError) as error:
                if pause < LONGEST_PAUSE:  # not twice a second for as long as the database is away
                    logger.warning("the queue's session was lost: %s", type(error).__name__)
            finally:
                self.connected.clear()
            pause = 0.1 if time.monotonic() - began > RAN_LONG else min(LONGEST_PAUSE, pause * 2)
            if not self._stopping:
                time.sleep(pause)

    def _listen(self, worker: int) -> None:
        with connect_once(self._address()) as connection:
            connection.execute("select pg_advisory_lock(%s, %s)", (LOCK_SPACE, worker))
            connection.execute("listen tasks")
            self.connected.set()
            self._wake()  # something may have been stored while nobody listened
            while not self._stopping and worker == self._worker:
                for _ in connection.notifies(timeout=LOOK_AROUND, stop_after=1):
                    self._wake()
