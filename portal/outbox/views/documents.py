"""Sending a document to the client it belongs to."""

import secrets

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Duplicate, transaction
from portal.clients import queries as clients
from portal.documents import queries as documents
from portal.errors import Refused
from portal.outbox import queries, reach, service
from portal.outbox.inputs import DocumentInput
from portal.outbox.queries import Row
from portal.outbox.service import NewMessage
from portal.outbox.views.routes import blueprint
from portal.web import (
    SubmittedForm,
    actor,
    flash,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)


@blueprint.get("/messages/documents/<int:document_id>")
@requires("messages.write")
@shows("page", "document", "document_id")
def choose_way(document_id: int) -> Response:
    """The form to send a document: by which way, with which words."""
    document = _document(document_id)
    name = document["title"] or document["kind_name"]
    channel = next((channel for channel, way in _ways(_client(document)).items() if not way[1]), "whatsapp")
    form = prefilled({"form_key": secrets.token_hex(16), "channel": channel, "text": f"Your document: {name}"})
    return _page(document, form)


@blueprint.post("/messages/documents/<int:document_id>")
@requires("messages.write")
def send_document(document_id: int) -> Response | BaseResponse:
    """Puts the document into the outbox for its client."""
    document = _document(document_id)
    form = submitted(DocumentInput)
    if form.data is None or not form.ok:
        return _page(document, form, 422)
    client = _client(document)
    ways = _ways(client)
    if ways[form.data.channel][1]:
        form.add_error("channel", ways[form.data.channel][1])
        return _page(document, form, 422)
    message = NewMessage(
        channel=form.data.channel, purpose="service", key=f"document:{document_id}:{form.data.form_key}",
        to=ways[form.data.channel][0], client_id=client["client_id"], policy_id=document["policy_id"],
        language=client["language"], text=form.data.text or "", document_ids=(document_id,), priority=1,
        subject=document["title"] or document["kind_name"],
    )  # fmt: skip
    try:
        with transaction() as tx:
            service.queue_message(tx, actor(), message)
    except Refused as refusal:
        form.refuse(refusal)
        return _page(document, form, 422)
    except Duplicate:
        pass  # the same form twice at once: it is sent once
    flash(f"The document is on its way to {client['name']}.")
    return redirect_to("documents.show", document_id=document_id)


def _document(document_id: int) -> Row:
    found = documents.document(document_id)
    if found is None or found["deleted_at"] is not None or found["state"] not in ("waiting", "stored"):
        not_found("This document is not there any more, so it cannot be sent.")
    return found


def _client(document: Row) -> Row:
    return clients.client(document["client_id"]) or not_found("There is no such client any more.")


def _ways(client: Row) -> dict[str, tuple[str, str]]:
    """By channel: the address, and why it cannot be used ("" when it can)."""
    found = {}
    for channel, address, lacking in (("whatsapp", client["phone"], "no phone number"), ("email", client["email"],
                                                                                        "no e-mail address")):
        consent = queries.consent_of(client["client_id"], channel)
        why_not = "" if consent.service else consent.why_not or "The client has not agreed to it."
        if channel == "whatsapp" and address and not why_not and reach.not_taken([reach.Words(address)]):
            why_not = reach.NO_WORDS
        found[channel] = (address or "", why_not if address else f"{client['name']} has {lacking}.")
    return found


def _page(document: Row, form: SubmittedForm[DocumentInput], status: int = 200) -> Response:
    client = _client(document)
    return render("outbox/send_document.html", status, document=document, client=client, form=form, ways=_ways(client),
                  channels=service.CHANNELS)  # fmt: skip
