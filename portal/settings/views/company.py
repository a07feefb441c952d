"""The settings' first page, the agency's own data with its logo."""

from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, transaction
from portal.errors import Refused
from portal.settings import logo, queries, service
from portal.settings.inputs import CompanyInput, VersionInput
from portal.settings.kinds import KINDS
from portal.settings.views.routes import blueprint
from portal.web import (
    SubmittedForm,
    actor,
    conflict_page,
    flash,
    not_found,
    prefilled,
    public,
    redirect_to,
    render,
    requires,
    submitted,
)

CHANGED = "The agency's data were changed by someone else meanwhile. Nothing was done; please look again."

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
    return _index_page(form, stored)


@blueprint.post("/company")
@requires("settings.manage")
def save_company() -> Response | BaseResponse:
    """Saves the agency's own data."""
    form, stored = submitted(CompanyInput), queries.setting("company")
    if form.data is None or not form.ok:
        return _index_page(form, stored, 422)
    value = service.company_value(form.data, stored)
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


@blueprint.post("/company/logo")
@requires("settings.manage")
def save_logo() -> Response | BaseResponse:
    """Takes a picture as the agency's logo, or takes the logo away."""
    form, stored = submitted(VersionInput), queries.setting("company")
    version = form.data.version if form.data else None
    sent = request.files.get("logo")
    try:
        with transaction() as tx:
            if request.form.get("action") == "remove":
                logo.remove(tx, actor(), stored, version)
            else:
                picture = logo.prepared(sent.stream.read(logo.LARGEST + 1) if sent else b"")
                logo.save(tx, actor(), stored, picture, version)
    except Refused as refusal:
        again = prefilled({**(stored["value"] if stored else {}), "version": stored["version"] if stored else None})
        again.refuse(refusal)
        return _index_page(again, stored, 422)
    except Conflict:
        flash(CHANGED, "bad")
        return redirect_to("settings.index")
    flash("The logo is saved." if request.form.get("action") != "remove" else "The logo is taken away.")
    return redirect_to("settings.index")


@blueprint.get("/logo/<sha256>.png")
@public
def show_logo(sha256: str) -> Response:
    """The logo, for the sign-in page as well. Its name changes with its content, so it may be kept for a year."""
    content = logo.content_of(sha256) if len(sha256) == 64 else None
    if content is None:
        not_found("There is no such logo.")
    answer = Response(content, mimetype="image/png")
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return answer


@blueprint.get("/company/history")
@requires("settings.manage")
def company_history() -> Response:
    """Who changed the agency's data, from what to what, each with a way back."""
    stored = queries.setting("company")
    entries = [{**entry, "changes": _changes(entry)} for entry in queries.history_of("company")]
    return render("settings/history.html", entries=entries, version=stored["version"] if stored else 0)


@blueprint.post("/company/history/<int:audit_id>/revert")
@requires("settings.manage")
def revert_company(audit_id: int) -> BaseResponse:
    """Takes one change of the agency's data back."""
    form, stored = submitted(VersionInput), queries.setting("company")
    entry = next((row for row in queries.history_of("company") if row["audit_id"] == audit_id), None)
    if entry is None or stored is None or form.data is None:
        not_found("There is no such change.")
    try:
        with transaction() as tx:
            service.revert_company(tx, actor(), stored, entry, form.data.version or 0)
        flash("The change is taken back.")
    except Refused as refusal:
        flash(refusal.sentence, "warn")
    except Conflict:
        flash(CHANGED, "bad")
    return redirect_to("settings.company_history")


def _index_page(form: SubmittedForm[Any], stored: dict[str, Any] | None, status: int = 200) -> Response:
    shown = stored["value"].get("logo") if stored else None
    return render("settings/index.html", status, form=form, kinds=KINDS, logo=shown,
                  version=stored["version"] if stored else "")  # fmt: skip


def _changes(entry: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(field, before, after) of one change."""
    before, after = entry["before"] or {}, entry["after"] or {}
    return [(label, _shown(name, before.get(name)), _shown(name, after.get(name)))
            for name, label in {**COMPANY_LABELS, "logo": "Logo"}.items() if name in {**before, **after}]  # fmt: skip


def _shown(name: str, value: Any) -> str:
    if not value:
        return "none" if name == "logo" else "empty"
    return f"picture {value[:8]}" if name == "logo" else str(value)
