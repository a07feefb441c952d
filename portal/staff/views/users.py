"""The users page: who may sign in, with which role. For administrators."""

from typing import Any

from werkzeug.wrappers import Response

from database_pool import Conflict, Duplicate, transaction
from portal import web
from portal.errors import Refused
from portal.staff import queries, service, sessions, two_step
from portal.staff.devices import describe
from portal.staff.inputs import Colleague, Guarded, Invitation
from portal.staff.views.sign_in import blueprint

LABELS = {"name": "Name", "phone": "Phone", "role": "Role"}
ROLE_OPTIONS = [(role, role.capitalize(), meaning) for role, meaning in service.ROLES.items()]
CHANGED_MEANWHILE = "Someone else changed this account meanwhile. Look at it again and repeat what you wanted to do."


@blueprint.get("/users")
@web.requires("staff.manage")
def users() -> Response:
    return web.render("staff/users.html", colleagues=queries.colleagues(), roles=service.ROLES)


@blueprint.get("/users/new")
@web.requires("staff.manage")
def new_user() -> Response:
    return _invitation_page(web.prefilled({"role": "staff"}))


@blueprint.post("/users/new")
@web.requires("staff.manage")
def invite() -> Response:
    form = web.submitted(Invitation)
    if form.data is None:
        return _invitation_page(form, 422)
    try:
        with transaction() as tx:
            user_id, password = service.invite(tx, web.actor(), form.data, through_clerk=web.signs_in_by_clerk())
    except Duplicate:
        form.add_error("email", "A colleague with this e-mail address exists already.")
        return _invitation_page(form, 422)
    if web.signs_in_by_clerk():
        web.flash(f"{form.data.name} can sign in through Clerk with {form.data.email}.")
        return web.redirect_to("staff.user", user_id=user_id)
    # Shown in this answer and never again: it is stored nowhere and must not travel through a redirect.
    return web.render("staff/one_time_password.html", colleague={**form.data.model_dump(), "user_id": user_id},
                      password=password, is_new=True)


@blueprint.get("/users/<int:user_id>")
@web.requires("staff.manage")
def user(user_id: int) -> Response:
    colleague = named_colleague(user_id)
    return _user_page(colleague, web.prefilled(colleague))


@blueprint.post("/users/<int:user_id>")
@web.requires("staff.manage")
def save_user(user_id: int) -> Response:
    before = named_colleague(user_id)
    form = web.submitted(Colleague)
    if form.data is None:
        return _user_page(before, form, 422)
    try:
        with transaction() as tx:
            service.change_colleague(tx, web.actor(), before, form.data)
    except Refused as refusal:
        form.refuse(refusal)
        return _user_page(before, form, 422)
    except Conflict:
        stored = named_colleague(user_id)
        return web.conflict_page(
            stored["name"], form, LABELS, stored, stored["version"], f"/users/{user_id}", f"/users/{user_id}")
    web.flash(f"{form.data.name} is saved.")
    return web.redirect_to("staff.user", user_id=user_id)


@blueprint.post("/users/<int:user_id>/disable")
@web.requires("staff.manage")
def disable(user_id: int) -> Response:
    return _set_access(user_id, active=False)


@blueprint.post("/users/<int:user_id>/enable")
@web.requires("staff.manage")
def enable(user_id: int) -> Response:
    return _set_access(user_id, active=True)


@blueprint.get("/users/<int:user_id>/password")
@web.requires("staff.manage")
@web.while_signing_in_by("password")
def confirm_new_password(user_id: int) -> Response:
    """Asks whether a colleague shall be signed out and get a one-time password."""
    return web.render("staff/confirm.html", what="password", colleague=named_colleague(user_id))


@blueprint.post("/users/<int:user_id>/password")
@web.requires("staff.manage")
@web.while_signing_in_by("password")
def reset_password(user_id: int) -> Response:
    before = named_colleague(user_id)
    form = web.submitted(Guarded)
    if form.data is None:
        return _back(user_id, CHANGED_MEANWHILE)
    try:
        with transaction() as tx:
            password = service.reset_password(tx, web.actor(), before, version=form.data.version)
    except Refused as refusal:
        return _back(user_id, refusal.sentence)
    except Conflict:
        return _back(user_id, CHANGED_MEANWHILE)
    return web.render("staff/one_time_password.html", colleague=before, password=password, is_new=False)


@blueprint.post("/users/<int:user_id>/sessions/end")
@web.requires("staff.manage")
def end_sessions(user_id: int) -> Response:
    colleague = named_colleague(user_id)
    with transaction() as tx:
        service.end_sessions_of(tx, web.actor(), user_id)
    web.flash(f"{colleague['name']} is signed out everywhere.")
    return web.redirect_to("staff.user", user_id=user_id)


def named_colleague(user_id: int) -> dict[str, Any]:
    """The colleague of that id; 404 with a sentence when there is none."""
    found = queries.colleague(user_id) if user_id < 2**63 else None
    if found is None:
        web.not_found("There is no such user.")
    return found


def _set_access(user_id: int, *, active: bool) -> Response:
    before = named_colleague(user_id)
    form = web.submitted(Guarded)
    if form.data is None:
        return _back(user_id, CHANGED_MEANWHILE)
    try:
        with transaction() as tx:
            service.set_access(tx, web.actor(), before, active=active, version=form.data.version)
    except Refused as refusal:
        return _back(user_id, refusal.sentence)
    except Conflict:
        return _back(user_id, CHANGED_MEANWHILE)
    web.flash(f"{before['name']} {'may sign in again' if active else 'is kept out from now on'}.")
    return web.redirect_to("staff.user", user_id=user_id)


def _back(user_id: int, sentence: str) -> Response:
    web.flash(sentence, "bad")
    return web.redirect_to("staff.user", user_id=user_id)


def _invitation_page(form: web.SubmittedForm[Any], status: int = 200) -> Response:
    return web.render("staff/invite.html", status, form=form, roles=ROLE_OPTIONS)


def _user_page(colleague: dict[str, Any], form: web.SubmittedForm[Any], status: int = 200) -> Response:
    devices = [{**row, "device": describe(row["user_agent"])} for row in sessions.live(colleague["user_id"])]
    at_clerk = queries.clerk_user_of(colleague["user_id"]) if web.signs_in_by_clerk() else None
    return web.render("staff/user.html", status, colleague=colleague, at_clerk=at_clerk, form=form, roles=ROLE_OPTIONS,
                      devices=devices, two_step_is_on=two_step.is_on(colleague["user_id"]),
                      changes=queries.recent_changes(colleague["user_id"]))
