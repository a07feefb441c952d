"""What benchmarks/load.py runs against: the portal as in production, with all that stands around it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.test_nginx_site import Nginx
from tests.servers.clock import Clock
from tests.servers.portal import RunningPortal
from tests.servers.processes import ending_with_us, free_port
from tests.servers.redis import RedisServer
from tests.servers.small_disk import CannotMount, small_disk
from tests.servers.twilio_stub import ACCOUNT, NUMBER, TOKEN

ROOT = Path(__file__).resolve().parents[1]
SECRET = "0123456789abcdefghijklmnopqrstuvwxyz-of-the-crowd"
LATENCY = "0.1"   # seconds that the provider takes for an answer
MISBEHAVES = ("0.05", "0.02")   # shares of its answers that are 429, and that are none though it took the message
DISK = 3000   # MB; the database's log alone may take a thousand


@dataclass
class Stage:
    """The portal, nginx before it, Redis, and a provider that writes into `sent` what it took.

    `clock` is there when faults are to come, and then `small_disk` says that DATA_DIR is one that can be filled.
    """

    portal: RunningPortal
    nginx: Nginx
    redis: RedisServer
    provider: subprocess.Popen[bytes]
    sent: Path
    clock: Clock | None = None
    small_disk: bool = False


@contextmanager
def running(
    folder: Path, *, faults: bool, processes: int, pool: int
) -> Iterator[Stage]:
    """All of it, until the end. `faults`: it can be given a full disk and another time, and its provider misbehaves."""
    redis, stub, sent = RedisServer(), free_port(), folder / "sent"
    redis.start()
    with ExitStack() as stack:
        stack.callback(redis.remove)
        with sent.open("wb") as output:
            provider = subprocess.Popen(
                [*ending_with_us("KILL"), sys.executable, "-m", "tests.servers.twilio_stub", str(stub), LATENCY,
                 *(MISBEHAVES if faults else ())], cwd=ROOT, stdout=output)
        stack.callback(provider.kill)
        portal = RunningPortal(
            SECRET_KEY=SECRET, workers=processes, REDIS_URL=redis.url, TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN, TWILIO_WHATSAPP_FROM=NUMBER,
            TWILIO_API_BASE_URL=f"http://127.0.0.1:{stub}", DB_POOL_SIZE=str(pool), DB_MAX_OVERFLOW="5")
        stack.callback(portal.remove)
        stage = Stage(portal, Nginx(_site(), portal.port, free_port(), free_port()), redis, provider, sent)
        if faults:
            _prepare_for_faults(stage, stack)
        stack.callback(portal.stop)
        portal.start()
        configuration = stage.nginx.folder / "nginx.conf"
        configuration.write_text(
            configuration.read_text().replace("worker_connections 512", "worker_connections 4096"))
        stack.callback(stage.nginx.remove)
        stage.nginx.start()
        yield stage


def _site() -> str:
    """nginx.conf without its limits: the crowd comes from one address, which the site would take for one office."""
    site = (ROOT / "nginx.conf").read_text().replace("/opt/insurance-portal", str(ROOT))
    site = re.sub(r"rate=\d+r/[sm];", "rate=100000r/s;", site)
    site = re.sub(r"burst=\d+ ", "burst=1000 ", site)
    return site.replace("limit_conn portal_connections 200;", "limit_conn portal_connections 4000;")


def _prepare_for_faults(stage: Stage, stack: ExitStack) -> None:
    stage.clock = Clock(stage.portal.folder / "clock")
    stage.portal.environment.update(stage.clock.environment)
    try:
        stack.enter_context(small_disk(stage.portal.folder / "data", DISK))
        stage.small_disk = True
    except CannotMount as reason:
        print(f"       the disk is not filled: {reason}", flush=True)
