"""What is wrong, by name: one rule for each thing that somebody should look at, with its sentence.

docs/operations.md has a runbook under each name; tests/monitoring/test_alerts.py compares the two.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from portal.formats import now, office_date
from portal.monitoring.inputs import AlertsInput

State = dict[str, Any]
Services = Mapping[str, State]
NO_DISK = 200 * 1024**2   # bytes; below it nothing can be stored any more
GIGABYTE = 1024**3
FEW_REQUESTS, FEW_CALLS = 20, 5   # below them a share says nothing
LATE_SCHEDULE = timedelta(minutes=5)


@dataclass(frozen=True)
class Rule:
    """One alert: `look` answers the sentence while it holds, None when all is well."""

    name: str
    service: str
    severity: Literal["warning", "critical"]
    title: str
    look: Callable[[State, AlertsInput], str | None]


def broken(found: Services, limits: AlertsInput) -> list[dict[str, str]]:
    """The rules that hold at this moment: name, service, severity, title and message, the critical ones first."""
    told = []
    for rule in RULES:
        state = found.get(rule.service, {})
        # What the database cannot say is not wrong by itself; that it does not answer is told once.
        if "unreachable" in state and rule.name != "database-down":
            continue
        if (sentence := rule.look(state, limits)) is not None:
            told.append({"name": rule.name, "service": rule.service, "severity": rule.severity, "title": rule.title,
                         "message": sentence})
    return sorted(told, key=lambda alert: alert["severity"] != "critical")


def _database_down(state: State, _: AlertsInput) -> str | None:
    return str(state["unreachable"]) if "unreachable" in state else None


def _database_slow(state: State, limits: AlertsInput) -> str | None:
    seconds = state.get("ping_seconds", 0.0)
    return f"The smallest question takes {seconds:.1f} s." if seconds * 1000 > limits.slow_database_ms else None


def _cache_down(state: State, _: AlertsInput) -> str | None:
    away = state.get("state") == "degraded"
    return "Redis does not answer; each process remembers for itself until it does." if away else None


def _no_workers(state: State, _: AlertsInput) -> str | None:
    return ("No process runs tasks: set TASK_WORKERS, or start flask --app app_multiuser work."
            if state.get("processes") == 0 else None)


def _task_waits(state: State, limits: AlertsInput) -> str | None:
    minutes = float(state.get("oldest_seconds") or 0) / 60
    return f"A task has been waiting for {minutes:.0f} minutes." if minutes > limits.oldest_task_minutes else None


def _dead_tasks(state: State, limits: AlertsInput) -> str | None:
    dead = int(state.get("states", {}).get("dead", 0))
    told = "1 task" if dead == 1 else f"{dead} tasks"
    return f"{told} failed for good: see /jobs/dead-letters." if dead > limits.dead_tasks else None


def _schedule_late(state: State, _: AlertsInput) -> str | None:
    last: datetime | None = state.get("last_run")
    if last is None or now() - last < LATE_SCHEDULE:
        return None
    return f"What happens by the clock has not happened since {last:%H:%M} UTC: reminders, backups, these alerts."


def _message_waits(state: State, limits: AlertsInput) -> str | None:
    minutes = float(state.get("oldest_seconds") or 0) / 60
    waits = minutes > limits.oldest_message_minutes and state.get("messages", {}).get("sending")
    return f"A message has been waiting for {minutes:.0f} minutes." if waits else None


def _channel_paused(state: State, _: AlertsInput) -> str | None:
    paused = state.get("paused")
    return f"Sending by {' and '.join(paused)} is paused: see /messages." if paused else None


def _provider_fails(state: State, limits: AlertsInput) -> str | None:
    calls, failed = state.get("recent_calls", 0), state.get("recent_failures", 0)
    if calls < FEW_CALLS or failed * 100 < calls * limits.provider_errors_percent:
        return None
    return f"{failed} of the last {calls} calls of providers failed."


def _webhooks_late(state: State, limits: AlertsInput) -> str | None:
    minutes = float(state.get("webhook_lag_seconds") or 0) / 60
    late = minutes > limits.webhook_minutes
    return f"A report of a provider came {minutes:.0f} minutes late." if late else None


def _pages_slow(state: State, limits: AlertsInput) -> str | None:
    slowest = state.get("p95")
    if state.get("recent_requests", 0) < FEW_REQUESTS or slowest is None or slowest * 1000 <= limits.slow_pages_ms:
        return None
    return f"5 of 100 pages took longer than {limits.slow_pages_ms:,} milliseconds in the last minutes."


def _pages_fail(state: State, limits: AlertsInput) -> str | None:
    asked, failed = state.get("recent_requests", 0), state.get("recent_errors", 0)
    if asked < FEW_REQUESTS or failed * 100 < asked * limits.page_errors_percent:
        return None
    return f"{failed:,} of the last {asked:,} requests ended with an error of ours: see Last errors on /monitoring."


def _memory_low(state: State, limits: AlertsInput) -> str | None:
    used = state.get("memory_percent", 0.0)
    return f"{used:.0f} % of the machine's memory are in use." if used >= limits.memory_percent else None


def _disk_full(state: State, _: AlertsInput) -> str | None:
    return _disk(state) if state.get("free_bytes", GIGABYTE) < NO_DISK else None


def _disk_low(state: State, limits: AlertsInput) -> str | None:
    free = state.get("free_bytes", limits.disk_free_gb * GIGABYTE)
    return _disk(state) if NO_DISK <= free < limits.disk_free_gb * GIGABYTE else None


def _disk(state: State) -> str:
    return f"{state['free_bytes'] / GIGABYTE:.1f} GB are free under {state.get('folder', 'DATA_DIR')}. Make room."


def _backup_old(state: State, limits: AlertsInput) -> str | None:
    last: datetime | None = state.get("last")
    if "kept" not in state or (last is not None and last >= now() - timedelta(hours=limits.backup_hours)):
        return None
    since = f"the last one is of {office_date(last.date())}" if last else "there is none yet"
    return f"No backup of the last night: {since}. Make one: flask --app app_multiuser backup"


def _backup_incomplete(state: State, _: AlertsInput) -> str | None:
    missing = state.get("missing")
    return f"The last backup lacks {missing} documents." if missing else None


RULES = (
    Rule("database-down", "database", "critical", "Database does not answer", _database_down),
    Rule("database-slow", "database", "warning", "Database is slow", _database_slow),
    Rule("cache-down", "cache", "warning", "Redis does not answer", _cache_down),
    Rule("no-task-workers", "task_queue", "warning", "Nobody runs tasks", _no_workers),
    Rule("tasks-wait", "task_queue", "warning", "Tasks wait", _task_waits),
    Rule("dead-letters", "task_queue", "warning", "Tasks failed for good", _dead_tasks),
    Rule("schedule-late", "schedule", "warning", "The schedule stands still", _schedule_late),
    Rule("messages-wait", "messaging", "warning", "Messages wait", _message_waits),
    Rule("channel-paused", "messaging", "warning", "A channel rests", _channel_paused),
    Rule("providers-fail", "messaging", "warning", "A provider fails", _provider_fails),
    Rule("webhooks-late", "messaging", "warning", "Reports come late", _webhooks_late),
    Rule("pages-slow", "web", "warning", "Pages are slow", _pages_slow),
    Rule("pages-fail", "web", "warning", "Pages fail", _pages_fail),
    Rule("memory-low", "machine", "warning", "Memory is short", _memory_low),
    Rule("disk-full", "disk", "critical", "Disk is full", _disk_full),
    Rule("disk-low", "disk", "warning", "Disk is filling up", _disk_low),
    Rule("backup-old", "backups", "warning", "Backup is missing", _backup_old),
    Rule("backup-incomplete", "backups", "warning", "Backup is incomplete", _backup_incomplete),
)
