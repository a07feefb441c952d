"""Signing in through Clerk: a token is exchanged once for a session of ours, and Clerk's events are heard."""

import dataclasses
import json
import logging

from flask import Response as FlaskResponse
from flask import abort, current_app, request
from werkzeug.wrappers import Response

import config
from database_pool import Conflict, Duplicate, transaction
from portal import web
from portal.errors import Refused
from portal.staff import clerk, clerk_keys, clerk_tokens, queries, service, two_step
from portal.staff.clerk_tokens import Claims, TokenRefused, UnknownKey
from portal.staff.inputs import Guarded
from portal.staff.views import clerk_page
from portal.staff.views.sign_in import blueprint
from task_queue import enqueue

logger = logging.getLogger(__name__)

LARGEST_EVENT = 1024 * 1024
RIVALS = 5
MOST_ROUNDS = 15   # of two seconds, until Clerk has told who somebody is
NO_ANSWER = "Clerk has not told the portal who you are. Try again in a minute; if it stays so, tell an administrator."
ONCE_MORE = "Something changed while you were signing in. Please sign in again."


@blueprint.post("/login/clerk")
@web.public
@web.limited("sign-in")
@web.while_signing_in_by("clerk")
def exchange() -> Response:
    """Takes a fresh token of Clerk's session and answers with a session of ours."""
    target = web.safe_next(request.form.get("next"))
    try:
        claims = _checked(request.form.get("token", ""))
    except UnknownKey:
        if clerk_keys.may_ask_for_keys():
            with transaction() as tx:
                clerk_keys.ask_for_keys(tx)
        return _wait(target)
    except TokenRefused as refusal:
        logger.warning("token of Clerk refused", extra={"reason": refusal.reason})
        return clerk_page.show(422, target=target, mode="refused", sentence=refusal.sentence)
    if clerk.is_over(claims):
        return clerk_page.show(422, target=target, mode="over", sentence=clerk.OVER)
    known = queries.clerk_user(claims.clerk_user_id)
    if known is None:
        with transaction() as tx:
            enqueue(tx, "staff.fetch_clerk_user", clerk_user_id=claims.clerk_user_id,
                    unique_key=f"staff.fetch_clerk_user {claims.clerk_user_id}")
        return _wait(target)
    try:
        account = clerk.account_of(claims, known, must_have_two_steps=_roles_with_two_steps())
        actor = dataclasses.replace(web.actor(), user_id=account["user_id"])
        with transaction() as tx:
            token = clerk.sign_in(tx, actor, claims, account, user_agent=request.user_agent.string)
    except Refused as refusal:
        return clerk_page.show(422, target=target, mode="refused", sentence=refusal.sentence)
    except (Conflict, Duplicate):   # handed in before; or somebody changed the account or signed out in this moment
        return clerk_page.show(409, target=target, mode="offer", sentence=ONCE_MORE)
    web.begin_session(token)
    return web.redirect_home(target)


@blueprint.post("/clerk/webhook")
@web.signed_by_sender
def hear_clerk() -> FlaskResponse:
    """An event about a person or a session."""
    request.max_content_length = LARGEST_EVENT
    body, chosen = request.get_data(cache=False), config.settings()
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not chosen.uses("clerk") or not clerk.is_genuine(body, headers, chosen.clerk_webhook_secret):
        current_app.logger.warning("webhook refused: not from clerk")
        abort(403)
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        abort(400, "The body is no JSON.")
    event_id = request.headers["svix-id"]
    for attempt in range(1, RIVALS + 1):
        if not isinstance(payload, dict) or queries.is_known_clerk_event(event_id[:200]):
            break
        try:
            with transaction() as tx:
                clerk.note_event(tx, web.actor(), event_id, payload, chosen.admin_emails)
        except (Conflict, Duplicate):   # a rival told of the same person: look again
            if attempt == RIVALS:
                raise
        else:
            break
    return FlaskResponse("", 200)


@blueprint.post("/users/<int:user_id>/clerk")
@web.requires("staff.manage")
@web.while_signing_in_by("clerk")
def invite_through_clerk(user_id: int) -> Response:
    account = queries.colleague(user_id) if user_id < 2**63 else None
    if account is None:
        web.not_found("There is no such user.")
    form = web.submitted(Guarded)
    try:
        if form.data is None:
            raise Conflict("the form names no version")
        with transaction() as tx:
            clerk.invite(tx, web.actor(), account, version=form.data.version)
    except Conflict:
        web.flash("Someone else changed this account meanwhile. Look at it again and repeat what you wanted to do.",
                  "bad")
    else:
        web.flash(f"Whoever proves {account['email']} at Clerk signs in as {account['name']}.")
    return web.redirect_to("staff.user", user_id=user_id)


def _checked(token: str) -> Claims:
    chosen = config.settings()
    return clerk_tokens.check(
        token, key_of=lambda key_id: clerk_keys.key_of(key_id, chosen), issuer=chosen.clerk_frontend_api or "",
        parties=chosen.clerk_authorized_parties or (chosen.app_base_url,))


def _roles_with_two_steps() -> set[str]:
    return {role for role in service.ROLES if two_step.is_required(role)}


def _wait(target: str) -> Response:
    """Something is being fetched: the page comes back by itself in two seconds, and gives up after some rounds."""
    text = request.form.get("rounds", "0")
    rounds = int(text) + 1 if text.isascii() and text.isdecimal() and len(text) < 4 else 1
    if rounds > MOST_ROUNDS:
        return clerk_page.show(503, target=target, mode="refused", sentence=NO_ANSWER)
    return clerk_page.show(202, target=target, mode="wait", rounds=rounds)
