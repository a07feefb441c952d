"""How each part of the portal is at this moment: healthy, degraded (works, but somebody should look) or unhealthy.

Every part is asked by itself, so that one which is down does not hide the others, and only the database and the disk
can make the portal unable to do its work.
"""

import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from batch_file_operations import batch_file_manager
from cache_manager import cache_manager
from config import settings
from database_pool import DatabaseError, database_statistics, default_pool
from portal.formats import now
from portal.monitoring import backups
from portal.monitoring.queries import office_figures
from task_queue import task_queue

State = dict[str, Any]
SLOW_DATABASE = 0.5          # seconds for the smallest question
LONGEST_WAIT = 300.0         # seconds that a task or a message may wait
MOST_DEAD = 0                # dead letters that are no reason to look
LITTLE_DISK = 2 * 1024**3    # bytes
NO_DISK = 200 * 1024**2
BACKUP_AGE = timedelta(hours=36)
NEEDED = ("database", "disk")


def services() -> dict[str, State]:
    """State, figures and, where it is not healthy, a sentence with the cure, by part."""
    asked: dict[str, Callable[[], State]] = {
        "database": _database, "cache": _cache, "task_queue": _task_queue, "file_manager": _file_manager,
        "messaging": _messaging, "disk": _disk, "backups": _backups,
    }  # fmt: skip
    return {name: _answer(ask) for name, ask in asked.items()}


def overall(found: dict[str, State]) -> str:
    """unhealthy when the portal cannot do its work, degraded when somebody should look, else healthy."""
    if any(found[name]["status"] == "unhealthy" for name in NEEDED):
        return "unhealthy"
    return "healthy" if all(state["status"] == "healthy" for state in found.values()) else "degraded"


def alerts(found: dict[str, State]) -> list[dict[str, str]]:
    """What somebody should look at: service, severity (warning or critical) and a sentence."""
    return [
        {"service": name, "severity": "critical" if state["status"] == "unhealthy" else "warning",
         "message": state.get("problem", "")}
        for name, state in found.items() if state["status"] != "healthy"
    ]  # fmt: skip


def _answer(ask: Callable[[], State]) -> State:
    try:
        return ask()
    except DatabaseError as error:
        return {"status": "unhealthy", "problem": f"The database does not answer ({type(error).__name__})."}


def _database() -> State:
    seconds = default_pool().ping()
    state: State = {"status": "healthy", "ping_seconds": round(seconds, 4), **database_statistics()}
    if seconds > SLOW_DATABASE:
        state |= {"status": "degraded", "problem": f"The smallest question takes {seconds:.1f} s."}
    return state


def _cache() -> State:
    stats = cache_manager.get_stats()
    state = {**stats, "status": stats["state"]}
    if state["status"] != "healthy":
        state["problem"] = "Redis does not answer; each process remembers for itself until it does."
    return state


def _task_queue() -> State:
    figures = task_queue.statistics()
    oldest, dead = float(figures["oldest_seconds"] or 0), int(figures["states"].get("dead", 0))
    state: State = {"status": "healthy", **figures}
    if figures["processes"] == 0:
        state |= {"status": "degraded", "problem": "No process runs tasks: set TASK_WORKERS, or start "
                                                   "flask --app app_multiuser work."}
    elif oldest > LONGEST_WAIT:
        state |= {"status": "degraded", "problem": f"A task has been waiting for {oldest / 60:.0f} minutes."}
    elif dead > MOST_DEAD:
        state |= {"status": "degraded", "problem": f"{dead} tasks failed for good: see /jobs/dead-letters."}
    return state


def _file_manager() -> State:
    stats = batch_file_manager.get_stats()
    return {"status": "healthy", **stats}


def _messaging() -> State:
    figures = office_figures()
    waited = figures["oldest_message_seconds"]
    state: State = {"status": "healthy", "messages": figures["messages"], "oldest_seconds": waited,
                    "paused": figures["channel_pauses"]}
    if figures["channel_pauses"]:
        channels = " and ".join(figures["channel_pauses"])
        state |= {"status": "degraded", "problem": f"Sending by {channels} is paused: see /messages."}
    elif waited > LONGEST_WAIT and figures["messages"].get("sending"):
        state |= {"status": "degraded", "problem": f"A message has been waiting for {waited / 60:.0f} minutes."}
    return state


def _disk() -> State:
    folder = next(path for path in (settings().data_dir, *settings().data_dir.resolve().parents) if path.exists())
    usage = shutil.disk_usage(folder)
    state: State = {"status": "healthy", "free_bytes": usage.free, "total_bytes": usage.total}
    if usage.free < LITTLE_DISK:
        sentence = f"{usage.free / 1024**3:.1f} GB are free under {settings().data_dir}. Make room."
        state |= {"status": "unhealthy" if usage.free < NO_DISK else "degraded", "problem": sentence}
    return state


def _backups() -> State:
    if default_pool().backend_name() == "supabase":
        return {"status": "healthy", "kept_by": "Supabase"}
    made = backups.backups(settings().backup_dir)
    state: State = {"status": "healthy", "kept": len(made), "last_at": made[0].made_at.isoformat() if made else None}
    if not made or made[0].made_at < now() - BACKUP_AGE:
        since = f"the last one is of {made[0].made_at:%d/%m/%Y}" if made else "there is none yet"
        state |= {"status": "degraded", "problem": f"No backup of the last night: {since}. "
                                                   "Make one: flask --app app_multiuser backup"}
    elif made[0].missing:
        state |= {"status": "degraded", "problem": f"The last backup lacks {made[0].missing} documents."}
    return state
