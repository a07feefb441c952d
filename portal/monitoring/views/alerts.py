"""What administrators settle for the alerts: from where on, and who is told."""

from typing import Any

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from cache_manager import forget_group
from database_pool import Conflict, transaction
from portal.monitoring import queries, service
from portal.monitoring.inputs import USUAL, AlertsInput
from portal.monitoring.views.routes import blueprint
from portal.settings.queries import setting
from portal.web import SubmittedForm, actor, conflict_page, flash, prefilled, redirect_to, render, requires, submitted

NUMBERS = [name for name, field in AlertsInput.model_fields.items() if isinstance(field.default, int)
           and not isinstance(field.default, bool)]
LABELS = {name: field.title or name for name, field in AlertsInput.model_fields.items() if name != "version"}


@blueprint.get("/monitoring/alerts")
@requires("settings.manage")
def thresholds() -> Response:
    """The thresholds and the recipients."""
    stored = setting(queries.SETTING)
    value = {**USUAL.model_dump(), **(stored["value"] if stored else {})}
    return _page(prefilled({**value, "version": stored["version"] if stored else None}))


@blueprint.post("/monitoring/alerts")
@requires("settings.manage")
def save() -> Response | BaseResponse:
    """Saves them; they hold from the next look on, within a minute."""
    form, stored = submitted(AlertsInput), setting(queries.SETTING)
    if form.data is None or not form.ok:
        return _page(form, 422)
    try:
        with transaction() as tx:
            service.save_limits(tx, actor(), form.data, stored)
    except Conflict:
        fresh = setting(queries.SETTING) or {"value": {}, "version": 1}
        return conflict_page("Alerts", form, LABELS, fresh["value"], fresh["version"], "/monitoring/alerts",
                             "/monitoring/alerts")
    forget_group(queries.GROUP)
    flash("The alerts are saved. They hold within a minute.")
    return redirect_to("monitoring.thresholds")


def _page(form: SubmittedForm[Any], status: int = 200) -> Response:
    return render("monitoring/alerts.html", status, form=form, numbers=NUMBERS, labels=LABELS)
