"""Setting up the second step of signing in, for oneself; an administrator may take it away when the phone is lost."""

import segno
from werkzeug.wrappers import Response

from database_pool import Conflict, transaction
from portal import web
from portal.errors import Refused, TooManyAttempts
from portal.staff import service, two_step
from portal.staff.inputs import PasswordOnly, SecondStep, TokenWithPassword
from portal.staff.views.sign_in import blueprint
from portal.staff.views.users import named_colleague

SHOWN_AS = "Insurance Portal"


@blueprint.get("/account/two-step")
@web.signed_in
@web.while_signing_in_by("password")
@web.open_without_two_step
def show_two_step() -> Response:
    return _page(web.prefilled({}))


@blueprint.post("/account/two-step")
@web.signed_in
@web.while_signing_in_by("password")
@web.open_without_two_step
def begin_two_step() -> Response:
    user_id = web.current_user().user_id
    if not two_step.is_on(user_id):
        with transaction() as tx:
            two_step.begin(tx, user_id)
    return web.redirect_to("staff.show_two_step")


@blueprint.post("/account/two-step/confirm")
@web.signed_in
@web.while_signing_in_by("password")
@web.open_without_two_step
def confirm_two_step() -> Response:
    form = web.submitted(SecondStep)
    state = two_step.state_of(web.current_user().user_id)
    if state is None or state["confirmed_at"] is not None:
        return web.redirect_to("staff.show_two_step")
    if form.data is None:
        return _page(form, 422)
    try:
        with transaction() as tx:
            codes = two_step.confirm(tx, web.actor(), state, form.data.code)
    except Refused as refusal:
        form.refuse(refusal)
        return _page(form, 422)
    except Conflict:
        return web.redirect_to("staff.show_two_step")
    return web.render("staff/recovery_codes.html", codes=codes)


@blueprint.post("/account/two-step/codes")
@web.signed_in
@web.while_signing_in_by("password")
def renew_codes() -> Response:
    user_id = web.current_user().user_id
    form = web.submitted(PasswordOnly)
    if not two_step.is_on(user_id) or not knows_password(form):
        return _page(form, 422)
    with transaction() as tx:
        codes = two_step.replace_recovery_codes(tx, web.actor(), user_id)
    return web.render("staff/recovery_codes.html", codes=codes)


@blueprint.post("/account/two-step/off")
@web.signed_in
@web.while_signing_in_by("password")
def turn_off_two_step() -> Response:
    user = web.current_user()
    form = web.submitted(PasswordOnly)
    if two_step.is_required(user.role):
        form.add_error("password", "The office asks for two-step sign-in. Another administrator can reset it.")
    if not form.ok or not knows_password(form):
        return _page(form, 422)
    with transaction() as tx:
        two_step.turn_off(tx, web.actor(), user.user_id)
    web.flash("Two-step sign-in is off. Your password alone signs you in.")
    return web.redirect_to("staff.account")


@blueprint.get("/users/<int:user_id>/two-step/reset")
@web.requires("staff.manage")
@web.while_signing_in_by("password")
def confirm_two_step_reset(user_id: int) -> Response:
    """Asks whether a colleague shall be signed out and lose the second step."""
    return web.render("staff/confirm.html", what="two-step", colleague=named_colleague(user_id))


@blueprint.post("/users/<int:user_id>/two-step/reset")
@web.requires("staff.manage")
@web.while_signing_in_by("password")
def reset_two_step(user_id: int) -> Response:
    colleague = named_colleague(user_id)
    try:
        with transaction() as tx:
            two_step.reset(tx, web.actor(), user_id)
    except Refused as refusal:
        web.flash(refusal.sentence, "bad")
        return web.redirect_to("staff.user", user_id=user_id)
    web.flash(f"{colleague['name']} is signed out and can sign in with the password alone.")
    return web.redirect_to("staff.user", user_id=user_id)


def knows_password(form: web.SubmittedForm[PasswordOnly] | web.SubmittedForm[TokenWithPassword]) -> bool:
    """Whether the colleague typed the own password; else the form says why not."""
    if form.data is None:
        return False
    try:
        service.check_own_password(web.current_user().user_id, form.data.password, field="password")
    except (Refused, TooManyAttempts) as refusal:
        form.refuse(refusal)
    return form.ok


def _page(form: web.SubmittedForm[SecondStep] | web.SubmittedForm[PasswordOnly], status: int = 200) -> Response:
    user = web.current_user()
    state = two_step.state_of(user.user_id)
    setting_up = state is not None and state["confirmed_at"] is None
    picture = secret = ""
    if state is not None and setting_up:
        address = two_step.address_for_app(state, email=user.email, portal_name=SHOWN_AS)
        picture = segno.make(address, error="m").svg_data_uri(scale=5, border=4, light="white")
        secret = two_step.secret_of(state)
    return web.render(
        "staff/two_step.html", status, form=form, is_on=state is not None and not setting_up, picture=picture,
        secret=secret, required=two_step.is_required(user.role),
        codes_left=two_step.unused_recovery_codes(user.user_id) if state is not None and not setting_up else 0)
