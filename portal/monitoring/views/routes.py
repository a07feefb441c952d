"""The blueprint, and the alerts that every page of an administrator shows."""

from flask import Blueprint, request

from portal.monitoring import queries, rules
from portal.web import fresh, may

blueprint = Blueprint("monitoring", __name__)
TITLES = {rule.name: rule.title for rule in rules.RULES}


@blueprint.app_context_processor
def open_alerts() -> dict[str, object]:
    """`open_alerts()` for the frame of all pages: what is open, for whoever may look at it."""

    def shown() -> list[dict[str, object]]:
        if request.blueprint == blueprint.name or not may("monitoring.read"):   # its own pages show them anyhow
            return []
        return [{**row, "title": TITLES.get(row["name"], row["name"])} for row in queries.shown_alerts(fresh())]

    return {"open_alerts": shown}
