"""What the database knows of the portal's state, and what it was told of it."""

from datetime import datetime, timedelta
from typing import Any

from cache_manager import cache_manager
from database_pool import DatabaseError, call_function, execute_query
from portal.formats import now
from portal.freshness import Fresh
from portal.monitoring.inputs import USUAL, AlertsInput
from portal.settings.queries import setting

Row = dict[str, Any]
SETTING = "alerts"
GROUP = "monitoring"
REMEMBERED = 30.0   # seconds that thresholds, and a last sample that is old, are believed without asking
RECENT = timedelta(minutes=5)
MOST_SAMPLES = 180
MOST_ALERTS = 200
MOST_COLLEAGUES = 200


def office_figures() -> Row:
    """`active_users` of the last 15 minutes; `messages` of the last day by state; `oldest_message_seconds` waiting;
    `channel_pauses`; `webhook_lag_seconds` of the last 15 minutes; `task_ages` in seconds by name; `database_bytes`.
    """
    figures: Row = call_function("office_figures", read_only=True)
    return figures


def thresholds() -> AlertsInput:
    """What administrators settled, or what is usual."""
    stored = cache_manager.remember("monitoring:thresholds", lambda: setting(SETTING), REMEMBERED, group=GROUP)
    return AlertsInput.model_validate(stored["value"]) if stored else USUAL


def shown_alerts(fresh: Fresh) -> list[Row]:
    """The open alerts as every administrator's page shows them, mostly without a question.

    Nothing while the database does not answer: the page of that failure must not fail for it.
    """
    try:
        return fresh.value("alerts", "open", open_alerts)
    except DatabaseError:
        return []


def open_alerts() -> list[Row]:
    """The alerts that have not ended, the critical ones first, then by their beginning."""
    return execute_query("alerts", filters={"ended_at_is": None}, order="severity, began_at", limit=MOST_ALERTS).data


def latest_alerts() -> list[Row]:
    """The alerts of late, ended ones too, the newest first."""
    return execute_query("alerts", order="began_at desc, alert_id desc", limit=20).data


def latest_samples() -> list[Row]:
    """The samples of the last minutes, the newest first."""
    return samples_since(now() - RECENT)


def last_sample_at() -> datetime | None:
    """When the portal last looked at itself; None when it never did."""
    rows = execute_query("monitoring_samples", columns="sampled_at", order="sampled_at desc", limit=1).data
    return rows[0]["sampled_at"] if rows else None


def samples_since(moment: datetime) -> list[Row]:
    """How the portal stood since a moment, the newest first; some three hours at most."""
    return execute_query("monitoring_samples", filters={"sampled_at_gte": moment}, order="sampled_at desc",
                         limit=MOST_SAMPLES).data


def active_colleagues() -> list[Row]:
    """Who used the portal in the last 15 minutes, the latest first: name, role, last_seen_at, browsers."""
    return execute_query("active_colleagues", order="last_seen_at desc", limit=MOST_COLLEAGUES).data


def task_processes() -> list[Row]:
    """The processes that run tasks, on every machine."""
    return execute_query("task_processes", order="host, process", limit=MOST_COLLEAGUES).data


def shown_sample_at(fresh: Fresh) -> datetime | None:
    """When the portal last looked at itself, for every administrator's page: asked for again when what is known is
    older than that should be, once in five minutes while all is well. None also while the database does not answer.
    """
    try:
        asked_at, last = fresh.value("alerts", "last sample", _last_sample)
        if now() - (last or asked_at) >= RECENT and (now() - asked_at).total_seconds() > REMEMBERED:
            _, last = fresh.value("alerts", "last sample", _last_sample, anew=True)
    except DatabaseError:
        return None
    return last


def _last_sample() -> tuple[datetime, datetime | None]:
    return now(), last_sample_at()
