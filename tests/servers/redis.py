"""A Redis of the tests' own: redis-server, started, hung, killed and brought back."""

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.processes import end_process, ending_with_us, free_port, remove_folder, server_folder, wait_for

MISSING = "redis-server is not installed (Debian and Ubuntu: apt-get install redis-server)"


def missing() -> str:
    """Why there is no Redis here; "" when there is."""
    return "" if shutil.which("redis-server") else MISSING


class RedisServer:
    """One redis-server on a port of its own. `options` are lines of its configuration."""

    def __init__(self, *, port: int | None = None, **options: str) -> None:
        self.folder: Path = server_folder("redis")
        self.port = port or free_port()
        self.log = self.folder / "log"
        self.options = {"save": "", "appendonly": "no", **options}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """It answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError(MISSING)
        lines = [f"{name.replace('_', '-')} {value or chr(34) * 2}" for name, value in self.options.items()]
        listening = "" if "tls_port" in self.options else f"port {self.port}\n"
        (self.folder / "redis.conf").write_text(
            f"{listening}bind 127.0.0.1\ndir {self.folder}\ndaemonize no\n" + "\n".join(lines) + "\n")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*ending_with_us("KILL"), program, str(self.folder / "redis.conf"), *self.arguments()],
                stdout=log, stderr=log, start_new_session=True)
        wait_for(self.answers, "redis-server", process=self._process, log=self.log)

    def arguments(self) -> list[str]:
        return []

    def client(self, **options: object) -> "redis.Redis":
        """A plain client, to look behind the portal's back."""
        given: dict[str, Any] = {"decode_responses": True, "retry": Retry(NoBackoff(), 0), **options}
        return redis.Redis(host="127.0.0.1", port=self.port, **given)

    def answers(self) -> bool:
        client = self.client(socket_timeout=1)
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()

    def hang(self) -> None:
        """It accepts connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """It died."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """It ended."""
        if self._process is not None and self._process.poll() is None:
            self._signal(signal.SIGCONT)
        end_process(self._process)

    def remove(self) -> None:
        self.stop()
        remove_folder(self.folder)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
