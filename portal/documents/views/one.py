"""One document: its page, its content, and what can be done with it."""

from collections.abc import Callable
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, Duplicate, Transaction, transaction
from portal import audit
from portal.clients import queries as clients
from portal.documents import queries, service, words
from portal.documents.inputs import SOURCES, DetailsInput, PageFilter, VersionInput
from portal.documents.views.delivery import delivered
from portal.documents.views.routes import blueprint
from portal.errors import Refused
from portal.inputs import lenient
from portal.web import (
    SubmittedForm,
    actor,
    conflict_page,
    flash,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    shows,
    submitted,
)

Row = dict[str, Any]


@blueprint.get("/documents/<int:document_id>")
@requires("documents.read")
@shows("page", "document", "document_id")
def show(document_id: int) -> Response:
    """One document: what it is, how it looks, who fetched it by a link."""
    return _page(_document(document_id))


@blueprint.route("/documents/<int:document_id>/content", methods=["GET", "HEAD"])
@requires("documents.read")
@shows("file", "document", "document_id")
def content(document_id: int) -> Response:
    """The document as a file, whole or in part; pictures may be shown in place. Who looked stands in the trail."""
    document = _document(document_id)
    if document["state"] == "refused":
        not_found("This file was not accepted, so it was not kept.")
    if request.method == "GET" and "Range" not in request.headers:
        with transaction() as tx:
            audit.record(tx, actor(), "open", "document", document_id, client_id=document["client_id"])
    return delivered(document, name=document["file_name"], inline="inline" in request.args)


@blueprint.get("/documents/<int:document_id>/preview")
@requires("documents.read")
@shows("preview", "document", "document_id")
def preview(document_id: int) -> Response:
    """One page of a PDF as a picture, painted by a process that may come to harm."""
    document = _document(document_id)
    page = lenient(PageFilter, request.args.to_dict()).page or 1
    picture = service.picture_of(document, page)
    answer = Response(picture, mimetype="image/jpeg")
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


@blueprint.post("/documents/<int:document_id>")
@requires("documents.write")
def save(document_id: int) -> Response | BaseResponse:
    """Files a document under another type, member or policy."""
    document = _document(document_id)
    form = submitted(DetailsInput)
    if form.data is None or not form.ok:
        return _page(document, form, 422)
    try:
        with transaction() as tx:
            service.change_details(tx, actor(), document, form.data)
    except Refused as refusal:
        form.refuse(refusal)
        return _page(document, form, 422)
    except Duplicate:
        form.add_error("policy_id", "This file is kept for that policy already.")
        return _page(document, form, 422)
    except Conflict:
        fresh = _document(document_id)
        here = f"/documents/{document_id}"
        return conflict_page(fresh["file_name"], form, words.LABELS, fresh, fresh["version"], here, here)
    flash("The document is saved.")
    return redirect_to("documents.show", document_id=document_id)


@blueprint.post("/documents/<int:document_id>/trash")
@requires("documents.delete")
def put_into_trash(document_id: int) -> BaseResponse:
    """Moves a document to the trash."""
    document = _document(document_id)
    if _press(lambda tx, by, version: service.put_into_trash(tx, by, document, version)):
        restoration = f"/documents/{document_id}/restoration"
        flash("The document is in the trash.", undo=restoration, version=document["version"] + 1)
    return redirect_to("documents.show", document_id=document_id)


@blueprint.post("/documents/<int:document_id>/restoration")
@requires("documents.delete")
def restore(document_id: int) -> BaseResponse:
    """Takes a document out of the trash."""
    document = _document(document_id)
    try:
        if _press(lambda tx, by, version: service.restore(tx, by, document, version)):
            flash("The document is restored.")
    except Duplicate:
        flash("The same file was uploaded again meanwhile, so this one stays in the trash.", "warn")
    return redirect_to("documents.show", document_id=document_id)


def _document(document_id: int) -> Row:
    return queries.document(document_id) or not_found("There is no such document. Look for it in the list.")


def _page(document: Row, form: SubmittedForm[Any] | None = None, status: int = 200) -> Response:
    members = clients.members_of(document["client_id"])
    return render(
        "documents/show.html",
        status,
        document=document,
        form=form or prefilled(document),
        fetches=queries.fetches_of(document["document_id"]),
        members=[(row["member_id"], row["name"]) for row in members],
        policies=[(row["policy_id"], f"{row['policy_number'] or 'number awaited'}, {row['product_name']}")
                  for row in clients.policies_of(document["client_id"])],
        kinds=[(row["key"], row["name"]) for row in queries.kinds(active_only=False)],
        sources=SOURCES,
        words=words,
        page=min(lenient(PageFilter, request.args.to_dict()).page or 1, max(document["pages"] or 1, 1)),
    )  # fmt: skip


def _press(change: Callable[[Transaction, audit.Actor, int], None]) -> bool:
    """Does what a button asks for; False, with a message for the next page, when the document changed meanwhile."""
    form = submitted(VersionInput)
    try:
        with transaction() as tx:
            change(tx, actor(), form.data.version if form.data else 0)
    except Conflict:
        flash("Nothing was done: a colleague changed this document meanwhile. Look at it and try again.", "warn")
        return False
    return True
