"""The list of policies: shown, exported, and what is done to many at once."""

from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import ReferenceMissing, transaction
from portal import audit
from portal.errors import NotPermitted
from portal.formats import today
from portal.freshness import Fresh
from portal.inputs import lenient
from portal.lists.inputs import AssignmentInput
from portal.lists.service import Preferences, Selection, preferences_of, selection
from portal.paging import listing
from portal.policies import assignment, queries, words
from portal.policies.inputs import PolicyFilter
from portal.policies.views.routes import blueprint
from portal.settings.queries import masters
from portal.web import (
    actor,
    csv_download,
    current_user,
    exact_filters,
    flash,
    fresh,
    limited,
    list_filters,
    may,
    redirect_home,
    render,
    requires,
    showing,
    submitted,
)

Filters = dict[str, Any]


@blueprint.get("/policies")
@requires("policies.read")
def index() -> Response:
    """The list of policies: a view, narrowed by what the address says, page by page, with count and sum."""
    arguments = request.args.to_dict()
    wanted = list_filters(PolicyFilter, arguments)
    filters = _filters_of(wanted)
    answers = fresh()
    totals = queries.totals(filters, answers)
    page = queries.first_policies(listing(arguments, queries.sorts_of(wanted.view)), filters, totals.policies, answers)
    return render(
        "policies/list.html",
        page=page,
        totals=totals,
        today=today(),
        wanted=wanted,
        preferences=_preferences(answers),
        masters=masters(fresh=answers),
        is_narrowed=any(value is not None for name, value in wanted if name != "view"),
        words=words,
        client_name=page.rows[0]["client_name"] if page.rows and wanted.client_id else wanted.client_id,
    )


@blueprint.get("/policies/export")
@requires("policies.read")
@limited("exports")
def export() -> Response:
    """The list as a CSV file: all its rows, the columns that are shown."""
    arguments = request.args.to_dict()
    return _file(arguments, _filters_of(exact_filters(PolicyFilter, arguments)))


@blueprint.post("/policies/bulk")
@requires("policies.read")
@limited("exports")
def bulk() -> Response | BaseResponse:
    """What shall be done to the ticked policies: exported at once, or asked about first."""
    wanted = selection(request.form.to_dict(flat=False))
    if not wanted:
        flash("Nothing was ticked. Tick some policies first.", "warn")
        return redirect_home(f"/policies?{wanted.query}")
    if request.form.get("action") == "agent":
        return _ask_for_agent()
    return _file(wanted.arguments, _filters(wanted))


@blueprint.post("/policies/bulk/agent")
@requires("policies.write")
def assign_agent() -> Response | BaseResponse:
    """Gives the ticked policies an agent, or none."""
    wanted = selection(request.form.to_dict(flat=False))
    form = submitted(AssignmentInput)
    if form.data is None:
        return _ask_for_agent(form.errors.get("agent_id", ""))
    agent_id = form.data.agent_id or None
    rows = queries.all_policies(_filters(wanted))
    try:
        with transaction() as tx:
            changed = assignment.assign_agent(tx, actor(), rows, agent_id)
    except ReferenceMissing:
        return _ask_for_agent("This agent does not exist any more. Please choose one of the list.")
    name = next((agent["name"] for agent in masters().agents if agent["id"] == agent_id), "nobody")
    rest = f" {len(rows) - changed} had that agent already." if changed < len(rows) else ""
    flash(f"{changed} {'policy is' if changed == 1 else 'policies are'} assigned to {name}.{rest}")
    return redirect_home(f"/policies?{wanted.query}")


def _ask_for_agent(error: str = "") -> Response:
    if not may("policies.write"):
        raise NotPermitted("Your role may look at policies, not change them.")
    wanted = selection(request.form.to_dict(flat=False))
    rows = queries.all_policies(_filters(wanted))
    return render(
        "lists/assign.html",
        422 if error else 200,
        title="Assign an agent",
        things="policy" if len(rows) == 1 else "policies",
        heading="Policies",
        path="/policies",
        selection=wanted,
        rows=rows,
        labels=[f"{row['policy_number'] or 'No number yet'}, {row['client_name']}" for row in rows[:8]],
        agents=[(agent["id"], agent["name"]) for agent in masters().agents if agent["is_active"]],
        error=error,
    )


def _preferences(fresh: Fresh | None = None) -> Preferences:
    user = current_user()
    return preferences_of(user.user_id, "policies", words.COLUMNS, user.permissions, fresh)


def _filters_of(wanted: PolicyFilter) -> Filters:
    return queries.filters_of(wanted, today(), with_commission=may("commission.read"))


def _filters(wanted: Selection) -> Filters:
    if wanted.everything:
        return _filters_of(exact_filters(PolicyFilter, wanted.arguments))
    ids = [int(text) for text in wanted.ids if text.isascii() and text.isdigit() and len(text) < 19]
    return {"policy_id_in": ids, "deleted_at_is": None}


def _file(arguments: dict[str, str], filters: Filters) -> Response:
    showing("export of policies")
    columns = _preferences().exported
    sorts = queries.sorts_of(lenient(PolicyFilter, arguments).view)
    headings = ["Policy", *(column.label for column in columns)]
    fields = ["policy_number", *(column.field for column in columns)]
    with transaction() as tx:
        audit.record(tx, actor(), "export", "list", "policies", after={
            "filter": arguments, "ids": filters.get("policy_id_in"), "columns": fields})  # fmt: skip
    rows = queries.every_policy(listing(arguments, sorts), filters)
    return csv_download("policies.csv", headings, ([row[field] for field in fields] for row in rows))
