"""The settings' first page, the agency's own data with its logo."""

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, transaction
from portal.settings import queries, service
from portal.settings.inputs import CompanyInput
from portal.settings.kinds import KINDS
from portal.settings.views.routes import blueprint
from portal.web import actor, conflict_page, flash, prefilled, redirect_to, render, requires, submitted

COMPANY_LABELS = {
    "name": "Name of the agency",
    "address": "Address",
    "phone": "Phone",
    "email": "E-mail",
    "gstin": "GSTIN",
}


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
