"""What was asked for on the command line, and where things are."""
from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ON_WINDOWS = sys.platform == "win32"


@dataclass(frozen=True)
class Folders:
    """Where the portal writes: DATA_DIR, LOG_DIR, BACKUP_DIR."""

    data: Path
    logs: Path
    backups: Path

    @classmethod
    def under(cls, place: Path) -> Folders:
        """Those of a portal in this folder whose settings name none."""
        return cls(place / "data", place / "logs", place / "backups")

    def moved(self, root: Path, app_dir: Path) -> Folders:
        """The same for a portal that lies in `app_dir` instead of `root`; a folder elsewhere stays where it is."""
        return Folders(*(app_dir / each.relative_to(root) if each.is_relative_to(root) else each
                         for each in (self.data, self.logs, self.backups)))


@dataclass(frozen=True)
class Plan:
    """The choices of one run. `app_dir`, `domain`, `user` and `servers` only fill the generated files."""

    root: Path
    venv: Path
    app_dir: Path
    domain: str | None
    user: str
    port: int | None
    servers: tuple[str, ...] = ()   # further machines with the portal, "host:port", for nginx

    @property
    def programs(self) -> Path:
        return self.venv / ("Scripts" if ON_WINDOWS else "bin")

    @property
    def python(self) -> Path:
        return self.programs / ("python.exe" if ON_WINDOWS else "python")

    def environment(self) -> dict[str, str]:
        """The environment for everything that runs inside the virtual environment.

        Python keeps there what it compiles, whatever the shell says: the packages are installed without, and to compile
        them anew takes half of every start.
        """
        changed = {"VIRTUAL_ENV": str(self.venv), "PATH": f"{self.programs}{os.pathsep}{os.environ.get('PATH', '')}"}
        if self.port is not None:
            changed["PORT"] = str(self.port)
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, **changed}
