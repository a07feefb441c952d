"""The list of clients: shown, exported, and what is done to many at once."""

from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import ReferenceMissing, transaction
from portal import audit
from portal.clients import queries, service
from portal.clients.inputs import CLIENT_TYPES, ClientFilter
from portal.clients.views.routes import blueprint
from portal.clients.words import COLUMNS
from portal.errors import NotPermitted
from portal.formats import today
from portal.freshness import Fresh
from portal.lists.inputs import AssignmentInput
from portal.lists.service import Preferences, Selection, preferences_of, selection
from portal.paging import listing
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
    prefilled,
    redirect_home,
    render,
    requires,
    showing,
    submitted,
)

Filters = dict[str, Any]


@blueprint.get("/")
@requires("clients.read")
def browse() -> Response:
    """The list of clients, narrowed, sorted and paged by the address."""
    arguments = request.args.to_dict()
    narrowed = list_filters(ClientFilter, arguments)
    answers = fresh()
    page = queries.first_clients(listing(arguments, queries.SORTS), narrowed, answers)
    choices = queries.choices(answers)
    return render(
        "clients/list.html",
        page=page,
        today=today(),
        narrowed=narrowed,
        preferences=_preferences(answers),
        form=prefilled({**narrowed.model_dump(), "sort": page.listing.sort_word}),
        cities=[(city, city) for city in choices.cities],
        groups=[(group, group) for group in choices.groups],
        agents=[(agent["id"], agent["name"]) for agent in masters(fresh=answers).agents],
        client_types=CLIENT_TYPES,
    )


@blueprint.get("/export")
@requires("clients.read")
@limited("exports")
def export() -> Response:
    """The list as a CSV file: all its rows, the columns that are shown."""
    arguments = request.args.to_dict()
    return _file(arguments, queries.filters_of(exact_filters(ClientFilter, arguments)))


@blueprint.post("/bulk")
@requires("clients.read")
@limited("exports")
def bulk() -> Response | BaseResponse:
    """What shall be done to the ticked clients: exported at once, or asked about first."""
    wanted = selection(request.form.to_dict(flat=False))
    if not wanted:
        flash("Nothing was ticked. Tick some clients first.", "warn")
        return redirect_home(f"/clients?{wanted.query}")
    if request.form.get("action") == "agent":
        return _ask_for_agent()
    return _file(wanted.arguments, _filters(wanted))


@blueprint.post("/bulk/agent")
@requires("clients.write")
def assign_agent() -> Response | BaseResponse:
    """Gives the ticked clients an agent, or none."""
    wanted = selection(request.form.to_dict(flat=False))
    form = submitted(AssignmentInput)
    if form.data is None:
        return _ask_for_agent(form.errors.get("agent_id", ""))
    agent_id = form.data.agent_id or None
    rows = queries.all_clients(_filters(wanted))
    try:
        with transaction() as tx:
            changed = service.assign_agent(tx, actor(), rows, agent_id)
    except ReferenceMissing:
        return _ask_for_agent("This agent does not exist any more. Please choose one of the list.")
    name = next((agent["name"] for agent in masters().agents if agent["id"] == agent_id), "nobody")
    rest = f" {len(rows) - changed} had that agent already." if changed < len(rows) else ""
    flash(f"{changed} {'client is' if changed == 1 else 'clients are'} assigned to {name}.{rest}")
    return redirect_home(f"/clients?{wanted.query}")


def _ask_for_agent(error: str = "") -> Response:
    if not may("clients.write"):
        raise NotPermitted("Your role may look at clients, not change them.")
    wanted = selection(request.form.to_dict(flat=False))
    rows = queries.all_clients(_filters(wanted))
    return render(
        "lists/assign.html",
        422 if error else 200,
        title="Assign an agent",
        things="client" if len(rows) == 1 else "clients",
        heading="Clients",
        path="/clients",
        selection=wanted,
        rows=rows,
        labels=[f"{row['name']} {row['client_id']}" for row in rows[:8]],
        agents=[(agent["id"], agent["name"]) for agent in masters().agents if agent["is_active"]],
        error=error,
    )


def _preferences(fresh: Fresh | None = None) -> Preferences:
    user = current_user()
    return preferences_of(user.user_id, "clients", COLUMNS, user.permissions, fresh)


def _filters(wanted: Selection) -> Filters:
    if wanted.everything:
        return queries.filters_of(exact_filters(ClientFilter, wanted.arguments))
    return {"client_id_in": list(wanted.ids)}


def _file(arguments: dict[str, str], filters: Filters) -> Response:
    showing("export of clients")
    columns = _preferences().exported
    headings = ["Client id", "Name", *(column.label for column in columns)]
    fields = ["client_id", "name", *(column.field for column in columns)]
    with transaction() as tx:
        audit.record(tx, actor(), "export", "list", "clients", after={
            "filter": arguments, "ids": filters.get("client_id_in"), "columns": fields})  # fmt: skip
    rows = queries.every_client(listing(arguments, queries.SORTS), filters)
    return csv_download("clients.csv", headings, ([row[field] for field in fields] for row in rows))
