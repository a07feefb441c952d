"""The list of jobs, the page of one with its progress, and pausing, resuming, stopping, trying again."""

from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import transaction
from portal.errors import NotPermitted
from portal.jobs import queries, service, words
from portal.jobs.views.routes import Row, blueprint, may_steer, named_job
from portal.paging import listing
from portal.web import actor, current_user, flash, redirect_to, render, signed_in

NOT_YOURS = "Only the colleague who started this job, or a manager, can do that."


@blueprint.get("/jobs")
@signed_in
def browse() -> Response:
    """The jobs of this colleague, or with ?show=all everybody's, newest first."""
    arguments = request.args.to_dict()
    mine = arguments.get("show") != "all"
    page = queries.page_of_jobs(listing(arguments, queries.JOBS, size=25), current_user().user_id if mine else None)
    return render("jobs/list.html", page=page, mine=mine, words=words)


@blueprint.get("/jobs/badge")
@signed_in
def badge() -> Response:
    """The number of this colleague's jobs at work, for the top bar."""
    return render("jobs/_badge.html", running=queries.running_jobs_of(current_user().user_id))


@blueprint.get("/jobs/<batch_id>")
@signed_in
def show(batch_id: str) -> Response:
    """One job: how far it is, what failed and what was left out. htmx asks for the progress alone each second."""
    job = named_job(batch_id)
    told = _told(job)
    if request.headers.get("HX-Target", "").endswith("#progress"):
        return render("jobs/_progress.html", **told)
    return render("jobs/show.html", skipped=queries.skipped_of(batch_id), **told)


@blueprint.post("/jobs/<batch_id>/<any(pause, resume, stop):wish>")
@signed_in
def steer(batch_id: str, wish: str) -> BaseResponse:
    """What runs ends, what waits follows the wish."""
    _require(named_job(batch_id))
    with transaction() as tx:
        service.steer(tx, actor(), batch_id, wish)
    return redirect_to("jobs.show", batch_id=batch_id)


@blueprint.post("/jobs/<batch_id>/retry")
@signed_in
def retry(batch_id: str) -> BaseResponse:
    """Tries everything again that failed."""
    _require(named_job(batch_id))
    number = service.send_again(actor(), batch_id=batch_id)
    flash(words.trying_again(number), "ok" if number else "warn")
    return redirect_to("jobs.show", batch_id=batch_id)


def _told(job: Row) -> dict[str, Any]:
    return {
        "job": job,
        "failed": queries.failed_of(job["batch_id"]) if job["failed"] else [],
        "became": {row["state"]: row["messages"] for row in queries.messages_of(job["batch_id"])},
        "finished": job["state"] in queries.FINISHED,
        "percent": words.percent_of(job),
        "announced": words.announcement(job),
        "steerable": may_steer(job),
        "words": words,
    }


def _require(job: Row) -> None:
    if not may_steer(job):
        raise NotPermitted(NOT_YOURS)
