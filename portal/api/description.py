"""/api/openapi.json: the operations, their bodies and answers as OpenAPI 3.1, written from what the routes go by."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from portal.api.operations import JSON, Operation
from portal.api.shapes import COMPONENTS, Schema
from portal.staff.tokens import SCOPES

Document = dict[str, Any]
VERSION = "1.0"
PATH_PARAMETER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
WORDS = {
    200: "Done", 201: "Created", 202: "Accepted; it is done in the background", 204: "Done, nothing to say",
    400: "Does not fit this description",
    401: "No token, or one that is not good any more", 403: "Role or token do not allow it",
    404: "There is no such record", 406: "The answer is JSON alone",
    409: "It exists already, may exist already, or its state does not allow it",
    412: "Changed by someone else since it was read", 413: "Larger than is taken", 415: "The body is of another kind",
    422: "Well written, but a rule of the office refuses it; `errors` says why by field",
    428: "If-Match is missing", 429: "Too many requests; Retry-After says when", 503: "The database is busy; try again",
}  # fmt: skip
EVENT: Schema = {
    "type": "object",
    "description": "Each event: `progress` or `done`, its data the same JSON as without `/events`",
    "properties": {"event": {"enum": ["progress", "done"]}, "data": {"type": "string"},
                   "retry": {"type": "integer"}},
}  # fmt: skip
# What stands in an address instead of a number.
TEXTS = {"client_id": "^[A-Z0-9-]{2,20}$", "batch_id": "^[0-9a-zA-Z_-]{1,64}$"}
PROBLEM: Schema = {
    "type": "object",
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence that says what to change"},
        "reference": {"type": "string", "description": "Stands in the log as well"},
        "errors": {"type": "object", "additionalProperties": {"type": "string"}, "description": "A sentence by field"},
    },
    "required": ["type", "title", "status", "detail"],
}  # fmt: skip
INTRODUCTION = (
    "The same records, rules, permissions and trail as the pages of the portal. Make a token under Your account, API "
    "tokens, and send it as `Authorization: Bearer ...`. Amounts are texts with two decimals, days are ISO dates, "
    "moments are UTC. Lists go on with `next_cursor`, or the Link header. What changes a record takes its ETag as "
    "If-Match; what creates one takes an Idempotency-Key, under which the same request may be sent again for a day."
)


def describe(
    operations: Iterable[Operation], components: Mapping[str, Schema], *, portal_name: str, address: str
) -> Document:
    """The whole document. `components` are the schemas that bodies refer to."""
    listed = sorted(operations, key=lambda one: (one.tag, one.path, one.method))
    answers = [one.answer for one in listed if one.answer]
    inner = [shape for answer in answers for _, shape in answer.lists]
    shapes = {shape.name: shape.schema() for shape in (*answers, *inner)}
    paths: dict[str, Document] = {}
    for one in listed:
        paths.setdefault("/api" + PATH_PARAMETER.sub(r"{\g<name>}", one.path), {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{portal_name} API", "version": VERSION, "description": INTRODUCTION},
        "servers": [{"url": address}],
        "security": [{"token": []}, {"session": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in listed)],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": _scopes()},
                "session": {"type": "apiKey", "in": "cookie", "name": "session",
                            "description": "The portal's own pages; unsafe methods need X-CSRFToken as well"},
            },
            "schemas": {**components, **shapes, "Problem": PROBLEM},
        },
    }  # fmt: skip


def _scopes() -> str:
    return "Scopes of a token: " + "; ".join(f"`{scope}`: {words}" for scope, (words, _) in SCOPES.items())


def _operation(one: Operation) -> Document:
    described: Document = {"operationId": one.name, "summary": one.summary, "tags": [one.tag]}
    if one.permission:
        described["description"] = f"Needs the permission `{one.permission}`."
    if parameters := [*_in_path(one), *_in_query(one), *_in_headers(one)]:
        described["parameters"] = parameters
    if one.watched:
        described["description"] = ("Answers the machine itself, `Authorization: Bearer METRICS_TOKEN`, and whoever "
                                    "has the permission `monitoring.read`.")  # fmt: skip
        described["security"] = [{}, {"token": []}, {"session": []}]
    if one.body_schema:
        described["requestBody"] = {"required": True, "content": {one.takes: {"schema": one.body_schema}}}
    described["responses"] = {str(status): _response(one, status) for status in one.statuses}
    return described


def _in_path(one: Operation) -> Iterable[Document]:
    for match in PATH_PARAMETER.finditer(one.path):
        number: Schema = {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
        is_number = match["kind"] == "int"
        yield {"name": match["name"], "in": "path", "required": True,
               "schema": number if is_number else {"type": "string", "pattern": TEXTS[match["name"]]}}  # fmt: skip


def _in_query(one: Operation) -> Iterable[Document]:
    for name, schema in one.query.items():
        yield {"name": name, "in": "query", "schema": schema}


def _in_headers(one: Operation) -> Iterable[Document]:
    if one.guarded:
        yield {"name": "If-Match", "in": "header", "required": True, "description": "ETag of the record as it was read",
               "schema": {"type": "string", "pattern": '^"[0-9]{1,10}"$', "examples": ['"3"']}}  # fmt: skip
    if one.once:
        yield {"name": "Idempotency-Key", "in": "header", "description": "The same request with it creates once",
               "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"}}  # fmt: skip


def _response(one: Operation, status: int) -> Document:
    response: Document = {"description": WORDS[status]}
    if status >= 400:
        response["content"] = {"application/problem+json": {"schema": {"$ref": COMPONENTS + "Problem"}}}
        return response
    if one.answer is not None:
        response["content"] = {JSON: {"schema": _good_answer(one)}}
    elif one.gives != JSON:
        response["content"] = {one.gives: {"schema": EVENT}}
    headers: Document = {}
    if status == 201:
        headers["Location"] = {"schema": {"type": "string"}, "description": "Where the new record is"}
    if one.answer is not None and not one.many and "version" in one.answer.columns:
        headers["ETag"] = {"schema": {"type": "string"}, "description": "For If-Match of the next change"}
    return {**response, "headers": headers} if headers else response


def _good_answer(one: Operation) -> Schema:
    reference = {"$ref": COMPONENTS + (one.answer.name if one.answer else "")}
    if not one.many:
        return reference
    return {
        "type": "object",
        "properties": {"data": {"type": "array", "items": reference},
                       "total": {"type": ["integer", "null"], "description": "All that match; null where not counted"},
                       "next_cursor": {"type": ["string", "null"], "description": "null on the last page"}},
        "required": ["data", "total", "next_cursor"],
        "additionalProperties": False,
    }  # fmt: skip
