"""The pages of a person's rights: what was asked for, a copy of the data, and erasure after a look at what would go."""

from typing import Any

from flask import Blueprint, Response, request
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response as BaseResponse

import config
from database_pool import Duplicate, transaction
from portal import audit, sealing
from portal.clients import queries as clients
from portal.errors import Refused
from portal.inputs import LARGEST_ID
from portal.paging import listing
from portal.privacy import copies, queries, service
from portal.privacy.inputs import ErasureInput
from portal.staff.queries import colleagues
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

blueprint = Blueprint("privacy", __name__, url_prefix="/privacy")

Row = dict[str, Any]
LINK_VALID = 3600  # seconds; the page makes a new one each time it is opened
ALREADY = "This is being done already."


@blueprint.get("/")
@requires("privacy.export")
def browse() -> Response:
    """Everything that was asked for, the latest first."""
    page = queries.page_of_requests(listing(request.args.to_dict(), queries.SORTS))
    return render("privacy/list.html", page=page, requests=[_shown(row) for row in page.rows], people=_people())


@blueprint.get("/clients/<client_id>")
@requires("privacy.export")
@shows("privacy", "client", "client_id")
def of_client(client_id: str) -> Response:
    """What may be asked for about one client, and what erasing would delete and keep."""
    return _page(_client(client_id), prefilled({}))


@blueprint.post("/clients/<client_id>/copy")
@requires("privacy.export")
def copy(client_id: str) -> BaseResponse:
    """Asks for a copy of all that is known about a client."""
    client = _client(client_id)
    try:
        with transaction() as tx:
            service.ask_for_copy(tx, actor(), client["client_id"])
        flash("The copy is being made. Reload this page in a moment.")
    except Duplicate:
        flash(ALREADY, "warn")
    return redirect_to("privacy.of_client", client_id=client["client_id"])


@blueprint.get("/copies/<token>")
@requires("privacy.export")
def download(token: str) -> BaseResponse:
    """A finished copy, by a link of this portal that is an hour old at most. Who took it stands in the trail."""
    asked = queries.request(_request_of(token))
    if asked is None or asked["state"] != "done" or asked["file_key"] is None:
        not_found("This copy is not kept any more. Ask for a new one.")
    blocks = copies.read(asked["request_id"], sealing.unseal(asked["file_key"], copies.PURPOSE))
    try:
        first = next(blocks)
    except Refused as refusal:
        not_found(refusal.sentence)
    with transaction() as tx:
        tx.update(
            "person_requests", {"downloads": asked["downloads"] + 1}, filters={"request_id_eq": asked["request_id"]}
        )
        audit.record(
            tx,
            actor(),
            "download copy",
            "client",
            asked["client_id"],
            client_id=asked["client_id"],
            after={"request": asked["request_id"]},
        )
    answer = Response(_chained(first, blocks), mimetype="application/zip", direct_passthrough=True)
    answer.headers["Content-Disposition"] = f'attachment; filename="{asked["client_id"]}_data.zip"'
    answer.headers["Content-Length"] = str(asked["file_size"])
    return answer


@blueprint.post("/clients/<client_id>/erasure")
@requires("trash.erase")
def erase(client_id: str) -> Response | BaseResponse:
    """Asks for the erasure of a client, when its number was typed."""
    client, form = _client(client_id), submitted(ErasureInput)
    if form.data is None or not form.ok:
        return _page(client, form, 422)
    try:
        with transaction() as tx:
            request_id = service.ask_for_erasure(tx, actor(), client, form.data)
    except Refused as refusal:
        form.refuse(refusal)
        return _page(client, form, 422)
    except Duplicate:
        flash(ALREADY, "warn")
        return redirect_to("privacy.of_client", client_id=client["client_id"])
    return redirect_to("privacy.show", request_id=request_id)


@blueprint.get("/requests/<int:request_id>")
@requires("privacy.export")
def show(request_id: int) -> Response:
    """What became of one request."""
    asked = queries.request(request_id) if request_id <= LARGEST_ID else None
    if asked is None:
        not_found("There is no such request.")
    return render("privacy/request.html", asked=_shown(asked), people=_people())


def _client(client_id: str) -> Row:
    wanted = client_id.strip().upper()
    found = clients.client(wanted) if len(wanted) <= 20 else None
    return found or not_found("There is no client with this id.")


def _page(client: Row, form: SubmittedForm[Any], status: int = 200) -> Response:
    return render(
        "privacy/client.html",
        status,
        client=client,
        form=form,
        review=queries.review(client["client_id"]),
        requests=[_shown(row) for row in queries.requests_of(client["client_id"])],
        people=_people(),
    )


def _shown(row: Row) -> Row:
    ready = row["kind"] == "export" and row["state"] == "done"
    report = queries.dated(row["report"]) if row["report"] else None
    return {**row, "report": report, "link": f"/privacy/copies/{_signer().dumps(row['request_id'])}" if ready else ""}


def _people() -> dict[int, str]:
    return {row["user_id"]: row["name"] for row in colleagues()}


def _request_of(token: str) -> int:
    try:
        found = _signer().loads(token, max_age=LINK_VALID) if len(token) <= 200 else None
    except BadData:
        found = None
    return found if isinstance(found, int) else not_found("This link is over. Open the client's privacy page again.")


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(config.settings().secret_key, salt="copy of a person's data")


def _chained(first: bytes, blocks: Any) -> Any:
    yield first
    yield from blocks
