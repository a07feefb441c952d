"""Faults under the load of benchmarks/load.py --faults: each once, with the time until everybody is served again."""

import http.client
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.load_stage import Stage
from tests.servers.small_disk import filled

BETWEEN = 20.0      # seconds of peace before each fault
PATIENCE = 120.0    # seconds until a fault counts as not survived
LASTS = 10.0        # seconds that a fault lasts which is not over by itself
RESTART_SEC = 2.0   # of the unit
USUAL = 5.0         # seconds in which the usual rate of messages is taken


@dataclass
class Faults:
    """What was done to the portal, and how long it took to be well again. Runs in a thread of its own."""

    stage: Stage
    begun: Path
    recovered: dict[str, float] = field(default_factory=dict)
    alerts: set[str] = field(default_factory=set)
    due: set[str] = field(default_factory=lambda: {"cache-down"})   # alerts that have to be seen

    def run(self) -> None:
        while not self.begun.exists():
            time.sleep(0.5)
        for name, fault in self._all().items():
            time.sleep(BETWEEN)
            began = fault() or time.monotonic()
            while not self._is_well() and time.monotonic() - began < PATIENCE:
                time.sleep(0.2)
            self.recovered[name] = time.monotonic() - began
            print(f"       {name}: everybody is served again after {self.recovered[name]:.1f} s", flush=True)

    def _all(self) -> dict[str, Callable[[], float | None]]:
        """Each answers when its fault was over (monotonic seconds); None: it was over at once."""
        faults: dict[str, Callable[[], float | None]] = {
            "a web process is killed": self._kill_worker, "the master is killed": self._kill_master,
            "PostgreSQL is killed": lambda: self.stage.portal.postmaster().kill(),
            "PostgreSQL is restarted": lambda: self.stage.portal.postmaster().send_signal(signal.SIGINT),
            "Redis is killed": self._kill_redis, "the provider is slow": self._slow_provider,
            "the clock jumps": self._jump, "a rolling restart": lambda: os.kill(self._master(), signal.SIGUSR2),
        }  # fmt: skip
        if self.stage.small_disk:
            faults["the disk is full"] = self._fill_disk
            self.due.add("disk-full")
        return faults

    def _master(self) -> int:
        return int((self.stage.portal.folder / "data" / "gunicorn.pid").read_text())

    def _kill_worker(self) -> None:
        psutil.Process(self._master()).children()[0].kill()

    def _kill_master(self) -> float:
        """It is started again as the unit would: until it stays. While the old web processes leave they may still have
        the port, and answer that all is well.
        """
        began, portal = time.monotonic(), self.stage.portal
        master = psutil.Process(self._master())
        master.kill()
        while master.is_running() and master.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
        until = time.monotonic() + PATIENCE
        while len(portal.processes()) <= 1 and time.monotonic() < until:   # a master has its processes
            if not portal.processes():
                time.sleep(RESTART_SEC)
                portal.start()
            time.sleep(0.2)
        return began

    def _kill_redis(self) -> float:
        self.stage.redis.kill()
        self._look_on()
        self.stage.redis.start()
        return time.monotonic()

    def _fill_disk(self) -> float:
        with filled(self.stage.portal.folder / "data"):
            self._look_on()
        return time.monotonic()

    def _jump(self) -> float:
        assert self.stage.clock is not None
        self.stage.clock.jump("+1h")
        self._look_on()
        self.stage.clock.jump("+0")
        return time.monotonic()

    def _slow_provider(self) -> float:
        """It is over when messages go out at half their rate of before."""
        usual = self._messages_in(USUAL) / USUAL
        self.stage.provider.send_signal(signal.SIGUSR1)
        self._look_on()
        self.stage.provider.send_signal(signal.SIGUSR2)
        over = time.monotonic()
        while self._messages_in(1) < usual / 2 and time.monotonic() - over < PATIENCE:
            pass
        return over

    def _messages_in(self, seconds: float) -> int:
        """How many the provider takes while this waits so long."""
        before = self.stage.sent.stat().st_size
        time.sleep(seconds)
        with self.stage.sent.open("rb") as file:
            file.seek(before)
            return file.read().count(b"\n")

    def _look_on(self) -> None:
        until = time.monotonic() + LASTS
        while time.monotonic() < until:
            self._look_at_alerts()
            time.sleep(0.5)

    def _look_at_alerts(self) -> None:
        self.alerts |= {alert["name"] for alert in self._ask("/metrics").get("alerts", [])}

    def _is_well(self) -> bool:
        found = self._ask("/health/detailed").get("services", {})
        self._look_at_alerts()
        wanted = ("database", "cache", "disk")
        return bool(found) and all(found[name]["status"] == "healthy" for name in wanted)

    def _ask(self, path: str) -> dict[str, Any]:
        line = http.client.HTTPConnection("127.0.0.1", self.stage.nginx.http_port, timeout=30)
        try:
            line.request("GET", path, headers={"Host": "localhost"})
            return dict(json.loads(line.getresponse().read()))
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            line.close()
