"""One client and its members: the page, the forms, the trash."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, ReferenceMissing, Transaction, transaction
from portal import audit
from portal.clients import queries, service
from portal.clients.family import family_of
from portal.clients.inputs import (
    CLIENT_TYPES,
    LANGUAGES,
    RELATIONS,
    ChangedClientInput,
    MemberInput,
    NewClientInput,
    NewMemberInput,
    VersionInput,
)
from portal.clients.views.routes import blueprint
from portal.clients.words import CLIENT_LABELS, MEMBER_LABELS, told
from portal.errors import Refused
from portal.formats import show_phone, today
from portal.inputs import LARGEST_ID
from portal.settings.queries import masters
from portal.staff.queries import colleague
from portal.web import (
    SubmittedForm,
    actor,
    conflict_page,
    current_user,
    flash,
    fresh,
    may,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)

Row = dict[str, Any]
Found = TypeVar("Found")

IN_THE_TRASH = "A colleague moved this client to the trash meanwhile. Restore it in another tab, then save here again."


@blueprint.get("/new")
@requires("clients.write")
def new() -> Response:
    """The form for a new client, in the language that the colleague's clients are mostly written to."""
    mine = colleague(current_user().user_id)
    start = {"client_type": "individual", "language": mine["language"] if mine else "en"}
    return _client_form(prefilled({"form_key": secrets.token_hex(16), **start}))


@blueprint.post("/new")
@requires("clients.write")
def add() -> Response | BaseResponse:
    """Adds a client, after asking once whether it is one that is known already."""
    form = submitted(NewClientInput)
    if form.data is None or not form.ok:
        return _client_form(form, status=422)
    if alike := service.lookalikes(form.data):
        return _client_form(form, status=409, alike=alike)
    client_id = service.allot_client_id(form.data)
    try:
        with transaction(_key_of(form.data, "client")) as tx:
            service.add_client(tx, actor(), client_id, form.data)
    except ReferenceMissing:
        form.add_error("agent_id", "Agent: this agent does not exist any more. Please choose one of the list.")
        return _client_form(form, status=422)
    client_id = tx.changes[0].rows[0]["client_id"]
    flash(f"{form.data.name} is added as {client_id}.")
    return redirect_to("clients.show", client_id=client_id)


@blueprint.get("/<client_id>")
@requires("clients.read")
@shows("page", "client", "client_id")
def show(client_id: str) -> Response:
    """One client with its members and who of them is covered by what."""
    found = _found(client_id, lambda wanted: queries.household_of(wanted, fresh()))
    covers = found.covers if may("policies.read") else []
    family = family_of(found.client, found.members, covers, today())
    return _page(found.client, "family", members=found.members, family=family, languages=LANGUAGES)


@blueprint.get("/<client_id>/policies")
@requires("policies.read")
@shows("policies", "client", "client_id")
def policies(client_id: str) -> Response:
    """The terms of one client: those that count, and those that have ended."""
    client = _client(client_id)
    return _page(client, "policies", policies=queries.policies_of(client["client_id"]))


@blueprint.get("/<client_id>/activity")
@requires("clients.read")
@shows("activity", "client", "client_id")
def activity(client_id: str) -> Response:
    """What was done lately to one client, its members and policies."""
    client = _client(client_id)
    members, terms = queries.members_of(client["client_id"]), queries.policies_of(client["client_id"])
    happened = queries.activity_of(client["client_id"])
    return _page(client, "activity", activity=told(happened, members, terms, with_commission=may("commission.read")))


def _page(client: Row, tab: str, **content: Any) -> Response:
    return render("clients/show.html", client=client, tab=tab, today=today(), client_types=CLIENT_TYPES, **content)


@blueprint.get("/<client_id>/edit")
@requires("clients.write")
@shows("form", "client", "client_id")
def edit(client_id: str) -> Response | BaseResponse:
    """The form of a client's data."""
    client = _client(client_id)
    if client["deleted_at"]:
        return _only_after_restoring(client)
    return _client_form(_prefilled(client), client=client)


@blueprint.post("/<client_id>/edit")
@requires("clients.write")
def save(client_id: str) -> Response | BaseResponse:
    """Saves a client's data, unless a colleague saved it meanwhile."""
    client = _client(client_id)
    form = submitted(ChangedClientInput)
    if client["deleted_at"]:
        form.add_error("", IN_THE_TRASH)
        return _client_form(form, status=409, client=client)
    if form.data is None or not form.ok:
        return _client_form(form, status=422, client=client)
    if client["version"] == form.data.version and (alike := service.lookalikes(form.data, stored=client)):
        return _client_form(form, status=409, client=client, alike=alike)
    try:
        with transaction() as tx:
            service.change_client(tx, actor(), client, form.data, form.data.version)
    except Conflict:
        return _conflict(_client(client_id), form)
    except ReferenceMissing:
        form.add_error("agent_id", "Agent: this agent does not exist any more. Please choose one of the list.")
        return _client_form(form, status=422, client=client)
    flash(f"{form.data.name} is saved.")
    return redirect_to("clients.show", client_id=client["client_id"])


@blueprint.get("/<client_id>/delete")
@requires("clients.delete")
def confirm_deletion(client_id: str) -> Response:
    """Asks whether a client shall go into the trash."""
    return render("clients/delete.html", client=_client(client_id), form=prefilled({}))


@blueprint.post("/<client_id>/delete")
@requires("clients.delete")
def delete(client_id: str) -> Response | BaseResponse:
    """Moves a client to the trash."""
    client = _client(client_id)
    form = submitted(VersionInput)
    try:
        refused = _press(form, lambda tx, by, version: service.delete_client(tx, by, client, version))
    except Refused as refusal:
        form.refuse(refusal)
        return render("clients/delete.html", 422, client=client, form=form)
    if not refused:
        undo = url_for("clients.restore", client_id=client["client_id"])
        flash(f"{client['name']} is in the trash.", undo=undo, version=_version_after(form))
    return redirect_to("clients.show", client_id=client["client_id"])


@blueprint.post("/<client_id>/restore")
@requires("clients.delete")
def restore(client_id: str) -> BaseResponse:
    """Takes a client out of the trash."""
    client = _client(client_id)
    form = submitted(VersionInput)
    if not _press(form, lambda tx, by, version: service.restore_client(tx, by, client, version)):
        flash(f"{client['name']} is restored.")
    return redirect_to("clients.show", client_id=client["client_id"])


@blueprint.get("/<client_id>/members/new")
@requires("clients.write")
def new_member(client_id: str) -> Response | BaseResponse:
    """The form for another member."""
    client = _client(client_id)
    form = prefilled({"form_key": secrets.token_hex(16)})
    return _only_after_restoring(client) if client["deleted_at"] else _member_form(form, client)


@blueprint.post("/<client_id>/members/new")
@requires("clients.write")
def add_member(client_id: str) -> Response | BaseResponse:
    """Adds somebody to a client's members."""
    client = _client(client_id)
    form = submitted(NewMemberInput)
    if client["deleted_at"]:
        form.add_error("", IN_THE_TRASH)
        return _member_form(form, client, status=409)
    if form.data is None or not form.ok:
        return _member_form(form, client, status=422)
    with transaction(_key_of(form.data, f"member:{client['client_id']}")) as tx:
        service.add_member(tx, actor(), client["client_id"], form.data)
    flash(f"{form.data.name} is added.")
    return redirect_to("clients.show", client_id=client["client_id"], _anchor="members")


@blueprint.get("/<client_id>/members/<int:member_id>")
@requires("clients.write")
@shows("form", "member", "member_id")
def edit_member(client_id: str, member_id: int) -> Response:
    """The form of a member's data."""
    client = _client(client_id)
    member = _member(client, member_id)
    return _member_form(_prefilled(member), client, member)


@blueprint.post("/<client_id>/members/<int:member_id>")
@requires("clients.write")
def save_member(client_id: str, member_id: int) -> Response | BaseResponse:
    """Saves a member's data, unless a colleague saved it meanwhile."""
    client = _client(client_id)
    member = _member(client, member_id)
    form = submitted(MemberInput)
    if form.data is None or not form.ok:
        return _member_form(form, client, member, status=422)
    try:
        with transaction() as tx:
            service.change_member(tx, actor(), member, form.data)
    except Conflict:
        fresh, back = _member(client, member_id), url_for("clients.show", client_id=client["client_id"])
        mine = prefilled(form.data.model_dump())
        return conflict_page(fresh["name"], mine, MEMBER_LABELS, fresh, fresh["version"], request.path, back)
    flash(f"{form.data.name} is saved.")
    return redirect_to("clients.show", client_id=client["client_id"], _anchor="members")


@blueprint.post("/<client_id>/members/<int:member_id>/remove")
@requires("clients.write")
def remove_member(client_id: str, member_id: int) -> Response | BaseResponse:
    """Takes somebody off a client's members."""
    client = _client(client_id)
    member = _member(client, member_id)
    form = submitted(VersionInput)
    try:
        refused = _press(form, lambda tx, by, version: service.remove_member(tx, by, member, version))
    except Refused as refusal:
        form = _prefilled(member)
        form.refuse(refusal)
        return _member_form(form, client, member, status=422)
    if not refused:
        undo = url_for("clients.restore_member", client_id=client["client_id"], member_id=member_id)
        flash(f"{member['name']} is removed.", undo=undo, version=_version_after(form))
    return redirect_to("clients.show", client_id=client["client_id"], _anchor="members")


@blueprint.post("/<client_id>/members/<int:member_id>/restore")
@requires("clients.write")
def restore_member(client_id: str, member_id: int) -> BaseResponse:
    """Puts a removed member back."""
    client = _client(client_id)
    member = _member(client, member_id)
    form = submitted(VersionInput)
    if not _press(form, lambda tx, by, version: service.restore_member(tx, by, member, version)):
        flash(f"{member['name']} is back among the members.")
    return redirect_to("clients.show", client_id=client["client_id"], _anchor="members")


def _client(client_id: str) -> Row:
    """The client of the address, whatever its case; 404 with a sentence when there is none."""
    return _found(client_id, queries.client)


def _found(client_id: str, find: Callable[[str], Found | None]) -> Found:
    wanted = client_id.strip().upper()
    found = find(wanted) if len(wanted) <= 20 else None
    return found or not_found("There is no client with this id. Search by name, phone or policy number.")


def _member(client: Row, member_id: int) -> Row:
    member = queries.member(client["client_id"], member_id) if member_id <= LARGEST_ID else None
    return member or not_found(f"{client['name']} has no such member.")


def _key_of(data: NewClientInput | NewMemberInput, what: str) -> str | None:
    """The same for a form sent twice as it is, so that a double click adds one record; `what` says of which kind."""
    if data.form_key is None:
        return None
    content = hashlib.sha256(data.model_dump_json(exclude={"same_as_known"}).encode()).hexdigest()
    return f"{what}:{current_user().user_id}:{content}"


def _client_form(
    form: SubmittedForm[Any],
    *,
    status: int = 200,
    client: Row | None = None,
    alike: list[service.Lookalike] | None = None,
) -> Response:
    known = ",".join(filter(None, [form.value("same_as_known"), *(like.client_id for like in alike or [])]))
    return render(
        "clients/form.html",
        status,
        form=form,
        client=client,
        alike=alike or [],
        known=known,
        agents=_agents(form),
        choices=queries.choices(fresh()),
        client_types=CLIENT_TYPES,
        languages=LANGUAGES,
    )


def _prefilled(row: Row) -> SubmittedForm[Any]:
    phones: Row = {name: show_phone(row[name]) for name in ("phone", "other_phone") if name in row}
    return prefilled({**row, **phones})


def _agents(form: SubmittedForm[Any]) -> list[tuple[int, str]]:
    """Agents to choose from: those in use, and the one already chosen."""
    return [
        (agent["id"], agent["name"])
        for agent in masters(fresh=fresh()).agents
        if agent["is_active"] or str(agent["id"]) == form.value("agent_id")
    ]


def _conflict(fresh: Row, form: SubmittedForm[ChangedClientInput]) -> Response:
    """Both versions, as they would be stored: a phone typed with spaces is no difference."""
    mine = prefilled(form.data.model_dump() if form.data else {})
    yes_or_no = {"on": "Yes", "": "No"}
    names = {
        "client_type": CLIENT_TYPES,
        "language": LANGUAGES,
        "agent_id": {str(agent["id"]): agent["name"] for agent in masters().agents},
        "whatsapp_opt_in": yes_or_no,
        "email_opt_in": yes_or_no,
    }
    here = {"client_id": fresh["client_id"]}
    action, back = url_for("clients.save", **here), url_for("clients.show", **here)
    return conflict_page(fresh["name"], mine, CLIENT_LABELS, fresh, fresh["version"], action, back, names=names)


def _member_form(form: SubmittedForm[Any], client: Row, member: Row | None = None, *, status: int = 200) -> Response:
    return render(
        "clients/member.html",
        status,
        form=form,
        client=client,
        member=member,
        relation_options=[(relation, relation.capitalize()) for relation in RELATIONS],
    )


def _press(form: SubmittedForm[VersionInput], change: Callable[[Transaction, audit.Actor, int], None]) -> bool:
    """Does what a button asks for; True, with a message for the next page, when the record has changed meanwhile."""
    try:
        with transaction() as tx:
            change(tx, actor(), form.data.version if form.data else 0)
    except Conflict:
        flash("Nothing was done: a colleague changed this record meanwhile. Please look at it and try again.", "warn")
        return True
    return False


def _version_after(form: SubmittedForm[VersionInput]) -> int:
    """The version of the record that a button has just changed."""
    return form.data.version + 1 if form.data else 0


def _only_after_restoring(client: Row) -> BaseResponse:
    flash(f"{client['name']} is in the trash. Restore it first, then change it.", "warn")
    return redirect_to("clients.show", client_id=client["client_id"])
