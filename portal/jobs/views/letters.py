"""Tasks that failed for good: why, send again, drop; and kinds of tasks that are paused for now."""

from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import transaction
from portal.errors import NotFound
from portal.jobs import queries, service, words
from portal.jobs.views.routes import blueprint
from portal.paging import listing
from portal.web import actor, flash, redirect_to, render, requires
from task_queue import known_names, task_queue


@blueprint.get("/jobs/dead-letters")
@requires("queue.manage")
def dead_letters() -> Response:
    """What failed for good, the latest first, of one kind or of all."""
    arguments = request.args.to_dict()
    name = arguments.get("name", "")
    page = queries.page_of_dead_letters(listing(arguments, queries.LETTERS), name)
    return render("jobs/dead_letters.html", page=page, name=name, words=words)


@blueprint.get("/jobs/dead-letters/drop")
@requires("queue.manage")
def confirm_drop() -> BaseResponse:
    """Asks whether all that failed for good, of one kind or of all, shall be given up."""
    name = request.args.get("name", "")
    page = queries.page_of_dead_letters(listing({}, queries.LETTERS), name)
    if not page.rows:
        return redirect_to("jobs.dead_letters", name=name or None)
    return render("jobs/drop.html", page=page, name=name)


@blueprint.post("/jobs/dead-letters/<any(resend, drop):wish>")
@requires("queue.manage")
def settle(wish: str) -> BaseResponse:
    """Sends again or drops one (task_id), all of a kind (name), or all."""
    do = service.send_again if wish == "resend" else service.drop
    number = do(actor(), **_chosen())
    told = words.trying_again(number) if wish == "resend" else words.dropped(number)
    flash(told, "ok" if number else "warn")
    return redirect_to("jobs.dead_letters", name=request.form.get("name") or None)


def _chosen() -> dict[str, Any]:
    task_id, name = request.form.get("task_id", ""), request.form.get("name", "")
    if task_id:
        return {"task_ids": [int(task_id) if task_id.isdecimal() and len(task_id) < 19 else 0]}
    return {"name": name} if name else {"all": True}


@blueprint.get("/jobs/queue")
@requires("queue.manage")
def queue() -> Response:
    """Every kind of task: how many wait, run and failed, and whether it is paused."""
    figures = task_queue.statistics()
    names = sorted({*known_names(), *figures["names"]})
    return render("jobs/queue.html", figures=figures, names=names, paused=queries.paused_names())


@blueprint.post("/jobs/queue/<name>/<any(pause, resume):wish>")
@requires("queue.manage")
def pause(name: str, wish: str) -> BaseResponse:
    """Lets tasks of a kind wait, or run again."""
    if name not in known_names():
        raise NotFound(f"There is no kind of task called {name[:60]}.")
    with transaction() as tx:
        (service.pause_name if wish == "pause" else service.resume_name)(tx, actor(), name)
    flash(f"{name} is paused." if wish == "pause" else f"{name} runs again.")
    return redirect_to("jobs.queue")
