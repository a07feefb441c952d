"""One's own account: name, password, looks, and where one is signed in."""

from flask import request
from werkzeug.wrappers import Response

from database_pool import Conflict, transaction
from portal import web
from portal.errors import Refused
from portal.staff import queries, service, sessions
from portal.staff.devices import describe
from portal.staff.inputs import Account, PasswordChange
from portal.staff.views.sign_in import blueprint

LABELS = {"name": "Name", "phone": "Phone", "theme": "Colours", "density": "Rows in lists", "shortcuts": "Keys",
          "language": "Language of your new clients"}  # fmt: skip


@blueprint.get("/account")
@web.signed_in
def account() -> Response:
    stored = queries.colleague(web.current_user().user_id) or {}
    return _account_page(web.prefilled(stored))


@blueprint.post("/account")
@web.signed_in
def save_account() -> Response:
    form = web.submitted(Account)
    if form.data is None:
        return _account_page(form, 422)
    before = queries.colleague(web.current_user().user_id) or {}
    try:
        with transaction() as tx:
            service.change_own_account(tx, web.actor(), before, form.data)
    except Conflict:
        stored = queries.colleague(web.current_user().user_id) or {}
        return web.conflict_page(
            "Your account", form, LABELS, stored, stored["version"], "/account", "/account")
    web.flash("Your account is saved.")
    return web.redirect_to("staff.account")


@blueprint.get("/account/keys")
@web.signed_in
def keys() -> Response:
    """What each key does, for people; the dialog under "?" shows the same list."""
    return web.render("staff/keys.html")


@blueprint.post("/account/theme")
@web.signed_in
@web.open_to_temporary_password
def choose_theme() -> Response:
    with transaction() as tx:
        service.choose_theme(tx, web.actor(), request.form.get("theme", ""))
    return web.redirect_home(request.form.get("next"))


@blueprint.get("/account/password")
@web.signed_in
@web.while_signing_in_by("password")
@web.open_to_temporary_password
def password() -> Response:
    return web.render("staff/password.html", form=web.prefilled({}))


@blueprint.post("/account/password")
@web.signed_in
@web.while_signing_in_by("password")
@web.open_to_temporary_password
def change_password() -> Response:
    form = web.submitted(PasswordChange)
    if form.data is None:
        return web.render("staff/password.html", 422, form=form)
    user = web.current_user()
    try:
        with transaction() as tx:
            service.change_own_password(tx, web.actor(), form.data, session_key=user.session_key)
    except Refused as refusal:
        form.refuse(refusal)
        return web.render("staff/password.html", 422, form=form)
    web.flash("Your password is changed. Other devices are signed out, API tokens are revoked too.")
    return web.redirect_home("/" if user.must_change_password else "/account")


@blueprint.post("/account/sessions/end-others")
@web.signed_in
def end_other_sessions() -> Response:
    with transaction() as tx:
        service.end_own_other_sessions(tx, web.actor(), session_key=web.current_user().session_key)
    web.flash("You are signed out everywhere else, and your API tokens are revoked too.")
    return web.redirect_to("staff.account")


def _account_page(form: web.SubmittedForm[Account], status: int = 200) -> Response:
    user = web.current_user()
    devices = [{**row, "device": describe(row["user_agent"]), "here": row["token_hash"] == user.session_key}
               for row in sessions.live(user.user_id)]
    return web.render("staff/account.html", status, form=form, devices=devices)
