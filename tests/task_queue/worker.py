"""A worker process for tests: runs the tasks declared here until SIGTERM. `python -m tests.task_queue.worker gevent 4`.

`tests.tick` notes each run, and is on a schedule.
"""

import sys

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()

import signal
import threading
import time

import database_pool
import task_queue
from tests.task_queue.effects import note_run, work

__all__ = ["main", "note_run", "tick", "work"]


@task_queue.task("tests.tick")
def tick() -> None:
    """Notes that it ran."""
    with database_pool.transaction() as tx:
        tx.insert("test_ledger", {"record_id": 0})


if "schedule" in sys.argv:
    task_queue.schedule("tests.tick", every=1)


def main() -> None:
    """Runs until SIGTERM; then ends in order, and says how long that took."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    queue = task_queue.TaskQueue(int(sys.argv[2]))
    queue.start()
    while not asked.wait(0.1):
        pass
    began = time.monotonic()
    ended = queue.stop(10)
    database_pool.close_database()
    print(f"{ended} {time.monotonic() - began:.2f}", flush=True)


if __name__ == "__main__":
    main()
