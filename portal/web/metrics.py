"""Counts and times every request, by route, and notes the slow ones in the log; and counts the calls of Drive."""

import functools
import time

from flask import Flask, Response, g, request

import batch_file_operations
from portal.measures import ANSWERED, provider_answered

SLOW = 1.0  # seconds, from which a request gets a line of its own in the log


def connect(app: Flask) -> None:
    """Counts every request. Event streams last as long as somebody looks and are left out."""
    batch_file_operations.count_drive_calls_by(functools.partial(provider_answered, "drive"))
    app.before_request(_begin)

    @app.after_request
    def count(response: Response) -> Response:
        if "began" in g and response.mimetype != "text/event-stream":
            route = str(request.url_rule) if request.url_rule else "none"
            taken = time.perf_counter() - g.began
            ANSWERED.labels(request.method, route, str(response.status_code)).observe(taken)
            if taken >= SLOW:
                app.logger.warning("slow request", extra={"seconds": round(taken, 3), "status": response.status_code})
        return response


def _begin() -> None:
    g.began = time.perf_counter()
