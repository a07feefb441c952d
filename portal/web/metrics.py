"""How many requests were answered, how, and how long they took: counted per route over all web processes.

prometheus_client keeps each process's figures in a file of their own under PROMETHEUS_MULTIPROC_DIR. A file belongs to
a place among the workers and not to a process number, so that the successor of a recycled worker goes on counting in it
and a year of recycling leaves as many files as there are workers.
"""

import os
import time

import prometheus_client
from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Histogram, multiprocess, values

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
_place = 0


def _place_or_process() -> str:
    return f"place{_place}" if _place else str(os.getpid())


# The library has chosen by the environment when it was imported.
_shared = values.ValueClass is not values.MutexValue
if _shared:
    values.ValueClass = values.MultiProcessValue(_place_or_process)  # type: ignore[no-untyped-call]

ANSWERED = Histogram(
    "portal_request_seconds", "Time from a request to its answer.", ["method", "route", "status"], buckets=BUCKETS)


def take_place(number: int) -> None:
    """This process counts in the file of that place (1 and up) from now on. Called after the fork."""
    global _place  # noqa: PLW0603 - one process, one place
    _place = number


def connect(app: Flask) -> None:
    """Counts every request. Event streams last as long as somebody looks and are left out."""
    app.before_request(_begin)
    app.after_request(_count)


def registry() -> CollectorRegistry:
    """The figures of all processes, gathered now."""
    if not _shared:
        return prometheus_client.REGISTRY
    gathered = CollectorRegistry()
    multiprocess.MultiProcessCollector(gathered)  # type: ignore[no-untyped-call]
    return gathered


def _begin() -> None:
    g.began = time.perf_counter()


def _count(response: Response) -> Response:
    if "began" in g and response.mimetype != "text/event-stream":
        route = str(request.url_rule) if request.url_rule else "none"
        taken = time.perf_counter() - g.began
        ANSWERED.labels(request.method, route, str(response.status_code)).observe(taken)
    return response
