"""How jobs speak to colleagues: states, progress, announcements."""

from collections.abc import Mapping
from typing import Any

Row = Mapping[str, Any]

STATES: Mapping[str, tuple[str, str]] = {
    "queued": ("Waiting to start", ""),
    "running": ("Running", "warn"),
    "pausing": ("Pausing", "warn"),
    "paused": ("Paused", "warn"),
    "stopping": ("Stopping", "warn"),
    "stopped": ("Stopped", "bad"),
    "done": ("Done", "ok"),
}
# What became of a job's messages, from the best on.
MESSAGES: Mapping[str, str] = {
    "read": "Read", "delivered": "Delivered", "sent": "Sent", "waiting": "On the way", "failed": "Failed",
    "suppressed": "Held back", "expired": "Too late", "cancelled": "Cancelled", "kept": "Kept, not sent",
}  # fmt: skip
STEPS = (100, 75, 50, 25, 0)


def state(job: Row) -> str:
    """The state as a colleague reads it."""
    return "Done, some failed" if job["state"] == "done" and job["failed"] else STATES[job["state"]][0]


def colour(job: Row) -> str:
    """The chip's class for the state."""
    return "bad" if job["state"] == "done" and job["failed"] else STATES[job["state"]][1]


def percent_of(job: Row) -> int:
    """How far the job is, 0 to 100; 100 only at its end."""
    total = job["ended"] + job["waiting"] + job["running"]
    return 100 if not total else min(99 if job["ended"] < total else 100, job["ended"] * 100 // total)


def announcement(job: Row) -> str:
    """What a screen reader says: the same sentence until the next quarter is reached, so that it is said once."""
    if job["state"] in ("running", "queued"):
        return f"{next(step for step in STEPS if percent_of(job) >= step)} percent of the job are done."
    if job["state"] == "done":
        return f"The job is done. {job['done']} succeeded, {job['failed']} failed."
    return f"The job is {job['state']}."


def trying_again(number: int) -> str:
    """What the page says after a click on "Try again"."""
    if not number:
        return "Nothing to try again: it was done already, or has been asked for anew."
    return "1 task is tried again." if number == 1 else f"{number} tasks are tried again."


def dropped(number: int) -> str:
    """What the page says after a click on "Drop"."""
    if not number:
        return "Nothing to drop: it was settled already."
    return "1 task was dropped." if number == 1 else f"{number} tasks were dropped."


def record_path(row: Row) -> str:
    """Where the record of a task is looked at, "" where it has no page."""
    folders = {"client": "clients", "policy": "policies"}
    folder = folders.get(row.get("record_type") or "")
    return f"/{folder}/{row['record_id']}" if folder else ""
