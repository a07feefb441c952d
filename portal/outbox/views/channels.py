"""The channels as an administrator sees them, and a client's consent to them."""

import secrets

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from config import settings
from database_pool import Conflict, Duplicate, transaction
from portal.clients.queries import client as client_of
from portal.errors import Refused
from portal.outbox import consent, queries, service
from portal.outbox.inputs import ConsentInput, TestInput
from portal.outbox.queries import Row
from portal.outbox.views.routes import blueprint
from portal.outbox.words import STATES
from portal.web import (
    SubmittedForm,
    actor,
    current_user,
    flash,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)

PROVIDERS = {"twilio": "Twilio", "meta": "Meta's Cloud API", "smtp": "the mail server", "": ""}


@blueprint.get("/messages/channels")
@requires("settings.manage")
def channels() -> Response:
    """How each channel is set up, whether it rests, and a way to try it."""
    return _channels(prefilled({"form_key": secrets.token_hex(16), "channel": "whatsapp"}))


@blueprint.post("/messages/channels/test")
@requires("settings.manage")
def test_channel() -> Response | BaseResponse:
    """Sends a test message to an address of the administrator's choice."""
    form = submitted(TestInput)
    if form.data is None or not form.ok:
        return _channels(form, status=422)
    try:
        with transaction() as tx:
            message_id = service.queue_test(tx, actor(), form.data, name=current_user().name)
    except Refused as refusal:
        form.refuse(refusal)
        return _channels(form, status=422)
    return redirect_to("outbox.show", message_id=message_id) if message_id else redirect_to("outbox.channels")


@blueprint.post("/messages/channels/<channel>/resume")
@requires("settings.manage")
def resume(channel: str) -> BaseResponse:
    """Ends the rest of a channel: what waits is tried now."""
    with transaction() as tx:
        service.resume_channel(tx, actor(), channel)
    flash("The channel is tried again.")
    return redirect_to("outbox.channels")


@blueprint.get("/messages/clients/<client_id>")
@requires("messages.read")
@shows("messages", "client", "client_id")
def of_client(client_id: str) -> Response:
    """What was written to a client, and what the client agreed to."""
    return _client_page(_client(client_id), prefilled({}))


@blueprint.post("/messages/clients/<client_id>/consent")
@requires("messages.write")
def agree(client_id: str) -> Response | BaseResponse:
    """Notes a client's consent to promotions."""
    return _change_consent(client_id, given=True)


@blueprint.post("/messages/clients/<client_id>/withdrawal")
@requires("messages.write")
def withdraw(client_id: str) -> Response | BaseResponse:
    """Notes that a client took the consent to promotions back."""
    return _change_consent(client_id, given=False)


def _change_consent(client_id: str, *, given: bool) -> Response | BaseResponse:
    found = _client(client_id)
    form = submitted(ConsentInput)
    if form.data is None or not form.ok:
        return _client_page(found, form, status=422)
    change = consent.agree if given else consent.withdraw
    try:
        with transaction() as tx:
            change(tx, actor(), found["client_id"], channel=form.data.channel, how=form.data.how)
    except (Conflict, Duplicate):
        flash("Nothing was done: this was noted already.", "warn")
    else:
        flash("The consent is noted." if given else "The withdrawal is noted.")
    return redirect_to("outbox.of_client", client_id=found["client_id"])


def _client(client_id: str) -> Row:
    return client_of(client_id) or not_found(f"There is no client {client_id[:20]}.")


def _client_page(found: Row, form: SubmittedForm[ConsentInput], *, status: int = 200) -> Response:
    client_id = found["client_id"]
    return render(
        "outbox/client.html", status, client=found, form=form, states=STATES, channels=service.CHANNELS,
        sent=queries.messages_of_client(client_id, limit=50), consents=queries.consents(client_id),
        allowed=queries.consents_of([client_id])[client_id],
        thread=queries.thread_of("whatsapp", found["phone"]) if found["phone"] else None,
    )  # fmt: skip


def _channels(form: SubmittedForm[TestInput], *, status: int = 200) -> Response:
    chosen = settings()
    providers = {
        "whatsapp": "twilio" if chosen.uses("twilio") else "meta" if chosen.uses("meta") else "",
        "email": "smtp" if chosen.uses("smtp") else "",
    }
    return render(
        "outbox/channels.html", status, form=form, channels=service.CHANNELS, providers=providers, names=PROVIDERS,
        pauses={row["channel"]: row for row in queries.pauses()}, base_url=chosen.app_base_url,
        heard={name: queries.last_report(name) for name in providers.values() if name in ("twilio", "meta")},
        events_refused=chosen.uses("meta") and not chosen.whatsapp_app_secret,
    )  # fmt: skip
