"""The pages of the trash: what lies in it, and erasing it for good."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import BusinessRule, Conflict, transaction
from portal.errors import Refused
from portal.formats import now
from portal.paging import listing
from portal.staff.queries import colleagues
from portal.trash import queries, service
from portal.trash.inputs import EraseInput, TrashFilter
from portal.web import (
    SubmittedForm,
    actor,
    flash,
    list_filters,
    may,
    not_found,
    prefilled,
    redirect_to,
    render,
    requires,
    submitted,
)

blueprint = Blueprint("trash", __name__, url_prefix="/trash")

KINDS = {"client": "Client", "policy": "Policy", "document": "Document"}
RESTORING = {
    "client": "/clients/{}/restore",
    "policy": "/policies/{}/restoration",
    "document": "/documents/{}/restoration",
}
DELETING = {"client": "clients.delete", "policy": "policies.delete", "document": "documents.delete"}


@blueprint.get("/")
@requires("clients.delete")
def browse() -> Response:
    """What was deleted, by whom, when, and how many days are left."""
    arguments = request.args.to_dict()
    narrowed = list_filters(TrashFilter, arguments)
    page = queries.page_of_trash(listing(arguments, queries.SORTS), narrowed, _kinds())
    people = {row["user_id"]: row["name"] for row in colleagues()}
    return render(
        "trash/list.html",
        page=page,
        narrowed=narrowed,
        rows=[{**row, "by": people.get(row["deleted_by"], "The portal"), "days": _days_left(row),
               "restore": RESTORING[row["kind"]].format(row["record_id"])} for row in page.rows],
        kinds=KINDS,
    )  # fmt: skip


@blueprint.get("/<any(client, policy):kind>/<record_id>/erase")
@requires("trash.erase")
def erase_form(kind: str, record_id: str) -> Response:
    """Asks for the number, or says what holds the record."""
    return _erase_page(_stored(kind, record_id), prefilled({}))


@blueprint.post("/<any(client, policy):kind>/<record_id>/erase")
@requires("trash.erase")
def erase(kind: str, record_id: str) -> Response | BaseResponse:
    """Erases a record for good."""
    stored, form = _stored(kind, record_id), submitted(EraseInput)
    if form.data is None:
        return _erase_page(stored, form, 422)
    try:
        with transaction() as tx:
            service.erase(tx, actor(), stored, form.data)
    except Refused as refusal:
        form.refuse(refusal)
        return _erase_page(stored, form, 422)
    except BusinessRule as refusal:
        form.add_error("", refusal.message)
        return _erase_page(stored, form, 422)
    except Conflict:
        flash("It was restored or erased by someone else meanwhile.", "bad")
        return redirect_to("trash.browse")
    flash(f"{KINDS[kind]} {record_id} is erased for good.")
    return redirect_to("trash.browse")


def _stored(kind: str, record_id: str) -> dict[str, Any]:
    found = queries.entry(kind, record_id) if len(record_id) <= 20 else None
    return found or not_found("This is not in the trash. It may have been restored or erased meanwhile.")


def _erase_page(stored: dict[str, Any], form: SubmittedForm[Any], status: int = 200) -> Response:
    holds = queries.holds(stored["kind"], stored["record_id"])
    return render("trash/erase.html", status, stored=stored, form=form, holds=holds, kinds=KINDS)


def _kinds() -> list[str]:
    return [kind for kind, permission in DELETING.items() if may(permission)]


def _days_left(row: dict[str, Any]) -> int:
    over: timedelta = row["deleted_at"] + timedelta(days=service.KEPT_FOR_DAYS) - now()
    return max(0, over.days + 1)
