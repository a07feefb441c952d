"""One's own API tokens: made, shown once, revoked."""

from typing import Any

from werkzeug.wrappers import Response

from database_pool import Conflict, transaction
from portal import web
from portal.formats import now
from portal.staff import queries, tokens
from portal.staff.inputs import TokenInput, TokenWithPassword
from portal.staff.views.sign_in import blueprint
from portal.staff.views.two_step import knows_password

SCOPE_OPTIONS = [(scope, words) for scope, (words, _) in tokens.SCOPES.items()]


@blueprint.get("/account/tokens")
@web.signed_in
def own_tokens() -> Response:
    return _page(web.prefilled({"days": 90}))


@blueprint.post("/account/tokens")
@web.signed_in
def make_token() -> Response:
    form = _checked()
    if form.data is None or not form.ok:
        return _page(form, 422)
    with transaction() as tx:
        token = tokens.make(tx, web.actor(), form.data)
    # Shown in this answer and never again: it is stored nowhere and must not travel through a redirect.
    return _page(web.prefilled({"days": 90}), made=token)


@blueprint.post("/account/tokens/<int:token_id>/revoke")
@web.signed_in
def revoke_token(token_id: int) -> Response:
    if token_id >= 2**63:
        web.not_found("There is no such token.")
    try:
        with transaction() as tx:
            tokens.revoke(tx, web.actor(), token_id)
        web.flash("The token is revoked. Programs that use it are refused from now on.")
    except Conflict:
        web.flash("There is no such token, or it was revoked already.", "bad")
    return web.redirect_to("staff.own_tokens")


def _checked() -> web.SubmittedForm[Any]:
    """The form of a new token. A borrowed open browser must not make one: whoever has a password types it again."""
    if web.signs_in_by_clerk():
        return web.submitted(TokenInput)
    form = web.submitted(TokenWithPassword)
    knows_password(form)
    return form


def _page(form: web.SubmittedForm[Any], status: int = 200, *, made: str = "") -> Response:
    return web.render("staff/tokens.html", status, form=form, tokens=queries.tokens_of(web.current_user().user_id),
                      scopes=SCOPE_OPTIONS, made=made, now=now())
