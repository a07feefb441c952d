"""Files coming in for programs: many at once, and how far they are."""

from typing import Any

from flask import Response, request
from werkzeug.datastructures import FileStorage

from batch_file_operations import Accepted, batch_file_manager
from portal.api.operations import FILES, Operation
from portal.api.records import FILE_BATCH, UPLOADED
from portal.api.shapes import Schema, of_form, of_query
from portal.api.views.routes import Asked, checked, operation, record, refuse
from portal.documents import service
from portal.documents.inputs import BatchFilter, UploadInput
from portal.inputs import LARGEST_ID
from portal.web import actor, not_found

Row = dict[str, Any]
TAG = "Documents"
ONE_PAGE = 500  # files of a batch in one answer
CONTENT: dict[str, Schema] = {
    "files": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1,
              "description": "PDF, picture or office document; the name of the field does not matter"}}  # fmt: skip


def _upload_body() -> Schema:
    """The fields of the form, and the files themselves. Other fields are passed over, as a browser may send some."""
    described = of_form(UploadInput, extra=CONTENT)
    return {name: value for name, value in described.items() if name != "additionalProperties"}


@operation(Operation(
    "upload_files", "POST", "/files/batch-upload", "documents.write",
    "Takes many files in. Each field is given once for all files, or once per file in their order", TAG, UPLOADED,
    status=202, takes=FILES, body=_upload_body))  # fmt: skip
def upload_files(asked: Asked) -> Response:
    files = _files()
    if not files:
        refuse(422, "Send at least one file as multipart/form-data.")
    described = [checked(UploadInput, fields) for fields in _fields_per_file(len(files))]
    accepted = service.take_in(files, described, actor(), source="staff")
    told = _told(accepted)
    if not accepted.files:
        sentence = " ".join(dict.fromkeys(one["reason"] for one in told["refused"]))
        refuse(422, sentence, batch_id=told["batch_id"], refused=told["refused"])
    return record(asked.operation, told, 202)


@operation(Operation(
    "show_file_batch", "GET", "/files/batch-status/<batch_id>", "documents.read",
    "Counts of a batch by state and a row per file, in pages of 500 behind `after`", TAG, FILE_BATCH,
    query=of_query(BatchFilter)))  # fmt: skip
def show_file_batch(asked: Asked, batch_id: str) -> Response:
    after = asked.filter(BatchFilter).after or 0
    status = batch_file_manager.status(batch_id[:32], after=min(after, LARGEST_ID), limit=ONE_PAGE)
    if status is None:
        not_found("There is no such batch of files.")
    is_full = len(status["files"]) == ONE_PAGE
    return record(asked.operation, {**status, "next_after": status["files"][-1]["file_id"] if is_full else None})


def _files() -> list[FileStorage]:
    """Every file of the request; a field left empty sends one without a name."""
    return [file for files in request.files.listvalues() for file in files if file.filename]


def _fields_per_file(count: int) -> list[Row]:
    given = {name: request.form.getlist(name) for name in UploadInput.model_fields}
    return [{name: texts[position if len(texts) == count else 0] for name, texts in given.items() if texts}
            for position in range(count)]  # fmt: skip


def _told(accepted: Accepted) -> Row:
    return {
        "batch_id": accepted.batch_id,
        "files": accepted.files,
        "document_ids": accepted.document_ids,
        "refused": [{"file_name": name, "reason": sentence} for name, sentence in accepted.refused],
        "status": f"/api/files/batch-status/{accepted.batch_id}",
    }
