"""The blueprint, and the alerts that every page of an administrator shows."""

from flask import Blueprint, request

from portal.monitoring import queries, rules
from portal.monitoring.inputs import USUAL
from portal.web import fresh, may

blueprint = Blueprint("monitoring", __name__)
LATE = "schedule-late"
TITLES = {rule.name: rule.title for rule in rules.RULES}


@blueprint.app_context_processor
def open_alerts() -> dict[str, object]:
    """`open_alerts()` for the frame of all pages: what is open, for whoever may look at it."""

    def shown() -> list[dict[str, object]]:
        if request.blueprint == blueprint.name or not may("monitoring.read"):   # its own pages show them anyhow
            return []
        found: list[dict[str, object]] = [
            {**row, "title": TITLES.get(row["name"], row["name"])} for row in queries.shown_alerts(fresh())]
        return found if any(row["name"] == LATE for row in found) else [*found, *_schedule_late()]

    return {"open_alerts": shown}


def _schedule_late() -> list[dict[str, object]]:
    """The alert that nothing happens by the clock: then nobody looks, and so nobody else can tell."""
    schedule = {"last_run": queries.shown_sample_at(fresh())}
    return [{**alert} for alert in rules.broken({"schedule": schedule}, USUAL) if alert["name"] == LATE]
