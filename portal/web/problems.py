"""Every error as an answer: a page for people, application/problem+json (RFC 9457) for programs, never internals."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, jsonify, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, TooManyRequests

import database_pool
from batch_file_operations import QueueFull
from portal import errors
from portal.web import access, forms, pages

# What people read. 5xx name no cause: that is in the log, under the reference.
EXPLANATIONS = {
    400: ("This request could not be understood", "Go back, check what you entered, and try again."),
    401: ("You are signed out", "Please sign in and try again."),
    403: ("You may not open this", "Your role does not include it. An administrator can change that."),
    404: ("There is no such page", "It may have been moved or removed. Search for it, or start from the list."),
    405: ("This cannot be done here", "The address is not for this kind of request. Start again from the page itself."),
    409: ("Someone else was quicker", "The record was changed meanwhile. Open it again and repeat your change."),
    406: ("Not in this form", "The answer is JSON. Ask for application/json, or for anything."),
    412: ("Someone else was quicker", "The record was changed meanwhile. Read it again and repeat your change."),
    413: ("That was too large", "The portal takes less at once. Go back, shorten the text or choose a smaller file."),
    415: ("This kind of content is not accepted", "Send the form from the page itself."),
    422: ("That could not be saved", "Something in it does not fit together. Go back and check your entries."),
    428: ("Say which version you saw", "Send the ETag of the record as If-Match, so that nobody's change is lost."),
    429: ("Too many attempts", "Please wait a little, then try again."),
    500: ("Something went wrong on our side",
          "Try again. If it happens again, pass on the reference below to whoever looks after the portal."),
    503: ("The portal is busy", "The database did not answer in time and nothing was saved. Try again shortly."),
}
# What programs read instead where nothing more exact is known: they have no page to go back to.
FOR_PROGRAMS = {
    400: "Read how this is asked for in /api/openapi.json, and send it so.",
    401: "Sign in, or send a token that is still good: Authorization: Bearer ...",
    403: "The role or the token does not include it. An administrator can change the role.",
    404: "There is nothing at this address. /api/openapi.json lists what there is.",
    405: "The address does not take this method. Allow lists those that it takes.",
    413: "The portal takes less at once. Send less, or in several requests.",
    415: "Send the body in the type that /api/openapi.json names, and say so in Content-Type.",
    422: "Something in it does not fit together.",
    429: "Wait as long as Retry-After says, then go on more slowly.",
    503: "The database did not answer in time and nothing was saved. Try again after Retry-After.",
}
UNCERTAIN = "The database stopped answering while saving. Look whether your change is there before you repeat it."
RETRY_SECONDS = {429: 30, 503: 5}


def connect(app: Flask) -> None:
    """Registers the answers to every kind of error."""
    app.register_error_handler(CSRFError, _answer_stale_form)
    app.register_error_handler(errors.PortalError, _answer_refusal)
    app.register_error_handler(database_pool.DatabaseError, _answer_database_error)
    app.register_error_handler(QueueFull, _answer_full)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_unexpected)


def user_for_page() -> access.StaffMember | None:
    """Whose name stands on the page; None as well when the database cannot say: its failure still needs a page."""
    try:
        return access.user_or_none()
    except database_pool.DatabaseError:
        g.user = None
        return None


def problem(
    status: int, sentence: str = "", *, retry_after: int | None = None, more: Mapping[str, Any] | None = None
) -> Response:
    """The answer to an error: `sentence` replaces the usual explanation, programs get `more` beside it."""
    phrase = HTTPStatus(status).phrase
    title, usual = EXPLANATIONS.get(status, (phrase, ""))
    reference = g.get("request_id", "") if status >= 500 else ""
    if access.wants_json():
        # The title of "about:blank" is the status in words (RFC 9457, 4.2.1).
        detail = sentence or FOR_PROGRAMS.get(status, usual)
        response = jsonify({"type": "about:blank", "title": phrase, "status": status, "detail": detail,
                            **({"reference": reference} if reference else {}), **(more or {})})
        response.content_type = "application/problem+json"
    elif access.asked_by_htmx():
        response = make_response(render_template(
            "errors/toast.html", heading=title, sentence=sentence or usual, reference=reference))
        response.headers["HX-Reswap"] = "none"
    else:
        response = make_response(render_template(
            "errors/error.html", status=status, heading=title, sentence=sentence or usual, reference=reference))
    response.status_code = status
    if status == 401 and access.wants_json():
        response.headers["WWW-Authenticate"] = 'Bearer realm="portal"'
    wait = retry_after or RETRY_SECONDS.get(status)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _answer_http_error(error: HTTPException) -> Response:
    if error.response is not None and error.code is None:   # abort(response)
        return make_response(error.response)
    status = error.code or 500
    if status in (301, 302, 303, 307, 308):
        return make_response(error.get_response())
    if status == 401 and request.method == "POST" and not access.wants_json() and not access.asked_by_htmx():
        return _offer_to_resend(401)
    spoken = error.description if _was_written_by_us(error) else ""
    response = problem(status, spoken or "")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(error.valid_methods)
    if isinstance(error, TooManyRequests) and isinstance(error.retry_after, int):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _was_written_by_us(error: HTTPException) -> bool:
    return error.description != type(error).description and 400 <= (error.code or 500) < 500 and not isinstance(
        error, MethodNotAllowed) and type(error).__name__ not in ("BadRequestKeyError", "SecurityError")


def _answer_refusal(error: errors.PortalError) -> Response:
    status = {errors.NotFound: 404, errors.NotPermitted: 403, errors.TooManyAttempts: 429}.get(type(error), 422)
    return problem(status, error.sentence, retry_after=getattr(error, "seconds", None))


def _answer_database_error(error: database_pool.DatabaseError) -> Response:
    if isinstance(error, database_pool.Conflict):
        return problem(409)
    if isinstance(error, database_pool.BusinessRule) and 400 <= error.status < 500:
        return problem(error.status, error.message if error.hint == "show" else "")
    if isinstance(error, database_pool.ReferenceMissing | database_pool.InvalidData):
        current_app.logger.warning("refused by the database: %s", type(error).__name__, exc_info=error)
        return problem(422)
    if isinstance(error, database_pool.OutcomeUnknown):
        current_app.logger.error("outcome unknown", exc_info=error)
        return problem(503, UNCERTAIN)
    if isinstance(error, database_pool.PoolExhausted | database_pool.Unavailable | database_pool.Aborted):
        current_app.logger.error("database not available: %s", type(error).__name__)
        return problem(503)
    if isinstance(error, database_pool.TookTooLong):
        current_app.logger.error("statement cancelled by its timeout", exc_info=error)
        return problem(503, "This takes longer than the portal allows. Narrow it down, or try again later.")
    return _answer_unexpected(error)


def _answer_full(error: QueueFull) -> Response:
    return problem(503, str(error), retry_after=error.retry_after)


def _answer_unexpected(error: Exception) -> Response:
    current_app.logger.exception("unexpected error", exc_info=error)
    return problem(500)


def _answer_stale_form(error: CSRFError) -> Response:
    if access.wants_json():
        return problem(400, "The CSRF token is missing or out of date.")
    if access.asked_by_htmx():
        return problem(400, "This page was open too long. Reload it, then press the button again.")
    return _offer_to_resend(400)


def _offer_to_resend(status: int) -> Response:
    """A form that came too late (signed out meanwhile, or its token is of an older session), with all that was typed.

    Only the portal's own pages get the offer: a form sent from elsewhere must not be confirmed by a click on this page.
    """
    if not _sent_by_our_own_page():
        return problem(status, "The form did not come from a page of the portal. Open the page here and send it again.")
    values = {name: texts for name, texts in request.form.to_dict(flat=False).items() if "password" not in name}
    form: forms.SubmittedForm[Any] = forms.SubmittedForm(dict(values))
    response = make_response(render_template(
        "errors/resend.html", status=status, kept=pages.kept_fields(form, leave_out={"csrf_token"}),
        secret_left_out=len(values) < len(request.form), action_url=request.full_path.rstrip("?")))
    response.status_code = status
    return response


def _sent_by_our_own_page() -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin") or request.headers.get("Referer", "")
    return origin == request.host_url.rstrip("/") or origin.startswith(request.host_url)
