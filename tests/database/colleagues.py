"""Runs tests/database/load.py in a process of its own, so that gevent's patching stays out of the tests."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from config import Settings

ROOT = Path(__file__).parents[2]


class Colleagues:
    """A process that works on one database; `result` waits for it and gives what it found."""

    def __init__(self, settings: Settings, mode: str, scenario: str, **given: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.database.load", mode, scenario, json.dumps(given)],
            cwd=ROOT, env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def result(self, *, seconds: float = 120.0) -> dict[str, Any]:
        """What it found. Raises AssertionError with its last words when it failed, TimeoutExpired when it hangs."""
        try:
            output, complaints = self._process.communicate(timeout=seconds)
        finally:
            self._process.kill()
        assert self._process.returncode == 0, complaints[-3000:]
        findings: dict[str, Any] = json.loads(output.splitlines()[-1])
        return findings

    def kill(self) -> None:
        """Ends it without a chance to tidy up."""
        self._process.kill()
        self._process.wait()


def environment(settings: Settings) -> dict[str, str]:
    """The environment that makes another process use the same database."""
    given = {
        "FLASK_ENV": "testing",
        "DATA_DIR": str(settings.data_dir),
        "LOG_DIR": str(settings.log_dir),
        "SECRET_KEY": settings.secret_key,
        "DATABASE_URL": settings.database_url,
        "DATABASE_REPLICA_URL": settings.database_replica_url,
        "SUPABASE_URL": settings.supabase_url,
        "SUPABASE_KEY": settings.supabase_key,
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    }
    return {name: value for name, value in given.items() if value}
