"""Pages of the masters: lists, adding, renaming, retiring."""

from typing import Any

from flask import Response, request
from pydantic import Field
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, Duplicate, ReferenceMissing, transaction
from portal.errors import Refused
from portal.inputs import Input, ReferenceText
from portal.paging import Sort, listing
from portal.settings import queries, service
from portal.settings.inputs import MasterInput
from portal.settings.kinds import KINDS, Kind
from portal.settings.views.routes import MASTER, blueprint, stored_master
from portal.web import (
    SubmittedForm,
    actor,
    conflict_page,
    flash,
    list_filters,
    prefilled,
    redirect_to,
    render,
    requires,
    submitted,
)

LABELS = {
    "name": "Name",
    "short_name": "Short name",
    "irdai_number": "IRDAI number",
    "subtype": "Kind",
    "is_group": "Group business",
    "insurer_id": "Insurer",
    "city": "City",
    "phone": "Phone",
    "email": "E-mail",
    "concerns": "Belongs to",
    "is_active": "In use",
}


class MasterFilter(Input):
    """What a list of masters may be narrowed by."""

    q: ReferenceText | None = Field(None, title="Name")


@blueprint.get(f"/<{MASTER}:name>")
@requires("policies.write")
def masters(name: str) -> Response:
    """One list of masters, with the form to add to it."""
    return _list_page(KINDS[name], prefilled({}))


@blueprint.post(f"/<{MASTER}:name>")
@requires("policies.write")
def add_master(name: str) -> Response | BaseResponse:
    """Adds a master."""
    kind = KINDS[name]
    form = submitted(kind.form)
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                service.add_master(tx, actor(), kind, form.data)
            flash(f"{form.data.name} is added to the {kind.plural}.")
            return redirect_to("settings.masters", name=name)
        except Refused as refusal:
            form.refuse(refusal)
        except Duplicate:
            form.add_error("name", f"There is already {kind.a_word} of this name.")
        except ReferenceMissing:
            form.add_error("insurer_id", "This insurer does not exist. Please choose one of the list.")
    return _list_page(kind, form, 422)


@blueprint.get(f"/<{MASTER}:name>/<int:record_id>")
@requires("settings.manage")
def edit_master(name: str, record_id: int) -> Response | BaseResponse:
    """The form to rename, correct or retire a master. The id of one that was merged leads to the other."""
    kind = KINDS[name]
    now_id = queries.merged_into(kind.table, record_id) if record_id < 2**63 else None
    if now_id is not None:
        return redirect_to("settings.edit_master", name=name, record_id=now_id)
    return _edit_page(kind, stored_master(kind, record_id), None)


@blueprint.post(f"/<{MASTER}:name>/<int:record_id>")
@requires("settings.manage")
def change_master(name: str, record_id: int) -> Response | BaseResponse:
    """Renames, corrects or retires a master."""
    kind = KINDS[name]
    stored = stored_master(kind, record_id)
    form = submitted(kind.form)
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                service.change_master(tx, actor(), kind, stored, form.data)
            flash(f"{form.data.name} is saved.")
            return redirect_to("settings.masters", name=name)
        except Duplicate:
            form.add_error("name", "Another one has this name already.")
        except Conflict:
            return _both_versions(kind, record_id, form)
        except ReferenceMissing:
            form.add_error("insurer_id", "This insurer does not exist. Please choose one of the list.")
    return _edit_page(kind, stored, form)


def _both_versions(kind: Kind, record_id: int, form: SubmittedForm[MasterInput]) -> Response:
    fresh = stored_master(kind, record_id)
    here = f"/settings/{kind.slug}/{record_id}"
    labels = {field: label for field, label in LABELS.items() if field in kind.form.model_fields}
    return conflict_page(fresh["name"], form, labels, fresh, fresh["version"], here, here)


def _list_page(kind: Kind, form: SubmittedForm[Any], status: int = 200) -> Response:
    wanted = list_filters(MasterFilter, request.args.to_dict())
    page = queries.page_of_masters(
        kind.relation,
        listing(request.args.to_dict(), [Sort("name", "name", kind.key, key_kind="whole")], size=100),
        name_contains=wanted.q,
    )
    return render(
        "settings/masters.html",
        status,
        kind=kind,
        page=page,
        form=form,
        q=wanted.q,
        insurers=_insurers(kind),
        twins=queries.twins(kind.table),
    )


def _edit_page(kind: Kind, stored: dict[str, Any], form: SubmittedForm[Any] | None) -> Response:
    return render(
        "settings/master.html",
        422 if form else 200,
        kind=kind,
        stored=stored,
        form=form or prefilled(stored),
        insurers=_insurers(kind),
    )


def _insurers(kind: Kind) -> list[tuple[int, str]]:
    return [(row["id"], row["name"]) for row in queries.masters().insurers] if kind.word == "product" else []
