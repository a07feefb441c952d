"""Our task queue against the libraries an agency would take instead, in one run, as ratios.

    venv/bin/pip install -r requirements_benchmarks.txt
    venv/bin/python benchmarks/task_queue.py [--tasks 10000] [--rounds 3] [--peers rq procrastinate ...] [--web]

procrastinate and huey on the same PostgreSQL (which keeps what it acknowledged); huey, RQ, dramatiq and Celery on a
Redis started here with its append-only file written every second. One worker process with 15 threads or greenlets (RQ:
15 processes). Drain: no-op tasks stored before, from the first to the last; latency: one task on an idle system, from
before the call that stores it to its first line. Rounds are interleaved, so that a machine that slows down slows down
everybody. --web measures instead what 1,000 tasks in a web process do to its pages. Exit code 1: a target was missed.
"""

import argparse
import math
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import requests
from redis import Redis

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers.portal import RunningPortal
from tests.servers.postgres import PostgresServer
from tests.servers.processes import ending_with_us, free_port, wait_for

ON_REDIS = ("huey-redis-gevent", "huey-redis-threads", "huey-priority-gevent", "rq", "dramatiq-threads",
            "dramatiq-gevent", "celery-gevent", "celery-threads")  # fmt: skip
ON_POSTGRES = ("procrastinate", "huey-postgres-threads")
OURS = "portal"
SLOW = {"rq": 0.2, "procrastinate": 0.3, "celery-gevent": 0.3, "celery-threads": 0.3}  # part of the tasks they get
PING = 60  # tasks, one after the other, for the latency
SAYS_NOTHING_FOR = 60.0  # seconds without a task run, after which a peer counts as stuck


@dataclass
class Measured:
    """What the rounds of one queue gave; rates per second, latencies in seconds."""

    one_by_one: list[float] = field(default_factory=list)
    in_one_call: list[float] = field(default_factory=list)
    drain: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def latency(self, part: float) -> float:
        """The latency that this part of the tasks stayed under."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("nan")


class Ticks:
    """The file into which every task writes the moment it ran."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clear()

    def clear(self) -> None:
        """Nothing has run."""
        self.path.write_bytes(b"")

    def number(self) -> int:
        """How many have run."""
        return self.path.stat().st_size // 8

    def moments(self) -> list[float]:
        """When each ran, in order (monotonic seconds)."""
        content = self.path.read_bytes()
        return sorted(struct.unpack(f"{len(content) // 8}d", content))

    def wait_for(self, number: int) -> None:
        """Returns once so many have run. Raises TimeoutError when none runs any more."""
        before, since = -1, time.monotonic()
        while (now := self.number()) < number:
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > SAYS_NOTHING_FOR:
                raise TimeoutError(f"{now} of {number} tasks ran, then none for {SAYS_NOTHING_FOR:.0f} s")
            time.sleep(0.0005 if number == 1 else 0.01)


@dataclass
class Bench:
    """The servers that all queues share, and the processes of one queue at a time."""

    folder: Path
    postgres: PostgresServer
    redis: str
    ticks: Ticks

    def environment(self, peer: str) -> dict[str, str]:
        """What the processes of a peer read."""
        database = "portal" if peer.startswith("portal") else peer.split("-")[0]
        return {**os.environ, "BENCH_TICKS": str(self.ticks.path), "BENCH_REDIS": self.redis,
                "BENCH_POSTGRES": self.postgres.address(database), "BENCH_FOLDER": str(self.folder),
                "PYTHONPATH": str(ROOT)}  # fmt: skip

    @contextmanager
    def process(self, peer: str, role: str) -> Iterator["subprocess.Popen[str]"]:
        """A worker or producer of a peer, with all its children gone at the end."""
        with (self.folder / "peers.log").open("a") as log:
            running = subprocess.Popen(
                [*ending_with_us("KILL"), sys.executable, str(ROOT / "benchmarks" / "task_queue_peers.py"), peer, role],
                text=True, stderr=log, stdin=subprocess.PIPE, stdout=subprocess.PIPE if role == "produce" else log,
                env=self.environment(peer), start_new_session=True)  # fmt: skip
        try:
            yield running
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()

    @contextmanager
    def producer(self, peer: str) -> Iterator[Callable[[str], float]]:
        """Orders tasks: "500", "many 1000", "1"; answers what the producer said."""
        with self.process(peer, "produce") as running:
            assert running.stdin is not None and running.stdout is not None
            asks, answers = running.stdin, running.stdout

            def order(what: str) -> float:
                asks.write(f"{what}\n")
                asks.flush()
                return float(answers.readline())

            assert answers.readline() == "ready\n", (self.folder / "peers.log").read_text()[-2000:]
            yield order


@contextmanager
def bench() -> Iterator[Bench]:
    """PostgreSQL and Redis, both keeping what they acknowledged, and gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="portal-bench-"))
    folder.chmod(0o711)
    postgres = PostgresServer(durable=True)
    postgres.start()
    for name in ("portal", "procrastinate", "huey"):
        postgres.create_database(name)
    port = free_port()
    program = shutil.which("redis-server") or sys.exit("redis-server is not installed")
    redis = subprocess.Popen(
        [*ending_with_us("TERM"), program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
         "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
         "--logfile", str(folder / "redis.log")])  # fmt: skip
    log = folder / "redis.log"
    try:
        wait_for(lambda: log.exists() and "Ready to accept" in log.read_text(), "Redis", log=log)
        here = Bench(folder, postgres, f"redis://127.0.0.1:{port}/0", Ticks(folder / "ticks"))
        subprocess.run(
            [sys.executable, "-c", "import os, procrastinate as p; a = p.App(connector=p.SyncPsycopgConnector("
             "conninfo=os.environ['BENCH_POSTGRES'])); a.open(); a.schema_manager.apply_schema()"],
            env=here.environment("procrastinate"), check=True)  # fmt: skip
        yield here
    finally:
        redis.terminate()
        redis.wait()
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def drain(here: Bench, peer: str, tasks: int, found: Measured) -> None:
    """Stores tasks one by one and then many at once, starts a worker, and waits until it has run them all: not one is
    left over for what is measured next.
    """
    here.ticks.clear()
    Redis.from_url(here.redis).flushall()  # what a peer that was killed still held would come back by and by
    with here.producer(peer) as order:
        order("20")  # connections, plans and ids are there afterwards
        singles = min((tasks - 20) // 2, 1000)
        found.one_by_one.append(singles / order(str(singles)))
        rest = tasks - singles - 20
        if peer in (OURS, "procrastinate", "rq"):
            at_once = min(rest, 1000)
            found.in_one_call.append(at_once / order(f"many {at_once}"))
            for done in range(at_once, rest, 1000):
                order(f"many {min(rest - done, 1000)}")
        elif rest > 0:
            order(str(rest))
    with here.process(peer, "work"):
        here.ticks.wait_for(tasks)
    moments = here.ticks.moments()
    found.drain.append((len(moments) - 1) / (moments[-1] - moments[0]))


def ping(here: Bench, peer: str, found: Measured, *, here_too: bool = False) -> None:
    """One task after the other on an idle system; `here_too`: the producer itself runs tasks, as our web process."""
    here.ticks.clear()
    working = nullcontext() if here_too else here.process(peer, "work")
    with working, here.producer("portal-here" if here_too else peer) as order:
        for number in range(PING + 10):
            began = order("1")
            here.ticks.wait_for(number + 1)
            if number >= 10:
                found.latencies.append(here.ticks.moments()[-1] - began)
            time.sleep(0.02)


def bare_commit(here: Bench) -> float:
    """Seconds in the middle that the smallest commit takes here, asked for as seldom as the tasks of `ping`: mostly the
    disk's, and the least that a task costs which is kept before it runs.
    """
    waits = []
    with psycopg.connect(here.postgres.address("postgres"), autocommit=True) as sql:
        sql.execute("create table if not exists bare (number integer)")
        for number in range(PING):
            began = time.monotonic()
            sql.execute("insert into bare values (%s)", (number,))
            waits.append(time.monotonic() - began)
            time.sleep(0.02)
    return statistics.median(waits)


def compare(rounds: int, tasks: int, peers: Sequence[str]) -> dict[str, Measured]:
    """Ours and each of the peers in turn, `rounds` times."""
    found: dict[str, Measured] = {}
    with bench() as here:
        for _ in range(rounds):
            for peer in (OURS, *peers):
                measured = found.setdefault(peer, Measured())
                try:
                    drain(here, peer, int(tasks * SLOW.get(peer, 1)), measured)
                    ping(here, peer, measured)
                except TimeoutError as stuck:
                    print(f"{peer}: {stuck}", file=sys.stderr, flush=True)
            ping(here, OURS, found.setdefault("portal, same process", Measured()), here_too=True)
        print(f"the smallest durable commit on this disk: p50 {bare_commit(here) * 1000:.2f} ms", flush=True)
    return found


def report(found: dict[str, Measured]) -> bool:
    """Prints the table and the targets; whether all are met."""
    print(f"{'queue':24}{'one by one/s':>14}{'1,000 at once/s':>17}{'drain/s':>10}{'p50 ms':>9}{'p99 ms':>9}")
    for peer, m in found.items():
        columns = (m.one_by_one, m.in_one_call, m.drain)
        figures = [statistics.median(rates) if rates else float("nan") for rates in columns]
        print(f"{peer:24}{figures[0]:14,.0f}{figures[1]:17,.0f}{figures[2]:10,.0f}"
              f"{m.latency(0.5) * 1000:9.2f}{m.latency(0.99) * 1000:9.2f}")  # fmt: skip
    ours, handed = found[OURS], found["portal, same process"].latency(0.5)
    mine, one_by_one = statistics.median(ours.drain), statistics.median(ours.one_by_one)
    drains = {peer: statistics.median(m.drain) for peer, m in found.items() if peer != OURS and m.drain}
    latencies = [found[peer].latency(0.5) for peer in ON_REDIS if peer in found and found[peer].latencies]
    fastest, quickest = max(drains.values(), default=float("nan")), min(latencies, default=float("nan"))
    checks = (
        ("drain against the fastest peer of all", mine / fastest, ">=", 2.0),
        ("drain against procrastinate", mine / drains.get("procrastinate", float("nan")), ">=", 10.0),
        ("p50 latency in the storing process against the fastest on Redis", handed / quickest, "<=", 1.3),
        ("p50 latency in another process against the fastest on Redis", ours.latency(0.5) / quickest, "", 0.0),
        ("1,000 in one call against one by one", statistics.median(ours.in_one_call) / one_by_one, ">=", 5.0),
    )
    good = True
    for what, ratio, relation, target in checks:
        if math.isnan(ratio):
            continue  # its peer was not asked for, or gave no figure
        met = not relation or (ratio >= target if relation == ">=" else ratio <= target)
        good = good and met
        aim = f"(target {relation} {target:g}) {'met' if met else 'MISSED'}" if relation else "(no target)"
        print(f"{what}: {ratio:.2f} {aim}")
    return good


def page_waits(url: str, seconds: float, until: Callable[[], bool]) -> list[float]:
    """Seconds that a page took, 40 times a second from ten visitors, until the time is over and `until` holds."""
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=10))

    def ask(_: int) -> float:
        began = time.monotonic()
        assert session.get(f"{url}/login", timeout=30).status_code == 200
        return time.monotonic() - began

    waits = []
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(10) as visitors:
        while time.monotonic() < deadline or not until():
            coming = visitors.submit(ask, 0)
            time.sleep(0.025)
            waits.append(coming)
    return [wait.result() for wait in waits]


def load_on_the_web(rounds: int) -> bool:
    """p99 of the sign-in page of one web process, idle and while 1,000 tasks of 20 ms with a write run in it; these
    again and again until as many pages were asked for as of the idle one, as the 99th of few is the slowest of all.
    """
    ratios = []
    portal = RunningPortal(workers=1, application="benchmarks.web_with_tasks:application", TASK_WORKERS="15")
    portal.start()
    over = lambda: requests.get(f"{portal.url}/bench", timeout=30).text == "0"  # noqa: E731
    try:
        page_waits(portal.url, 2, lambda: True)
        for _ in range(rounds):
            idle = page_waits(portal.url, 8, lambda: True)
            busy: list[float] = []
            while len(busy) < len(idle):
                requests.post(f"{portal.url}/bench?tasks=1000", timeout=30).raise_for_status()
                busy += page_waits(portal.url, 0, over)
            tails = [sorted(waits)[int(len(waits) * 0.99)] for waits in (idle, busy)]
            ratios.append(tails[1] / tails[0])
            print(f"p99 idle {tails[0] * 1000:.1f} ms ({len(idle)} pages), while 1,000 tasks run "
                  f"{tails[1] * 1000:.1f} ms ({len(busy)} pages): {ratios[-1]:.2f}", flush=True)  # fmt: skip
    finally:
        portal.remove()
    ratio = statistics.median(ratios)
    print(f"p99 of a simple page while 1,000 tasks run: {ratio:.2f} (target <= 3) {'met' if ratio <= 3 else 'MISSED'}")
    return ratio <= 3


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    every = (*ON_POSTGRES, *ON_REDIS)
    parser.add_argument("--peers", nargs="+", choices=every, default=every, help="compare with these alone")
    parser.add_argument("--web", action="store_true", help="measure the pages of a web process that runs 1,000 tasks")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that everything started is ended as well
    good = load_on_the_web(asked.rounds) if asked.web else report(compare(asked.rounds, asked.tasks, asked.peers))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
