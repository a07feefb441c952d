"""The last lines of the portal's own log that somebody should see: errors with their reference, slow requests."""

import json
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from config import settings

TAIL = 256 * 1024   # bytes; some thousand lines
MOST = 20
Row = dict[str, Any]


@dataclass(frozen=True)
class Journal:
    """The newest first: `errors` (time, message, reference, where) and `slow` requests (time, seconds, reference)."""

    errors: list[Row] = field(default_factory=list)
    slow: list[Row] = field(default_factory=list)


def read(folder: Path | None = None) -> Journal:
    """What the end of multiuser_app.log tells, which all processes of this machine write; nothing where it lacks."""
    told = Journal()
    for line in reversed(_tail((folder or settings().log_dir) / "multiuser_app.log")):
        event = _event(line)
        if event is None:
            continue
        if event.get("message") == "slow request" and len(told.slow) < MOST:
            told.slow.append(_row(event, seconds=event.get("seconds")))
        elif event.get("level") in ("error", "critical") and len(told.errors) < MOST:
            told.errors.append(_row(event, message=str(event.get("message"))[:200], kind=_kind(event)))
    return told


def _row(event: Row, **more: Any) -> Row:
    where = event.get("task") or " ".join(filter(None, (event.get("method"), event.get("rule")))) or event.get("logger")
    return {"at": datetime.fromisoformat(event["time"]), "reference": event.get("request_id"), "where": where, **more}


def _kind(event: Row) -> str:
    """The name of the exception; its message may hold what somebody typed and stays in the log."""
    last = str(event.get("error", "")).strip().splitlines()[-1:]
    return last[0].split(":")[0][:80] if last else ""


def _event(line: bytes) -> Row | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "time" in event else None


def _tail(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - TAIL, 0))
            return file.read().splitlines()
    except OSError:
        return []
