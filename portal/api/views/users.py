"""Colleagues' accounts, for administrators."""

from typing import Any

from flask import Response

from database_pool import Duplicate, transaction
from portal.api.operations import Operation
from portal.api.records import USER, USER_WITH_PASSWORD
from portal.api.shapes import of_form
from portal.api.views.routes import Asked, all_of, done, guarded, operation, record, refuse, require_version
from portal.inputs import LARGEST_ID
from portal.staff import queries, service
from portal.staff.inputs import Colleague, Invitation
from portal.web import actor, current_user, not_found, signs_in_by_clerk, while_signing_in_by

Row = dict[str, Any]
TAG = "Users"
ONE = "/users/<int:user_id>"


@operation(Operation("list_users", "GET", "/users", "staff.manage", "All colleagues", TAG, USER, many=True))
def list_users(asked: Asked) -> Response:
    return all_of(asked.operation, queries.colleagues())


@operation(Operation(
    "invite_user", "POST", "/users", "staff.manage", "Makes an account; its one-time password is answered once", TAG,
    USER_WITH_PASSWORD, status=201, refuses=(409,), body=lambda: of_form(Invitation)))  # fmt: skip
def invite_user(asked: Asked) -> Response:
    data = asked.form(Invitation)
    try:
        with transaction() as tx:
            user_id, password = service.invite(tx, actor(), data, through_clerk=signs_in_by_clerk())
    except Duplicate:
        sentence = "A colleague with this e-mail address exists already."
        refuse(409, sentence, {"email": sentence})
    response = record(asked.operation, {**_user(user_id), "one_time_password": password}, 201)
    response.headers["Location"] = f"/api/users/{user_id}"
    return response


@operation(Operation("show_user", "GET", ONE, "staff.manage", "One colleague", TAG, USER))
def show_user(asked: Asked, user_id: int) -> Response:
    return record(asked.operation, _user(user_id))


@operation(Operation(
    "change_user", "PUT", ONE, "staff.manage",
    "Saves name, phone and role; a new role needs a new sign-in and new tokens", TAG, USER,
    guarded=True, body=lambda: of_form(Colleague, without=("version",))))  # fmt: skip
def change_user(asked: Asked, user_id: int) -> Response:
    before = _user(user_id)
    require_version(asked, before)
    data = asked.form(Colleague, version=asked.version)
    guarded(lambda tx: service.change_colleague(tx, actor(), before, data))
    return record(asked.operation, _user(user_id))


def _register_access(name: str, path: str, summary: str, *, active: bool) -> None:
    described = Operation(name, "POST", f"{ONE}/{path}", "staff.manage", summary, TAG, USER, guarded=True,
                          refuses=(422,))  # fmt: skip

    def view(asked: Asked, user_id: int) -> Response:
        before = _user(user_id)
        require_version(asked, before)
        guarded(lambda tx: service.set_access(tx, actor(), before, active=active, version=asked.version))
        return record(described, _user(user_id))

    operation(described)(view)


_register_access("disable_user", "disable", "Keeps a colleague and their programs out from now on", active=False)
_register_access("enable_user", "enable", "Lets a colleague in again", active=True)


@while_signing_in_by("password")
@operation(Operation(
    "reset_user_password", "POST", f"{ONE}/password", "staff.manage",
    "Replaces a forgotten password by a one-time password and ends sessions and tokens", TAG, USER_WITH_PASSWORD,
    guarded=True, refuses=(422,)))  # fmt: skip
def reset_user_password(asked: Asked, user_id: int) -> Response:
    before = _user(user_id)
    require_version(asked, before)
    password = guarded(lambda tx: service.reset_password(tx, actor(), before, version=asked.version))
    return record(asked.operation, {**_user(user_id), "one_time_password": password})


@operation(Operation(
    "end_user_sessions", "POST", f"{ONE}/sessions/end", "staff.manage", "Signs a colleague out everywhere", TAG,
    status=204, refuses=(422,)))  # fmt: skip
def end_user_sessions(asked: Asked, user_id: int) -> Response:
    if _user(user_id)["user_id"] == current_user().user_id:
        refuse(422, "That would end the very token of this request. Do it under Your account.")
    with transaction() as tx:
        service.end_sessions_of(tx, actor(), user_id)
    return done()


def _user(user_id: int) -> Row:
    found = queries.colleague(user_id) if user_id <= LARGEST_ID else None
    return found or not_found("There is no such user.")
