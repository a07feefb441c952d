"""Several documents at once: as one ZIP archive."""

from collections.abc import Sequence
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import transaction
from portal import audit
from portal.clients import queries as clients
from portal.documents import queries, service
from portal.documents.inputs import DocumentFilter
from portal.documents.views.delivery import disposition
from portal.documents.views.routes import blueprint
from portal.documents.zip_stream import zip_stream
from portal.errors import Refused
from portal.formats import today
from portal.lists.service import Selection, selection
from portal.web import actor, exact_filters, flash, not_found, redirect_home, requires, shows

Row = dict[str, Any]
NOTHING_CHOSEN = "Tick the documents first, or choose all that match."
TOO_MANY = f"At most {queries.MOST} documents go into one ZIP. Narrow the list, then do it in parts."


@blueprint.post("/documents/bulk")
@requires("documents.read")
@shows("ZIP")
def bulk() -> Response | BaseResponse:
    """The ticked documents, or all that match, as one archive."""
    wanted = selection(request.form.to_dict(flat=False))
    documents = queries.present_documents(_filters(wanted), limit=queries.MOST + 1) if wanted else []
    if not documents:
        flash(NOTHING_CHOSEN, "warn")
        return redirect_home(f"/documents?{wanted.query}")
    return _zipped(documents, f"documents {today().isoformat()}.zip")


@blueprint.get("/documents/of/<client_id>/zip")
@requires("documents.read")
@shows("ZIP", "client", "client_id")
def zip_of_client(client_id: str) -> Response:
    """All documents of a client as one archive."""
    client = clients.client(client_id.upper()[:20]) or not_found("There is no such client.")
    documents = queries.present_documents({"client_id_eq": client["client_id"]}, limit=queries.MOST + 1)
    if not documents:
        not_found("No document of this client is kept.")
    return _zipped(documents, f"{client['name']} {client['client_id']} {today().isoformat()}.zip")


def _filters(wanted: Selection) -> Row:
    if wanted.everything:
        return queries.filters_of(exact_filters(DocumentFilter, wanted.arguments))
    numbers = [int(text) for text in wanted.ids if text.isascii() and text.isdigit() and len(text) < 19]
    return {"document_id_in": numbers}


def _zipped(documents: Sequence[Row], name: str) -> Response:
    """The archive while it is made. Who opened which document stands in the trail, as for each of them alone."""
    if len(documents) > queries.MOST:
        raise Refused(TOO_MANY)
    by = actor()
    with transaction() as tx:
        for document in documents:
            audit.record(tx, by, "open", "document", document["document_id"], client_id=document["client_id"],
                         after={"in": "ZIP"})  # fmt: skip
    response = Response(zip_stream(documents, service.open_content), mimetype="application/zip")
    response.headers["Content-Disposition"] = disposition(name, inline=False)
    return response
