"""One queue in a process of its own, for benchmarks/task_queue.py: `produce` stores no-op tasks, `work` runs them.

    python benchmarks/task_queue_peers.py PEER work|produce

Every task appends the moment it ran (monotonic seconds, eight bytes) to the file BENCH_TICKS; that costs each queue the
same two microseconds and works across processes. A producer reads orders from its standard input, one number of tasks
a line ("many 1000" for one call), and answers the seconds it took; "1" answers the moment before the call.
"""

import os
import sys

PEER, ROLE = (sys.argv[1], sys.argv[2]) if len(sys.argv) > 2 else ("", "")
from gevent import monkey

if PEER.startswith("portal") or PEER.endswith("gevent"):
    monkey.patch_all()

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gevent.fileobject import FileObjectPosix

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

WORKERS = 15
TICKS = os.open(os.environ["BENCH_TICKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT) if PEER else -1
REDIS = os.environ.get("BENCH_REDIS", "")
POSTGRES = os.environ.get("BENCH_POSTGRES", "")


def monkey_patched() -> bool:
    """Whether this process works with greenlets."""
    return bool(monkey.is_module_patched("socket"))


def tick() -> None:
    """What every no-op task does."""
    os.write(TICKS, struct.pack("d", time.monotonic()))


class Peer:
    """A queue: `one` stores a task, `many` several in one call where it can, `run` works until it is killed."""

    def __init__(
        self, one: Callable[[], Any], run: Callable[[], Any], many: Callable[[int], Any] | None = None
    ) -> None:
        self.one, self.run, self.many = one, run, many


def portal() -> Peer:
    """Ours, as it runs in a web process: greenlets."""
    import database_pool
    import task_queue
    from config import load_settings, use_settings

    use_settings(load_settings({
        "DATABASE_URL": POSTGRES, "SECRET_KEY": "x" * 40, "DATA_DIR": os.environ["BENCH_FOLDER"],
        "LOG_DIR": os.environ["BENCH_FOLDER"], "TASK_WORKERS": str(WORKERS)}))  # fmt: skip
    database_pool.start_database()
    task_queue.task("bench.tick")(tick)

    def one() -> None:
        with database_pool.transaction() as tx:
            task_queue.enqueue(tx, "bench.tick")

    def many(number: int) -> None:
        with database_pool.transaction() as tx:
            task_queue.enqueue_many(tx, "bench.tick", [{}] * number)

    def run() -> None:
        task_queue.task_queue.start()
        while True:
            time.sleep(1)

    if PEER == "portal-here":
        task_queue.task_queue.start()
    return Peer(one, run, many)


def procrastinate() -> Peer:
    """Tasks as coroutines, its fastest way."""
    import procrastinate as library
    from procrastinate import PsycopgConnector, SyncPsycopgConnector

    connector: Any = PsycopgConnector if ROLE == "work" else SyncPsycopgConnector
    app = library.App(connector=connector(conninfo=POSTGRES))
    if ROLE == "produce":
        app.open()

    async def act() -> None:
        tick()

    task = app.task(name="tick")(act)
    run = lambda: app.run_worker(concurrency=WORKERS)  # noqa: E731
    many = lambda number: task.batch_defer(*[{}] * number)  # noqa: E731
    return Peer(task.defer, run, many)


def huey() -> Peer:
    """On PostgreSQL, on Redis, and on Redis with priorities; greenlets or threads."""
    import huey as library

    if PEER.startswith("huey-postgres"):
        queue = library.PostgresHuey("bench", dsn=POSTGRES)
    else:
        make = library.PriorityRedisHuey if "priority" in PEER else library.RedisHuey
        queue = make("bench", url=REDIS)
    task = queue.task()(tick)
    sort = "greenlet" if PEER.endswith("gevent") else "thread"
    return Peer(task, lambda: queue.create_consumer(workers=WORKERS, worker_type=sort).run())


def rq() -> Peer:
    """A pool of workers that do not fork for each task: its fastest way."""
    from redis import Redis
    from rq import Queue, SimpleWorker
    from rq.worker_pool import WorkerPool

    connection = Redis.from_url(REDIS)
    queue = Queue("bench", connection=connection)
    run = lambda: WorkerPool([queue], connection, WORKERS, SimpleWorker).start()  # noqa: E731
    many = lambda n: queue.enqueue_many([Queue.prepare_data(TASK_OF_RQ) for _ in range(n)])  # noqa: E731
    return Peer(lambda: queue.enqueue(TASK_OF_RQ), run, many)


TASK_OF_RQ = "benchmarks.task_queue_peers.tick_of_rq"


def tick_of_rq() -> None:
    """RQ names its tasks by import, in processes that know nothing of this one."""
    file = os.open(os.environ["BENCH_TICKS"], os.O_WRONLY | os.O_APPEND)
    os.write(file, struct.pack("d", time.monotonic()))
    os.close(file)


def dramatiq() -> Peer:
    """Threads or greenlets."""
    import dramatiq as library
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=REDIS)
    library.set_broker(broker)
    actor = library.actor(tick)

    def run() -> None:
        library.Worker(broker, worker_threads=WORKERS).start()
        while True:
            time.sleep(1)

    return Peer(actor.send, run)


def celery() -> Peer:
    """Threads or greenlets, without results."""
    from celery import Celery

    app = Celery("bench", broker=REDIS, broker_connection_retry_on_startup=True, task_ignore_result=True)
    task = app.task(name="tick")(tick)
    pool = "gevent" if PEER.endswith("gevent") else "threads"
    options = ["worker", "-P", pool, "-c", str(WORKERS), "--loglevel", "ERROR"]
    return Peer(task.delay, lambda: app.worker_main(options))


def serve(peer: Peer) -> None:
    """Stores tasks as ordered, one line of standard input after the other."""
    print("ready", flush=True)
    # Under gevent a plain read of a pipe would hold up every greenlet.
    orders = FileObjectPosix(0, "r") if monkey_patched() else sys.stdin
    for line in orders:
        words = line.split()
        began = time.monotonic()
        if words[0] == "many":
            assert peer.many is not None
            peer.many(int(words[1]))
        else:
            for _ in range(int(words[0])):
                peer.one()
        print(began if words == ["1"] else time.monotonic() - began, flush=True)


if __name__ == "__main__":
    makers = {f.__name__: f for f in (portal, procrastinate, huey, rq, dramatiq, celery)}
    chosen = makers[PEER.split("-")[0]]()
    if ROLE == "work":
        chosen.run()
    else:
        serve(chosen)
