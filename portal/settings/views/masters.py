"""Pages of the office's settings: masters, tax rules, the agency's own data."""

from typing import Any

from flask import Response, abort, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, Duplicate, ReferenceMissing, transaction
from portal.inputs import Input, ShortText, lenient
from portal.paging import Sort, listing
from portal.settings import queries, service
from portal.settings.inputs import CompanyInput
from portal.settings.service import KINDS, Kind
from portal.settings.views.routes import blueprint
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
    submitted,
)

LABELS = {
    "name": "Name",
    "short_name": "Short name",
    "irdai_number": "IRDAI number",
    "subtype": "Kind",
    "is_group": "Group business",
    "insurer_id": "Insurer",
    "phone": "Phone",
    "email": "E-mail",
    "is_active": "In use",
}
COMPANY_LABELS = {
    "name": "Name of the agency",
    "address": "Address",
    "phone": "Phone",
    "email": "E-mail",
    "gstin": "GSTIN",
}


class MasterFilter(Input):
    """What a list of masters may be narrowed by."""

    q: ShortText | None = None


@blueprint.get("")
@requires("policies.write")
def index() -> Response:
    """What can be settled, and the agency's own data."""
    stored = queries.setting("company")
    form = prefilled({**(stored["value"] if stored else {}), "version": stored["version"] if stored else None})
    return render("settings/index.html", form=form, kinds=KINDS)


@blueprint.post("/company")
@requires("settings.manage")
def save_company() -> Response | BaseResponse:
    """Saves the agency's own data."""
    form = submitted(CompanyInput)
    if form.data is None or not form.ok:
        return render("settings/index.html", 422, form=form, kinds=KINDS)
    stored = queries.setting("company")
    value = service.company_value(form.data)
    try:
        with transaction() as tx:
            service.save_setting(tx, actor(), "company", value, stored=stored, version=form.data.version)
    except Conflict:
        fresh = queries.setting("company") or {"value": {}, "version": 1}
        return conflict_page(
            "The agency's data",
            form,
            COMPANY_LABELS,
            fresh["value"],
            fresh["version"],
            "/settings/company",
            "/settings",
        )
    flash("The agency's data is saved.")
    return redirect_to("settings.index")


@blueprint.get("/gst")
@requires("policies.write")
def gst_rules() -> Response:
    """The dated tax rules with their sources."""
    return render("settings/gst.html", rules=queries.gst_rules())


@blueprint.get("/<any(insurers, products, agents):name>")
@requires("policies.write")
def masters(name: str) -> Response:
    """One list of masters, with the form to add to it."""
    return _list_page(KINDS[name], prefilled({}))


@blueprint.post("/<any(insurers, products, agents):name>")
@requires("policies.write")
def add_master(name: str) -> Response | BaseResponse:
    """Adds an insurer, product or agent."""
    kind = KINDS[name]
    form = submitted(kind.form)
    if form.data is not None and form.ok:
        try:
            with transaction() as tx:
                service.add_master(tx, actor(), kind, form.data)
            flash(f"{form.data.name} is added to the {kind.plural}.")
            return redirect_to("settings.masters", name=name)
        except Duplicate:
            form.add_error(
                "name",
                f"There is already an {kind.word} of this name."
                if kind.word[0] in "ai"
                else f"There is already a {kind.word} of this name.",
            )
        except ReferenceMissing:
            form.add_error("insurer_id", "This insurer does not exist. Please choose one of the list.")
    return _list_page(kind, form, 422)


@blueprint.get("/<any(insurers, products, agents):name>/<int:record_id>")
@requires("settings.manage")
def edit_master(name: str, record_id: int) -> Response:
    """The form to rename, correct or retire a master."""
    kind = KINDS[name]
    return _edit_page(kind, _stored(kind, record_id), None)


@blueprint.post("/<any(insurers, products, agents):name>/<int:record_id>")
@requires("settings.manage")
def change_master(name: str, record_id: int) -> Response | BaseResponse:
    """Renames, corrects or retires a master."""
    kind = KINDS[name]
    stored = _stored(kind, record_id)
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
            fresh = _stored(kind, record_id)
            here = f"/settings/{name}/{record_id}"
            labels = {field: label for field, label in LABELS.items() if field in kind.form.model_fields}
            return conflict_page(fresh["name"], form, labels, fresh, fresh["version"], here, here)
        except ReferenceMissing:
            form.add_error("insurer_id", "This insurer does not exist. Please choose one of the list.")
    return _edit_page(kind, stored, form)


def _stored(kind: Kind, record_id: int) -> dict[str, Any]:
    if record_id >= 2**63:
        abort(404)
    return queries.one_master(kind.relation, kind.key, record_id) or not_found(
        f"There is no {kind.word} with this number."
    )


def _list_page(kind: Kind, form: SubmittedForm[Any], status: int = 200) -> Response:
    wanted = lenient(MasterFilter, request.args.to_dict())
    page = queries.page_of_masters(
        kind.relation,
        listing(request.args.to_dict(), [Sort("name", "name", kind.key, key_kind="whole")], size=100),
        name_contains=wanted.q,
    )
    return render(
        "settings/masters.html", status, kind=kind, page=page, form=form, q=wanted.q, insurers=_insurers(kind)
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
