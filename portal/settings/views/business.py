"""What the office settles for its own work: from when on papers, and large premiums, are work for today."""

from typing import Any

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from database_pool import Conflict, Duplicate, transaction
from portal import audit
from portal.settings import queries, service
from portal.settings.inputs import BusinessInput
from portal.settings.views.routes import blueprint
from portal.web import SubmittedForm, actor, conflict_page, flash, prefilled, redirect_to, render, requires, submitted

LABELS = {
    "papers_days": "Papers may take so many days",
    "call_days": "So many days before the policy ends",
    "call_premium": "From this gross premium on (₹)",
}


@blueprint.get("/business")
@requires("settings.manage")
def business() -> Response:
    """The rules as they are, and who changed them."""
    stored = queries.setting("business")
    rules = queries.business_rules(stored) if stored else queries.BusinessRules()
    return _page(prefilled({**vars(rules), "version": stored["version"] if stored else None}))


@blueprint.post("/business")
@requires("settings.manage")
def save_business() -> Response | BaseResponse:
    """Saves the rules; they hold from the next page on."""
    form, stored = submitted(BusinessInput), queries.setting("business")
    if form.data is None or not form.ok:
        return _page(form, 422)
    value = audit.plain(form.data.model_dump(exclude={"version"}))
    try:
        with transaction() as tx:
            service.save_setting(tx, actor(), "business", value, stored=stored, version=form.data.version)
    except (Conflict, Duplicate):
        fresh = queries.setting("business") or {"value": {}, "version": 1}
        here = "/settings/business"
        return conflict_page("The business rules", form, LABELS, fresh["value"], fresh["version"], here, here)
    flash("The business rules are saved.")
    return redirect_to("settings.business")


def _page(form: SubmittedForm[Any], status: int = 200) -> Response:
    entries = [{**entry, "changes": _changes(entry)} for entry in queries.history_of("business")]
    return render("settings/business.html", status, form=form, labels=LABELS, entries=entries)


def _changes(entry: dict[str, Any]) -> list[tuple[str, str, str]]:
    before, after = entry["before"] or {}, entry["after"] or {}
    return [(label, "not settled" if before.get(name) is None else str(before[name]), str(after[name]))
            for name, label in LABELS.items() if name in after]  # fmt: skip
