"""What the set-up tells the person in front of it: one line for each step."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deployment.owner import Owner

_COLOURS = {"✓": "32", "•": "2", "–": "33", "!": "33", "✗": "31"}


class Report:
    """Prints the steps and remembers whether something required failed."""

    def __init__(self, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.failed = False
        self._colours = sys.stdout.isatty()
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace", line_buffering=True)  # a Windows console may know no tick

    def title(self, text: str) -> None:
        print(f"\n{text}" if text else "")

    def say(self, text: str) -> None:
        print(text)

    def done(self, what: str) -> None:
        self._line("✓", what)

    def already(self, what: str) -> None:
        self._line("•", f"{what} (already right)")

    def would(self, what: str) -> None:
        self._line("–", f"would {what}")

    def skipped(self, what: str, why: str) -> None:
        self._line("–", f"{what}: left out, {why}")

    def warn(self, what: str) -> None:
        self._line("!", what)

    def fail(self, what: str, cure: str = "") -> None:
        self.failed = True
        self._line("✗", what)
        for line in cure.splitlines():
            print(f"    {line}")

    def _line(self, mark: str, text: str) -> None:
        shown = f"\033[{_COLOURS[mark]}m{mark}\033[0m" if self._colours else mark
        print(f"  {shown} {text}")


def run(command: Sequence[str | Path], *, cwd: Path, environment: dict[str, str] | None = None,
        timeout: float | None = None, owner: Owner | None = None) -> tuple[int, str]:
    """The exit code of a command and the last lines that it wrote; 127 for a program that is not there, 126 for one
    that may not be run. `owner`: whom root becomes for it.
    """
    become: dict[str, Any] = {}
    if owner is not None:
        become = {"user": owner.user, "group": owner.group, "extra_groups": owner.groups}
        environment = {**(environment or {}), "HOME": owner.home, "USER": owner.name, "LOGNAME": owner.name}
    try:
        ended = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, timeout=timeout, check=False,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **become)
    except FileNotFoundError:
        return 127, f"{command[0]} is not installed"
    except PermissionError:
        return 126, f"{command[0]} may not be run by {owner.name if owner else 'this user'}"
    except subprocess.TimeoutExpired:
        return 124, f"no end after {timeout:.0f} seconds"
    return ended.returncode, "\n".join(ended.stdout.decode(errors="replace").strip().splitlines()[-15:])
