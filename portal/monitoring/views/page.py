"""The page of the portal's health, and the stream that keeps it fresh."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import Response, render_template, request, stream_with_context
from werkzeug.wrappers import Response as BaseResponse

from database_pool import DatabaseError, transaction
from portal import measures
from portal.formats import now
from portal.jobs import service as jobs
from portal.monitoring import charts, exposition, journal, queries
from portal.monitoring.service import REMINDERS, SENDING
from portal.monitoring.views.routes import TITLES, blueprint
from portal.web import actor, flash, redirect_to, render, requires
from task_queue import task_queue

LOOK_EVERY = 3.0  # seconds
LONGEST_STREAM = 900.0  # seconds; a browser then connects again by itself, and is asked who it is
HISTORY = timedelta(hours=1)
SAID = {
    (False, True): "Sending is paused. Messages wait and nothing is lost.",
    (False, False): "Messages go out again.",
    (True, True): "The reminders of each morning are paused.",
    (True, False): "The reminders are written again. What is due stands under Messages, Outbox, within moments.",
}


@blueprint.get("/monitoring")
@requires("monitoring.read")
def page() -> Response:
    """Whether the portal is well, for people; without JavaScript "Look again" reloads it."""
    return render("monitoring/page.html", alerts=_alerts(), sending=SENDING, reminders=REMINDERS, **_told())


@blueprint.get("/monitoring/events")
@requires("monitoring.read")
def events() -> Response:
    """The part of the page that changes, as server-sent events."""
    answer = Response(stream_with_context(_stream()), mimetype="text/event-stream")
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep the events until the end
    return answer


@blueprint.post("/monitoring/sending")
@requires("queue.manage")
def sending() -> BaseResponse:
    """Lets all messages, or the reminders of each morning, wait or go on."""
    pause, reminders = request.form.get("wish") == "pause", request.form.get("what") == "reminders"
    with transaction() as tx:
        (jobs.pause_name if pause else jobs.resume_name)(tx, actor(), REMINDERS if reminders else SENDING)
    flash(SAID[reminders, pause])
    return redirect_to("monitoring.page")


def _stream() -> Iterator[str]:
    began = time.monotonic()
    yield "retry: 3000\n\n"
    while time.monotonic() - began < LONGEST_STREAM and not task_queue.leaving:
        html = render_template("monitoring/_live.html", **_told())
        yield f"event: live\ndata: {json.dumps({'html': html})}\n\n"
        time.sleep(LOOK_EVERY)


def _told() -> dict[str, Any]:
    told = exposition.figures(measures.gathered())
    if told["database"]["status"] == "unhealthy":
        return {"told": told, "charts": [], "colleagues": [], "task_processes": [], "journal": journal.read(),
                "paused": [], "titles": TITLES, "at": now()}
    samples = queries.samples_since(now() - HISTORY)
    return {
        "told": told, "charts": charts.of(samples), "colleagues": queries.active_colleagues(),
        "task_processes": queries.task_processes(), "journal": journal.read(),
        "paused": told["task_queue"].get("paused_names", []), "titles": TITLES, "at": now(),
    }  # fmt: skip


def _alerts() -> list[dict[str, Any]]:
    try:
        return queries.latest_alerts()
    except DatabaseError:
        return []
