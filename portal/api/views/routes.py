"""How an operation becomes a route: what was sent is checked by its description, what goes back is dressed by it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from flask import Blueprint, Response, abort, jsonify, request
from pydantic import ValidationError

from database_pool import Conflict, Duplicate, Transaction, transaction
from portal.api import answers
from portal.api.operations import EVENTS, FILES, JSON, OPERATIONS, Operation
from portal.api.shapes import Schema, plain
from portal.inputs import Input, explain
from portal.paging import Listing, Page
from portal.web import current_user, problem, requires, shows, signed_in, takes_files

Row = dict[str, Any]
Form = TypeVar("Form", bound=Input)
Id = TypeVar("Id", int, str)
View = Callable[..., Response]

blueprint = Blueprint("api", __name__, url_prefix="/api")

PROBLEM = "application/problem+json"
PERSONAL = frozenset({"Clients", "Policies", "Documents", "Search", "Audit"})   # tags whose answers are about persons
LARGEST_BODY = 1024 * 1024
ETAG = re.compile(r'"([0-9]{1,10})"')
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
PATH_PARAMETER = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")


@dataclass(frozen=True)
class Asked:
    """What a request asks for, checked against the operation's description."""

    operation: Operation
    body: Row
    query: Row
    version: int
    key: str

    def form(self, model: type[Form], **known: Any) -> Form:
        """The body as the form's own model, with what the address and headers say; 422 for what its rules refuse."""
        return checked(model, {**self.body, **known})

    def filter(self, model: type[Form]) -> Form:
        """The query as the list's own filter."""
        try:
            return model.model_validate(self.query)
        except ValidationError as error:
            refuse(422, "Some parameters cannot be used.", explain(error, model))


def operation(described: Operation) -> Callable[[Callable[..., Response]], View]:
    """Registers a view under its operation's method and path; the view gets Asked and the parts of the path."""

    def register(view: Callable[..., Response]) -> View:
        def serve(**path: Any) -> Response:
            return view(_read(described), **path)

        serve.__name__ = described.name
        _note_reads(serve, described)
        access = signed_in if described.permission == "" else requires(described.permission)
        served = takes_files(access(serve)) if described.takes == FILES else access(serve)
        blueprint.add_url_rule(described.path, endpoint=described.name, view_func=served, methods=[described.method])
        OPERATIONS.append(described)
        return serve

    return register


def checked(model: type[Form], fields: Mapping[str, Any]) -> Form:
    """What was sent as the form's own model; 422 for what its rules refuse."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        refuse(422, "Some fields cannot be used.", explain(error, model))


def _note_reads(serve: View, described: Operation) -> None:
    """What an operation answers with is a read of the innermost record of its path, or of a whole list."""
    if described.tag not in PERSONAL or described.answer is None or described.status != 200:
        return
    named = [match["name"] for match in PATH_PARAMETER.finditer(described.path)]
    argument = named[-1] if named else ""
    shows(f"API: {described.name.replace('_', ' ')}", argument.removesuffix("_id"), argument)(serve)


def refuse(status: int, sentence: str, errors: Mapping[str, str] | None = None, **more: Any) -> NoReturn:
    """Answers with a problem, its `errors` by field."""
    abort(problem(status, sentence, more={**({"errors": dict(errors)} if errors else {}), **more}))


def guarded(change: Callable[[Transaction], Any]) -> Any:
    """Runs a change that carries the version it saw: 412 when the record has changed meanwhile."""
    try:
        with transaction() as tx:
            return change(tx)
    except Duplicate:
        raise
    except Conflict:
        refuse(412, "The record was changed meanwhile. Read it again and repeat your change.")


def require_version(asked: Asked, stored: Row) -> None:
    """412 at once when the version that was seen is not the stored one."""
    if stored["version"] != asked.version:
        refuse(412, "The record was changed meanwhile. Read it again and repeat your change.")


def created_once(
    asked: Asked, create: Callable[[Transaction], Id], place: Callable[[Id], str], read: Callable[[Id], Row]
) -> Response:
    """201 with the record that `create` adds and `read` finds; with an Idempotency-Key the same answer to the same
    request. `place` is the path of the record.
    """
    answer_key = answers.key_of(current_user().user_id, asked.key)
    try:
        with transaction() as tx:
            record_id = create(tx)
            if asked.key:
                answers.remember(tx, answer_key, request_hash(), place(record_id))
    except Duplicate as error:
        if error.constraint != "api_answers_pkey":
            raise
        return repeated(asked) or problem(409, "A request with this Idempotency-Key is under way.")
    body = seen(asked.operation, read(record_id))
    if asked.key:
        with transaction() as tx:
            answers.keep_body(tx, answer_key, body)
    return _created(place(record_id), body)


def repeated(asked: Asked) -> Response | None:
    """The answer that was given under this request's Idempotency-Key; None when there is none yet. 422 if it was
    another request.
    """
    known = answers.remembered(answers.key_of(current_user().user_id, asked.key)) if asked.key else None
    if known is None:
        return None
    if known["request_hash"] != request_hash():
        refuse(422, "This Idempotency-Key was used for another request. Use a new one for each thing to create.")
    if known["body"] is None:
        refuse(409, f"This was created already, at {known['location']}.")
    return _created(known["location"], known["body"])


def request_hash() -> str:
    """What tells this request from another one with the same Idempotency-Key."""
    return answers.hash_of(request.method, request.path, request.get_data())


def record(described: Operation, row: Row, status: int = 200) -> Response:
    """One record with its ETag."""
    return _with_version(jsonify(seen(described, row)), row, status)


def page_of(described: Operation, page: Page, wanted: Listing) -> Response:
    """One page of a list, with the addresses of its neighbours (RFC 8288)."""
    rows, following = page.rows, page.next_cursor
    if wanted.cursor is not None and page.listing.cursor is None:
        rows, following = [], ""   # what lay behind the cursor is gone: the end, and not the first page again
    response = jsonify({"data": [seen(described, row) for row in rows], "total": page.total,
                        "next_cursor": following or None})  # fmt: skip
    links = [(following, "next"), (page.previous_cursor if rows else "", "prev")]
    shown = [f'<{request.path}{wanted.link(cursor=cursor)}>; rel="{name}"' for cursor, name in links if cursor]
    if shown:
        response.headers["Link"] = ", ".join(shown)
    return response


def require_cursor(asked: Asked, wanted: Listing) -> None:
    """422 for a cursor that is none of this list: the first page instead would send a program round in circles."""
    if "cursor" in asked.query and wanted.cursor is None:
        refuse(422, "Some parameters cannot be used.", {"cursor": "This is no cursor of this list in this order."})


def all_of(described: Operation, rows: list[Row]) -> Response:
    """A list that has no pages."""
    return jsonify({"data": [seen(described, row) for row in rows], "total": len(rows), "next_cursor": None})


def done() -> Response:
    """204: done, nothing to say."""
    return Response(status=204)


def seen(described: Operation, row: Row) -> Row:
    """A record as the colleague may see it."""
    if described.answer is None:
        return {}
    return described.answer.seen_by(row, current_user().permissions)


def _created(location: str, body: Row) -> Response:
    response = _with_version(jsonify(plain(body)), body, 201)
    response.headers["Location"] = location
    return response


def _with_version(response: Response, row: Row, status: int) -> Response:
    response.status_code = status
    if isinstance(row.get("version"), int):
        response.headers["ETag"] = f'"{row["version"]}"'
    return response


def _read(described: Operation) -> Asked:
    if request.accept_mimetypes and not request.accept_mimetypes.best_match([described.gives, PROBLEM]):
        refuse(406, "This is a stream of events. Ask for text/event-stream." if described.gives == EVENTS else "")
    body = _read_body(described) if described.body and described.takes == JSON else {}
    return Asked(described, body, _read_query(described), _read_version(described), _read_key(described))


def _read_body(described: Operation) -> Row:
    if request.mimetype != JSON:
        refuse(415, "Send JSON: Content-Type: application/json.")
    request.max_content_length = LARGEST_BODY
    try:
        content = json.loads(request.get_data(), parse_constant=_no_number, object_pairs_hook=_object)
        mistakes = described.mistakes_in_body(content)
    except _NamedTwice as twice:
        refuse(400, f"The body names {twice} twice. Give each field once.")
    except (ValueError, RecursionError):
        refuse(400, "The body is not JSON that can be read.")
    if mistakes:
        refuse(400, "The body does not fit its description in /api/openapi.json.", mistakes)
    found: Row = content
    return found


class _NamedTwice(Exception):
    """A field stands twice in one object: readers differ in which of them they take (RFC 8259, 4)."""


def _object(pairs: list[tuple[str, Any]]) -> Row:
    members = dict(pairs)
    if len(members) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        raise _NamedTwice(repr(next(name for name, count in counted.items() if count > 1)[:100]))
    return members


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _read_query(described: Operation) -> Row:
    given = request.args.to_dict(flat=False)
    twice = {name: "Give it once." for name, values in given.items() if len(values) > 1}
    values = {name: _typed(texts[0], described.query.get(name, {})) for name, texts in given.items()}
    mistakes = twice or described.mistakes_in_query(values)
    if mistakes:
        refuse(400, "The address does not fit its description in /api/openapi.json.", mistakes)
    return values


def _typed(text: str, schema: Schema) -> Any:
    if schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]{1,30}", text):
        return int(text)
    return text


def _read_version(described: Operation) -> int:
    if not described.guarded:
        return 0
    sent = request.headers.get("If-Match")
    if sent is None:
        refuse(428, "")
    match = ETAG.fullmatch(sent.strip())
    if match is None:
        refuse(400, "If-Match is the ETag of the record as you read it.", {"If-Match": 'Write it like "3".'})
    return int(match[1])


def _read_key(described: Operation) -> str:
    sent = request.headers.get("Idempotency-Key") if described.once else None
    if sent is None:
        return ""
    if not IDEMPOTENCY_KEY.fullmatch(sent):
        refuse(400, "An Idempotency-Key has 1 to 255 printable characters without spaces.")
    return sent

