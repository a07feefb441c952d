"""What each process counts about itself, readable from all of them: requests, providers, pool, cache, memory.

prometheus_client keeps each process's figures in a file of their own under PROMETHEUS_MULTIPROC_DIR. A file belongs to
a place among the web processes and not to a process number, so that the successor of a recycled one goes on counting in
it and a year of recycling leaves as many files as there are places. A worker process without pages counts under its
number; the next start of the portal clears what dead ones left.
"""

import contextlib
import functools
import os
import threading
import time
from pathlib import Path

import prometheus_client
import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values
from prometheus_client.core import Metric

from cache_manager import cache_manager
from config import settings
from database_pool import database_statistics

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
REPORT_EVERY = 5.0   # seconds
WEIGH_EVERY = 15.0   # seconds; reading the proportional set size walks all of a process's memory
RESERVED = {"histogram": 4 * 1024**2, "counter": 1024**2, "gauge_all": 1024**2}   # bytes
_place = 0
_last = {"hits": 0, "misses": 0, "weighed": 0.0}


def _place_or_process() -> str:
    return f"place{_place}" if _place else str(os.getpid())


# The library has chosen by the environment when it was imported.
_shared = values.ValueClass is not values.MutexValue
if _shared:
    values.ValueClass = values.MultiProcessValue(_place_or_process)  # type: ignore[no-untyped-call]

ANSWERED = Histogram(
    "portal_request_seconds", "Time from a request to its answer.", ["method", "route", "status"], buckets=BUCKETS)
ASKED = Histogram(
    "portal_provider_seconds", "Time a provider took to answer, by what came of it.", ["provider", "outcome"],
    buckets=BUCKETS)
CACHE = Counter("portal_cache_lookups", "Looks into the cache, by what they found.", ["found"])
_all = functools.partial(Gauge, multiprocess_mode="all")
PROCESS = _all("portal_process_id", "The number of the process that has a place.")
STARTED = _all("portal_process_started_seconds", "When that process began, in seconds since 1970.")
MEMORY = _all("portal_process_memory_bytes", "Its memory: pss shares what is shared, uss is its alone.", ["kind"])
REPORTED = _all("portal_process_reported_seconds", "When it last reported, in seconds since 1970.")
POOL = _all("portal_pool_connections", "Database connections of a process.", ["state"])
POOL_STATES = ("limit", "in_use", "idle", "waiting", "peak", "opened", "timeouts")
CACHE_UP = _all("portal_cache_shared", "1 while a process uses Redis and it answers, 0 while it remembers alone.")
NAMES = frozenset({
    "portal_request_seconds", "portal_provider_seconds", "portal_cache_lookups", "portal_process_id",
    "portal_process_started_seconds", "portal_process_memory_bytes", "portal_process_reported_seconds",
    "portal_pool_connections", "portal_cache_shared"})  # fmt: skip


def take_place(number: int) -> None:
    """This process counts in the file of that place (1 and up) from now on. Called after the fork."""
    global _place  # noqa: PLW0603 - one process, one place
    _place = number
    _last.update(hits=0, misses=0, weighed=0.0)
    _reserve()


def registry() -> CollectorRegistry:
    """The figures of all processes, gathered now."""
    if not _shared:
        return prometheus_client.REGISTRY
    gathered = CollectorRegistry()
    multiprocess.MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]
    return gathered


def gathered() -> dict[str, Metric]:
    """What all processes have counted by now, by the name of the metric; read once, because each reading costs."""
    return {metric.name: metric for metric in registry().collect() if metric.name in NAMES}


def start_reporting() -> None:
    """Reports this process's state every few seconds from now on. Called after the fork."""
    threading.Thread(target=_report_for_ever, name="measures", daemon=True).start()


def report() -> None:
    """Notes the state of this process: connections, cache, memory."""
    process, moment = psutil.Process(), time.time()
    PROCESS.set(process.pid)
    STARTED.set(process.create_time())
    REPORTED.set(moment)
    if moment - _last["weighed"] >= WEIGH_EVERY:
        _last["weighed"] = moment
        for kind, size in weight(process).items():
            MEMORY.labels(kind).set(size)
    pool = database_statistics()
    for state in POOL_STATES:
        POOL.labels(state).set(pool.get(state, 0))
    stats = cache_manager.get_stats()
    CACHE_UP.set(stats["backend"] == "redis")
    for found in ("hits", "misses"):
        CACHE.labels(found).inc(max(stats[found] - _last[found], 0))
        _last[found] = stats[found]


def weight(process: psutil.Process) -> dict[str, int]:
    """Memory of a process in bytes: `pss` (Linux) and `uss`, or `rss` where the system tells no more."""
    try:
        full = process.memory_full_info()
    except (psutil.AccessDenied, AttributeError):
        return {"rss": process.memory_info().rss}
    return {kind: int(getattr(full, kind)) for kind in ("pss", "uss", "rss") if hasattr(full, kind)}


def provider_answered(provider: str, outcome: str, *, since: float) -> None:
    """Counts one call of a provider. `outcome` is one word of few; `since` what time.perf_counter() said before it."""
    ASKED.labels(provider, outcome).observe(time.perf_counter() - since)


def clear_the_dead(folder: Path) -> None:
    """Forgets what web processes counted before this start, and worker processes that are gone."""
    for path in folder.glob("*.db"):
        owner = path.stem.rsplit("_", 1)[-1]
        if not owner.isdecimal() or not psutil.pid_exists(int(owner)):
            path.unlink(missing_ok=True)


def _reserve() -> None:
    """Takes the room that this process's files will need. They are mapped into memory: with holes in them, a disk that
    fills up would end the process at its next count (SIGBUS).
    """
    if not _shared or not hasattr(os, "posix_fallocate"):
        return
    for kind, size in RESERVED.items():
        path = settings().data_dir / "metrics" / f"{kind}_{_place_or_process()}.db"
        with contextlib.suppress(OSError), path.open("a+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def _report_for_ever() -> None:
    mine = os.getpid()
    while os.getpid() == mine:
        report()
        time.sleep(REPORT_EVERY)
