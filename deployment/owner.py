"""Whose data it is. What root does to another user's data, that user's portal can no longer use."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

try:
    import grp
    import pwd
except ImportError:   # Windows, where files have no such owner
    grp = pwd = None  # type: ignore[assignment]

SERVES_ROOT = "pgserver"   # as whom the embedded database runs for a portal that root starts


@dataclass(frozen=True)
class Owner:
    """A user whom root can become."""

    name: str
    user: int
    group: int
    groups: list[int]
    home: str


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def another_owner(data_dir: Path) -> Owner | None:
    """Whose data it is, where this is root and the data are somebody else's."""
    if not is_root():
        return None
    folder = data_dir / "postgres" if (data_dir / "postgres").exists() else data_dir
    try:
        entry = pwd.getpwuid(folder.stat().st_uid)
    except (OSError, KeyError):
        return None
    if entry.pw_uid == 0 or entry.pw_name == SERVES_ROOT:
        return None
    groups = [each.gr_gid for each in grp.getgrall() if entry.pw_name in each.gr_mem]
    return Owner(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)
