"""Files coming in: the form, and the batch with its progress."""

import secrets
from typing import Any

from flask import Response, request
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as BaseResponse

from batch_file_operations import batch_file_manager
from database_pool import transaction
from portal import audit
from portal.clients import queries as clients
from portal.clients.inputs import ClientFilter
from portal.documents import queries, service, words
from portal.documents.inputs import BatchFilter, UploadInput
from portal.documents.views.routes import blueprint
from portal.errors import Refused
from portal.inputs import LARGEST_ID, lenient
from portal.paging import listing
from portal.web import (
    SubmittedForm,
    actor,
    flash,
    list_filters,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    submitted,
    takes_files,
)

Row = dict[str, Any]
MOST_SHOWN = 100  # files on one page of a batch


@blueprint.get("/documents/upload")
@requires("documents.write")
def choose() -> Response:
    """The form for files of one client; without a client, whose they are is asked first."""
    client = clients.client(request.args.get("client_id", "").strip().upper()[:20])
    if client is None or client["deleted_at"]:
        return _ask_for_client()
    given = lenient(UploadInput, {**request.args.to_dict(), "client_id": client["client_id"]})
    replaced = _replaced(request.args.get("replaces", type=int), client)
    form = prefilled({**given.model_dump(exclude_none=True), "batch_id": secrets.token_hex(16)})
    if replaced:
        form = prefilled(
            {**form.values, **{name: replaced[name] for name in ("kind", "policy_id", "member_id", "title")}}
        )
    return _upload_form(form, client, replaced)


@blueprint.post("/documents/upload")
@requires("documents.write")
@takes_files
def upload() -> Response | BaseResponse:
    """Takes the files of the form in, and leads to their batch."""
    form = submitted(UploadInput)
    client = clients.client(form.value("client_id").strip().upper()[:20])
    if client is None or client["deleted_at"]:
        not_found("There is no such client any more. Choose whose documents these are again.")
    replaced = _replaced(request.form.get("replaces", type=int), client)
    files = _files()
    if not files:
        form.add_error("files", "Choose at least one file.")
    if replaced and len(files) > 1:
        form.add_error("files", "One document takes the place of another. Choose one file.")
    if form.data is None or not form.ok:
        return _upload_form(form, client, replaced, 422)
    try:
        accepted = service.take_in(files, [form.data] * len(files), actor(), replaces=replaced)
    except Refused as refusal:
        form.refuse(refusal)
        return _upload_form(form, client, replaced, 422)
    return redirect_to("documents.batch", batch_id=accepted.batch_id)


@blueprint.get("/documents/batches/<batch_id>")
@requires("documents.read")
def batch(batch_id: str) -> Response:
    """How far a batch is; the page asks again each second until it is finished."""
    wanted = lenient(BatchFilter, request.args.to_dict())
    status = _status(batch_id, after=wanted.after or 0, limit=MOST_SHOWN)
    template = "documents/_batch.html" if request.args.get("part") else "documents/batch.html"
    return render(template, batch=status, words=words, most=MOST_SHOWN, after=wanted.after or 0,
                  policies=[] if request.args.get("part") else _policies_of(status["files"]))  # fmt: skip


@blueprint.post("/documents/batches/<batch_id>/cancellation")
@requires("documents.write")
def cancel(batch_id: str) -> BaseResponse:
    """Stops what is not stored yet."""
    _status(batch_id, limit=1)
    batch_file_manager.cancel(batch_id)
    with transaction() as tx:
        audit.record(tx, actor(), "cancel", "batch", batch_id)
    flash("The files that were not stored yet are cancelled.")
    return redirect_to("documents.batch", batch_id=batch_id)


@blueprint.post("/documents/batches/<batch_id>/repetition")
@requires("documents.write")
def retry(batch_id: str) -> BaseResponse:
    """Tries the failed files again."""
    _status(batch_id, limit=1)
    again = batch_file_manager.retry_failed(batch_id)
    flash(
        f"{again} {'file is' if again == 1 else 'files are'} tried again." if again else "No file of this batch failed."
    )
    return redirect_to("documents.batch", batch_id=batch_id)


def _files() -> list[FileStorage]:
    """Every file of the request; a field left empty sends one without a name."""
    return [file for files in request.files.listvalues() for file in files if file.filename]


def _status(batch_id: str, *, after: int = 0, limit: int) -> Row:
    status = batch_file_manager.status(batch_id[:32], after=min(after, LARGEST_ID), limit=limit)
    return status or not_found("There is no such batch of files.")


def _policies_of(files: list[Row]) -> list[tuple[int, str]]:
    """The policies that these files belong to."""
    documents = queries.documents_of([file["document_id"] for file in files if file["document_id"]])
    found = {row["policy_id"]: row["policy_number"] or "number awaited" for row in documents if row["policy_id"]}
    return list(found.items())


def _replaced(document_id: int | None, client: Row) -> Row | None:
    if document_id is None:
        return None
    found = queries.document(document_id)
    if found is None or found["client_id"] != client["client_id"] or found["state"] != "stored" or found["deleted_at"]:
        not_found("The document to be replaced is not there any more. Upload the new one as it is.")
    return found


def _ask_for_client() -> Response:
    wanted = list_filters(ClientFilter, {"q": request.args.get("q", "")})
    found = clients.page_of_clients(listing({"size": "25"}, clients.SORTS), wanted).rows if wanted.q else []
    return render("documents/choose_client.html", found=found, q=wanted.q or "", form=prefilled({"q": wanted.q or ""}))


def _upload_form(form: SubmittedForm[Any], client: Row, replaced: Row | None, status: int = 200) -> Response:
    members = clients.members_of(client["client_id"])
    return render(
        "documents/upload.html",
        status,
        form=form,
        client=client,
        replaced=replaced,
        members=[(row["member_id"], row["name"]) for row in members if not row["deleted_at"]],
        policies=[(row["policy_id"], f"{row['policy_number'] or 'number awaited'}, {row['product_name']}")
                  for row in clients.policies_of(client["client_id"])],
        kinds=[(row["key"], row["name"]) for row in queries.kinds()],
    )  # fmt: skip
