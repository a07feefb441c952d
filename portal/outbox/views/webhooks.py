"""What providers call: proven genuine over the bytes as they came, stored once, answered at once; a task works."""

import hmac
import json
from collections.abc import Sequence

from flask import Response, abort, current_app, request

from config import settings
from database_pool import Duplicate, transaction
from portal.outbox import arrivals, webhooks
from portal.outbox.views.routes import blueprint
from portal.outbox.webhooks import Inbound, Status
from portal.web import signed_by_sender

LARGEST_BODY = 4 * 1024 * 1024   # Meta's payloads have up to 3 MB
LARGEST_FORM = 256 * 1024
RIVALS = 5
NOTHING_TO_SAY = "<Response/>"   # an answer goes through the outbox: a slow reply here makes Twilio call again


@blueprint.get("/webhook")
@signed_by_sender
def verify() -> Response:
    """Meta's handshake: repeats the challenge to whoever knows VERIFY_TOKEN."""
    expected, given = settings().verify_token, request.args.get("hub.verify_token", "")
    challenge = request.args.get("hub.challenge", "")
    known = bool(expected) and hmac.compare_digest((expected or "").encode(), given.encode())
    if not known or request.args.get("hub.mode") != "subscribe" or not challenge or len(challenge) > 200:
        current_app.logger.warning("webhook refused: wrong verification")
        abort(403)
    return Response(challenge, content_type="text/plain; charset=utf-8")


@blueprint.post("/webhook")
@signed_by_sender
def hear_meta() -> Response:
    """Messages and statuses from Meta."""
    request.max_content_length = LARGEST_BODY
    body = request.get_data(cache=False)
    signature = request.headers.get("X-Hub-Signature-256", "")
    if not webhooks.is_from_meta(body, signature, settings().whatsapp_app_secret):
        _refuse("meta")
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        abort(400, "The body is no JSON.")
    _store(*webhooks.meta_events(payload))
    return Response("", 200)


@blueprint.post("/twilio/whatsapp")
@signed_by_sender
def hear_twilio() -> Response:
    """A message that came in at Twilio's sender."""
    _check_twilio()
    found = webhooks.twilio_inbound(request.form)
    _store([found] if found else [], [])
    return Response(NOTHING_TO_SAY, content_type="text/xml; charset=utf-8")


@blueprint.post("/twilio/status")
@signed_by_sender
def hear_twilio_status() -> Response:
    """What became of a message; our own id stands in the address."""
    _check_twilio()
    found = webhooks.twilio_status(request.form, request.args.get("oid", ""))
    _store([], [found] if found else [])
    return Response(NOTHING_TO_SAY, content_type="text/xml; charset=utf-8")


def _check_twilio() -> None:
    """403 unless Twilio signed this address with this form, and it is about our account."""
    request.max_content_length = LARGEST_FORM
    chosen = settings()
    url = webhooks.signed_address(chosen.app_base_url, request.environ)
    signature = request.headers.get("X-Twilio-Signature", "")
    genuine = webhooks.is_from_twilio(url, request.form, signature, chosen.twilio_auth_token)
    if not genuine or request.form.get("AccountSid") != chosen.twilio_account_sid:
        _refuse("twilio")


def _refuse(provider: str) -> None:
    current_app.logger.warning("webhook refused: not from %s", provider)
    abort(403)


def _store(inbound: Sequence[Inbound], statuses: Sequence[Status]) -> None:
    """Stores what is new. A rival with the same event makes us look again; then it is not new any more."""
    for attempt in range(1, RIVALS + 1):
        found = arrivals.news(inbound, statuses)
        if not found:
            return
        try:
            with transaction() as tx:
                arrivals.store(tx, found)
        except Duplicate:
            if attempt == RIVALS:
                raise
        else:
            return
