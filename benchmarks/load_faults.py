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

from tests.deploy.test_nginx_site import Nginx
from tests.servers.portal import RunningPortal
from tests.servers.redis import RedisServer

BETWEEN = 20.0      # seconds of peace before each fault
PATIENCE = 120.0    # seconds until a fault counts as not survived
REDIS_AWAY = 8.0    # seconds
RESTART_SEC = 2.0   # of the unit


@dataclass
class Faults:
    """What was done to the portal, and how long it took to be well again. Runs in a thread of its own."""

    portal: RunningPortal
    nginx: Nginx
    redis: RedisServer
    begun: Path
    recovered: dict[str, float] = field(default_factory=dict)
    alerts: set[str] = field(default_factory=set)

    def run(self) -> None:
        while not self.begun.exists():
            time.sleep(0.5)
        for name, fault in self._all().items():
            time.sleep(BETWEEN)
            began = time.monotonic()
            fault()
            while not self._is_well() and time.monotonic() - began < PATIENCE:
                time.sleep(0.2)
            self.recovered[name] = time.monotonic() - began
            print(f"       {name}: everybody is served again after {self.recovered[name]:.1f} s", flush=True)

    def _all(self) -> dict[str, Callable[[], None]]:
        return {
            "a web process is killed": self._kill_worker, "the master is killed": self._kill_master,
            "PostgreSQL is killed": lambda: self.portal.postmaster().kill(), "Redis is killed": self._kill_redis,
            "a rolling restart": lambda: os.kill(self._master(), signal.SIGUSR2),
        }  # fmt: skip

    def _master(self) -> int:
        return int((self.portal.folder / "data" / "gunicorn.pid").read_text())

    def _kill_worker(self) -> None:
        psutil.Process(self._master()).children()[0].kill()

    def _kill_master(self) -> None:
        """It is started again as the unit would: until it stays. While the old web processes leave they may still have
        the port, and answer that all is well.
        """
        master = psutil.Process(self._master())
        master.kill()
        while master.is_running() and master.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)
        until = time.monotonic() + PATIENCE
        while len(self.portal.processes()) <= 1 and time.monotonic() < until:   # a master has its processes
            if not self.portal.processes():
                time.sleep(RESTART_SEC)
                self.portal.start()
            time.sleep(0.2)

    def _kill_redis(self) -> None:
        self.redis.kill()
        until = time.monotonic() + REDIS_AWAY
        while time.monotonic() < until:
            self._look_at_alerts()
            time.sleep(0.5)
        self.redis.start()

    def _look_at_alerts(self) -> None:
        self.alerts |= {alert["name"] for alert in self._ask("/metrics").get("alerts", [])}

    def _is_well(self) -> bool:
        found = self._ask("/health/detailed").get("services", {})
        self._look_at_alerts()
        wanted = ("database", "cache", "disk")
        return bool(found) and all(found[name]["status"] == "healthy" for name in wanted)

    def _ask(self, path: str) -> dict[str, Any]:
        line = http.client.HTTPConnection("127.0.0.1", self.nginx.http_port, timeout=30)
        try:
            line.request("GET", path, headers={"Host": "localhost"})
            return dict(json.loads(line.getresponse().read()))
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            line.close()
