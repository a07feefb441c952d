"""How each part of the portal is at this moment: healthy, degraded (works, but somebody should look) or unhealthy.

Every part is asked by itself, so that one which is down does not hide the others, and only the database and the disk
can make the portal unable to do its work. What is wrong is rules.py's to say.
"""

import functools
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from batch_file_operations import batch_file_manager
from cache_manager import cache_manager
from config import settings
from database_pool import DatabaseError, database_statistics, default_pool
from portal.formats import now
from portal.monitoring import backups, queries, rules
from portal.monitoring.inputs import USUAL, AlertsInput
from task_queue import task_queue

State = dict[str, Any]
NEEDED = ("database", "disk")


def services() -> dict[str, State]:
    """State, figures and, where it is not healthy, a sentence with the cure, by part."""
    found = {"database": _answer(_database)}
    away = found["database"].get("unreachable")
    recent = functools.cache(queries.latest_samples)
    asked: dict[str, Callable[[], State]] = {
        "task_queue": task_queue.statistics, "file_manager": batch_file_manager.get_stats,
        "messaging": lambda: _messaging(recent()), "schedule": lambda: _schedule(recent()),
        "web": lambda: _web(recent()),
    }  # fmt: skip
    # Whoever waited for a database that is away need not wait for it five times more.
    found |= {name: {"unreachable": away} if away else _answer(ask) for name, ask in asked.items()}
    found |= {"cache": cache_manager.get_stats(), "machine": _machine(), "disk": _disk(), "backups": _backups()}
    return judged(found, USUAL if away else limits())


def judged(found: Mapping[str, State], thresholds: AlertsInput) -> dict[str, State]:
    """The parts with their `status`, the `problem` to be told, and the `alerts` behind it."""
    wrong = rules.broken(found, thresholds)
    told = {}
    for name, state in found.items():
        mine = [alert for alert in wrong if alert["service"] == name]
        bad = "unreachable" in state or any(alert["severity"] == "critical" for alert in mine)
        told[name] = {"status": "unhealthy" if bad else "degraded" if mine else "healthy", **state}
        if mine or "unreachable" in state:
            told[name] |= {"problem": mine[0]["message"] if mine else state["unreachable"], "alerts": mine}
    return told


def overall(found: Mapping[str, State]) -> str:
    """unhealthy when the portal cannot do its work, degraded when somebody should look, else healthy."""
    if any(found[name]["status"] == "unhealthy" for name in NEEDED):
        return "unhealthy"
    return "healthy" if all(state["status"] == "healthy" for state in found.values()) else "degraded"


def alerts(found: Mapping[str, State]) -> list[dict[str, str]]:
    """What somebody should look at: name, service, severity (warning or critical), title and message."""
    told = [alert for state in found.values() for alert in state.get("alerts", [])]
    return sorted(told, key=lambda alert: alert["severity"] != "critical")


def limits() -> AlertsInput:
    """The thresholds as administrators settled them; the usual ones when the database cannot say."""
    try:
        return queries.thresholds()
    except DatabaseError:
        return USUAL


def _answer(ask: Callable[[], State]) -> State:
    try:
        return ask()
    except DatabaseError as error:
        return {"unreachable": f"The database does not answer ({type(error).__name__})."}


def _database() -> State:
    return {"ping_seconds": round(default_pool().ping(), 4), **database_statistics()}


def _messaging(samples: list[State]) -> State:
    figures, recent = queries.office_figures(), [sample["figures"] for sample in samples]
    return {
        "messages": figures["messages"], "oldest_seconds": figures["oldest_message_seconds"],
        "paused": figures["channel_pauses"], "webhook_lag_seconds": figures["webhook_lag_seconds"],
        "active_users": figures["active_users"], "task_ages": figures["task_ages"],
        "recent_calls": sum(each["calls"] for each in recent),
        "recent_failures": sum(each["failures"] for each in recent),
    }  # fmt: skip


def _schedule(samples: list[State]) -> State:
    last = samples[0]["sampled_at"] if samples else queries.last_sample_at()
    return {"last_run": last, "seconds_ago": round((now() - last).total_seconds(), 1) if last else None}


def _web(samples: list[State]) -> State:
    """The last minutes, over all web processes whose figures this machine has."""
    recent = [sample["figures"] for sample in samples]
    slowest = [each["p95"] for each in recent if each["p95"] is not None]
    return {
        "recent_requests": sum(each["requests"] for each in recent),
        "recent_errors": sum(each["errors"] for each in recent), "p95": max(slowest, default=None),
    }  # fmt: skip


def _machine() -> State:
    memory = psutil.virtual_memory()
    return {"memory_percent": memory.percent, "memory_available_bytes": memory.available}


def _disk() -> State:
    folder = next(path for path in (settings().data_dir, *settings().data_dir.resolve().parents) if path.exists())
    usage = shutil.disk_usage(folder)
    return {"free_bytes": usage.free, "total_bytes": usage.total, "folder": str(settings().data_dir)}


def _backups() -> State:
    if default_pool().backend_name() == "supabase":
        return {"kept_by": "Supabase"}
    made = backups.backups(settings().backup_dir)
    last = made[0].made_at if made else None
    return {"kept": len(made), "last": last, "last_at": last.isoformat() if last else None,
            "age_seconds": round((now() - last).total_seconds()) if last else None,
            "missing": made[0].missing if made else 0}
