"""The page where everybody begins, the birthdays behind it, and the figures of the business."""

from typing import Any

from flask import Blueprint, Response, current_app, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import transaction
from portal.errors import NotPermitted
from portal.formats import financial_year, today
from portal.freshness import Fresh
from portal.paging import listing
from portal.policies.words import LINES
from portal.settings.queries import masters
from portal.today import queries, service
from portal.today.inputs import MarkInput, TodayFilter
from portal.today.service import Bar
from portal.web import actor, flash, fresh, list_filters, may, redirect_home, render, requires, signed_in, submitted

blueprint = Blueprint("today", __name__)
Row = dict[str, Any]

SAID = {"done": "Done.", "snoozed": "Put aside until tomorrow.", "open": "It is work for today again."}


@blueprint.get("/")
@signed_in
def index() -> Response:
    """What waits today, most urgent first, and how the month stands."""
    wanted = list_filters(TodayFilter, request.args.to_dict())
    answers = fresh()
    queue = queries.work_queue(today(), wanted.agent_id, answers)
    sections = [
        (section, queue["sections"].get(section.word, {"total": 0, "open": 0, "rows": []}))
        for section in service.sections(queue["rules"])
        if section.area in current_app.blueprints and may(section.permission)
    ]
    return render(
        "today/index.html",
        wanted=wanted,
        agents=_agents(answers),
        sections=[(section, found) for section, found in sections if found["total"]],
        queue=queue,
        marked_by=service.MARKED_BY,
        month=queries.month_figures(today(), wanted.agent_id, answers) if may("policies.read") else None,
        today=today(),
    )


@blueprint.post("/today/marks")
@signed_in
def mark() -> BaseResponse:
    """Ticks a piece of work off, puts it aside, or takes that back."""
    form = submitted(MarkInput)
    if form.data is None:
        flash("This work is not known. Please reload the page.", "warn")
        return redirect_home(request.form.get("next"))
    if not may(service.right_to_mark(form.data.item)):
        raise NotPermitted("Your role may look at this work, not tick it off for the office.")
    with transaction() as tx:
        service.mark_work(tx, actor(), today(), form.data)
    flash(SAID[form.data.mark])
    return redirect_home(request.form.get("next"))


@blueprint.get("/today/birthdays")
@requires("clients.read")
def birthdays() -> Response:
    """Everybody with a birthday today."""
    arguments = request.args.to_dict()
    wanted = list_filters(TodayFilter, arguments)
    page = queries.page_of_birthdays(listing(arguments, queries.BIRTHDAYS), today(), wanted.agent_id)
    return render("today/birthdays.html", page=page, today=today())


@blueprint.get("/business")
@requires("policies.read")
def business() -> Response:
    """Issued premium of this financial year: by month beside the year before, by line, by insurer."""
    wanted = list_filters(TodayFilter, request.args.to_dict())
    this_year = service.first_of_year(today())
    last_year = this_year.replace(year=this_year.year - 1)
    answers = fresh()
    figures = queries.business_figures(last_year, wanted.agent_id, answers)
    before, now = (service.months_of(since, figures["months"], wanted.agent_id) for since in (last_year, this_year))
    return render(
        "today/business.html",
        wanted=wanted,
        agents=_agents(answers),
        this_year=financial_year(this_year),
        last_year=financial_year(last_year),
        months=list(zip(before, now, strict=True)),
        so_far=(today().year - this_year.year) * 12 + today().month - this_year.month + 1,
        lines=[
            Bar(LINES[row["line"]], row["gross"], row["policies"],
                service.issued_in_year(this_year, wanted.agent_id, line=row["line"]))
            for row in figures["lines"]
        ],
        insurers=[
            Bar(row["short_name"], row["gross"], row["policies"],
                service.issued_in_year(this_year, wanted.agent_id, insurer_id=str(row["insurer_id"])), row["name"])
            for row in figures["insurers"]
        ],
        whole_year=service.issued_in_year(this_year, wanted.agent_id),
    )


def _agents(fresh: Fresh) -> list[tuple[int, str]]:
    """Whose book one may look at: for those who lead others."""
    return [(agent["id"], agent["name"]) for agent in masters(fresh=fresh).agents] if may("audit.read") else []
