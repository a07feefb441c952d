"""Documents: what is kept of clients and policies, and a link to the content of each."""

import datetime
from typing import Any

from flask import Response

from database_pool import Duplicate, transaction
from portal import audit
from portal.api.operations import Operation
from portal.api.records import DOCUMENT, DOCUMENT_LINK
from portal.api.shapes import of_form
from portal.api.views.lists import listed, parameters
from portal.api.views.routes import Asked, done, guarded, operation, page_of, record, refuse, require_version
from portal.documents import links, queries, service
from portal.documents.inputs import DetailsInput, DocumentFilter
from portal.formats import now
from portal.web import actor, not_found

Row = dict[str, Any]
TAG = "Documents"
ONE = "/documents/<int:document_id>"
LINK_VALID = 15 * 60  # seconds
KEPT_TWICE = "The same file is kept for that policy already."


@operation(Operation(
    "list_documents", "GET", "/documents", "documents.read", "Documents, narrowed and ordered as on the page", TAG,
    DOCUMENT, many=True, query=parameters(DocumentFilter, queries.SORTS)))  # fmt: skip
def list_documents(asked: Asked) -> Response:
    wanted = listed(asked, queries.SORTS)
    return page_of(asked.operation, queries.page_of_documents(wanted, asked.filter(DocumentFilter)), wanted)


@operation(Operation("show_document", "GET", ONE, "documents.read", "One document", TAG, DOCUMENT))
def show_document(asked: Asked, document_id: int) -> Response:
    return record(asked.operation, _document(document_id))


@operation(Operation(
    "change_document", "PUT", ONE, "documents.write",
    "Files a document under another type, member or policy; what is left out is emptied", TAG, DOCUMENT, guarded=True,
    refuses=(409,), body=lambda: of_form(DetailsInput, without=("version",))))  # fmt: skip
def change_document(asked: Asked, document_id: int) -> Response:
    stored = _document(document_id)
    require_version(asked, stored)
    data = asked.form(DetailsInput, version=asked.version)
    try:
        guarded(lambda tx: service.change_details(tx, actor(), stored, data))
    except Duplicate:
        refuse(409, KEPT_TWICE, {"policy_id": KEPT_TWICE})
    return record(asked.operation, _document(document_id))


@operation(Operation(
    "link_document", "POST", f"{ONE}/link", "documents.read",
    "A link to the content that works for a quarter of an hour without signing in", TAG, DOCUMENT_LINK,
    refuses=(409,)))  # fmt: skip
def link_document(asked: Asked, document_id: int) -> Response:
    document = _document(document_id)
    if document["state"] == "refused":
        refuse(409, "This file was not accepted, so it was not kept.")
    url = links.media_link(document_id, valid_seconds=LINK_VALID, purpose="api")
    with transaction() as tx:
        audit.record(tx, actor(), "open", "document", document_id, client_id=document["client_id"])
    valid_until = now() + datetime.timedelta(seconds=LINK_VALID)
    return record(asked.operation, {"url": url, "valid_until": valid_until})


@operation(Operation(
    "delete_document", "DELETE", ONE, "documents.delete", "Moves a document to the trash; its links end", TAG,
    status=204, guarded=True))  # fmt: skip
def delete_document(asked: Asked, document_id: int) -> Response:
    stored = _document(document_id)
    require_version(asked, stored)
    guarded(lambda tx: service.put_into_trash(tx, actor(), stored, asked.version))
    return done()


@operation(Operation(
    "restore_document", "POST", f"{ONE}/restoration", "documents.delete", "Takes a document out of the trash", TAG,
    DOCUMENT, guarded=True, refuses=(409,)))  # fmt: skip
def restore_document(asked: Asked, document_id: int) -> Response:
    stored = queries.document(document_id)
    if stored is None or stored["deleted_at"] is None:
        not_found("There is no document with this number in the trash.")
    require_version(asked, stored)
    try:
        guarded(lambda tx: service.restore(tx, actor(), stored, asked.version))
    except Duplicate:
        refuse(409, "The same file was uploaded again meanwhile.")
    return record(asked.operation, _document(document_id))


def _document(document_id: int) -> Row:
    found = queries.document(document_id)
    if found is None or found["deleted_at"] is not None:
        not_found("There is no document with this number.")
    return found
