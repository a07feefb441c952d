"""Signing in and out, and who sent a request."""

import dataclasses
import logging
from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response

import config
from database_pool import Conflict, DatabaseError, transaction
from portal import web
from portal.errors import Refused, TooManyAttempts
from portal.staff import queries, seen, service, sessions, tokens, two_step
from portal.staff.inputs import SecondStep, SignIn
from portal.staff.views import clerk_page

blueprint = Blueprint("staff", __name__)
logger = logging.getLogger(__name__)


def load_user(token: str) -> web.StaffMember | None:
    """The colleague who holds a session token; None when the session is over."""
    row = sessions.find(token, web.fresh())
    if row is None or not _is_of_this_way(row):
        return None
    if used := seen.of_this_process.note(row):
        try:
            with transaction() as tx:
                seen.write(tx, used)
        except DatabaseError:   # the page matters more than the minute; a later click notes it
            logger.warning("sessions not noted as used", exc_info=True)
    return web.StaffMember(
        user_id=row["user_id"], name=row["name"], email=row["email"], role=row["role"], theme=row["theme"],
        density=row["density"], permissions=service.permissions_of(row["role"]),
        must_change_password=_must_change_password(row), session_key=row["token_hash"], shortcuts=row["shortcuts"],
        must_set_up_two_step=_must_set_up_two_step(row))


def load_program(token: str) -> web.StaffMember | None:
    """The colleague for whom a program with this API token acts, with what the token leaves of the role."""
    row = tokens.find(token)
    if row is None:
        return None
    if tokens.is_due_to_be_seen(row):
        try:
            with transaction() as tx:
                tokens.note_seen(tx, row)
        except DatabaseError:   # the answer matters more than the minute
            logger.warning("token not noted as used", exc_info=True)
    return web.StaffMember(
        user_id=row["user_id"], name=row["name"], email=row["email"], role=row["role"], theme=row["theme"],
        density=row["density"], permissions=tokens.narrowed(service.permissions_of(row["role"]), row["scopes"]),
        must_change_password=_must_change_password(row), token_id=row["token_id"],
        must_set_up_two_step=_must_set_up_two_step(row))


@blueprint.get("/login")
@web.public
def show_sign_in() -> Response:
    if web.user_or_none() is not None:
        return web.redirect_home(request.args.get("next"))
    if web.signs_in_by_clerk():
        return clerk_page.show(200, target=web.safe_next(request.args.get("next")), mode=clerk_page.first_mode())
    return web.render("staff/sign_in.html", form=web.prefilled({}), next=web.safe_next(request.args.get("next")))


@blueprint.post("/login")
@web.public
@web.limited("sign-in")
@web.while_signing_in_by("password")
def sign_in() -> Response:
    form = web.submitted(SignIn)
    target = web.safe_next(request.form.get("next"))
    if form.data is None:
        return _again(form, target, 422)
    device = web.known_device(form.data.email)
    try:
        user = service.check_sign_in(form.data.email, form.data.password, ip=request.remote_addr, device=device)
    except TooManyAttempts as refusal:
        form.refuse(refusal)
        response = _again(form, target, 429)
        response.headers["Retry-After"] = str(refusal.seconds)
        return response
    except Refused as refusal:
        form.refuse(refusal)
        return _again(form, target, 422)
    if _needs_code(user["user_id"]):
        web.begin_half_session(user["user_id"], user["version"], target)
        return web.redirect_to("staff.show_code")
    actor = dataclasses.replace(web.actor(), user_id=user["user_id"])
    try:
        with transaction() as tx:
            token = service.sign_in(
                tx, user, actor, user_agent=request.user_agent.string, password=form.data.password, device=device,
                administrators=config.settings().admin_emails)
    except Conflict:   # reset or disabled while the password was looked at
        form.refuse(Refused(service.WRONG))
        return _again(form, target, 422)
    web.begin_session(token)
    response = web.redirect_home(target)
    web.remember_device(response, user["email"])
    return response


@blueprint.get("/login/code")
@web.public
@web.while_signing_in_by("password")
def show_code() -> Response:
    if web.half_session() is None:
        return web.redirect_to("staff.show_sign_in")
    return web.render("staff/code.html", form=web.prefilled({}))


@blueprint.post("/login/code")
@web.public
@web.limited("sign-in")
@web.while_signing_in_by("password")
def sign_in_with_code() -> Response:
    half = web.half_session()
    form = web.submitted(SecondStep)
    user = queries.colleague(half["user_id"]) if half else None
    state = two_step.state_of(half["user_id"]) if half else None
    if half is None or user is None or state is None or user["version"] != half["version"]:
        web.flash("That took too long, or the account was changed meanwhile. Please sign in again.", "bad")
        return web.redirect_to("staff.show_sign_in")
    if form.data is None:
        return web.render("staff/code.html", 422, form=form)
    actor = dataclasses.replace(web.actor(), user_id=user["user_id"])
    try:
        with transaction() as tx:
            two_step.use(tx, actor, state, form.data.code)
            token = service.sign_in(tx, user, actor, user_agent=request.user_agent.string,
                                    device=web.known_device(user["email"]),
                                    administrators=config.settings().admin_emails)
    except TooManyAttempts as refusal:
        form.refuse(refusal)
        again = web.render("staff/code.html", 429, form=form)
        again.headers["Retry-After"] = str(refusal.seconds)
        return again
    except (Refused, Conflict) as refusal:   # Conflict: the code was used in the same moment
        form.refuse(refusal if isinstance(refusal, Refused) else Refused(two_step.WRONG, field="code"))
        return web.render("staff/code.html", 422, form=form)
    web.begin_session(token)
    response = web.redirect_home(half["next"])
    web.remember_device(response, user["email"])
    if form.data.trust:
        web.trust_browser(response, user["user_id"], state["created_at"].isoformat())
    return response


@blueprint.post("/logout")
@web.signed_in
@web.open_to_temporary_password
@web.open_without_two_step
def sign_out() -> Response:
    user = web.current_user()
    with transaction() as tx:
        service.sign_out(tx, web.actor(), user.session_key)
    web.end_session()
    if web.signs_in_by_clerk():
        clerk_page.note_signed_out()
    web.flash("You are signed out.")
    return web.redirect_to("staff.show_sign_in")


def _is_of_this_way(row: dict[str, Any]) -> bool:
    """Whether the session was opened the way that people sign in now, and Clerk has not signed the browser out since.

    A session that was remembered before an update lacks the column: it is one of a password.
    """
    by_clerk = row.get("clerk_session_id") is not None
    if by_clerk != web.signs_in_by_clerk():
        return False
    return not by_clerk or not clerk_page.says_signed_out(
        request.cookies, config.settings().clerk_publishable_key or "")


def _must_change_password(row: dict[str, Any]) -> bool:
    """Whether this colleague has a one-time password yet. With Clerk nobody has a password here."""
    return bool(row["must_change_password"]) and not web.signs_in_by_clerk()


def _must_set_up_two_step(row: dict[str, Any]) -> bool:
    """Whether the office demands a second step that this colleague has not set up. With Clerk, Clerk asks for it."""
    return not (row["two_step"] or web.signs_in_by_clerk()) and two_step.is_required(row["role"])


def _needs_code(user_id: int) -> bool:
    state = two_step.state_of(user_id)
    return (state is not None and state["confirmed_at"] is not None
            and not web.is_trusted_browser(user_id, state["created_at"].isoformat()))


def _again(form: web.SubmittedForm[SignIn], target: str, status: int) -> Response:
    return web.render("staff/sign_in.html", status, form=form, next=target)
