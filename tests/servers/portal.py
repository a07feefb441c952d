"""The portal itself as it runs in production: gunicorn in processes of its own, on whichever database is named."""

import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.servers.processes import free_port, remove_folder, server_folder, wait_for

ROOT = Path(__file__).parents[2]
STARTS_WITHIN = 60.0  # seconds; with a database of its own to make, on a busy machine
STOPS_WITHIN = 40.0


class RunningPortal:
    """gunicorn with the project's configuration. `given` are settings; without a database it brings its own."""

    def __init__(self, *, workers: int = 2, application: str = "wsgi:application", **given: str) -> None:
        self.application = application
        self.folder = server_folder("gunicorn")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = self.folder / "output"
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        self.environment = {
            **kept,
            "PORT": str(self.port),
            "DATA_DIR": str(self.folder / "data"),
            "LOG_DIR": str(self.folder / "logs"),
            "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-tests-only",
            "WEB_CONCURRENCY": str(workers),
            **{f"RATE_LIMIT_{group}": "off" for group in ("PAGES", "API", "SIGN_IN", "WEBHOOKS", "EXPORTS")},
            **given,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """It answers requests."""
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("gunicorn"), "-c", "gunicorn_config.py", self.application],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(self.is_healthy, "the portal", process=self._process, log=self.output, seconds=STARTS_WITHIN)

    def is_healthy(self) -> bool:
        """Whether it answers at this moment."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def run(self, *command: str) -> str:
        """What `flask --app app_multiuser COMMAND` prints, with this portal's settings."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app_multiuser", *command],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        ).stdout

    def master(self) -> psutil.Process | None:
        """What directs the others: the process that was started, or the one that took its place after SIGUSR2."""
        if self._process is not None and self._process.poll() is None:
            return psutil.Process(self._process.pid)
        for name in ("gunicorn.pid", "gunicorn.pid.2"):
            try:
                master = psutil.Process(int((Path(self.environment["DATA_DIR"]) / name).read_text()))
                if master.status() != psutil.STATUS_ZOMBIE:
                    return master
            except (OSError, ValueError, psutil.NoSuchProcess):
                continue
        return None

    def processes(self) -> list[psutil.Process]:
        """The master and its workers."""
        master = self.master()
        return [] if master is None else [master, *master.children(recursive=True)]

    def postmaster(self) -> psutil.Process:
        """The server process of the database it brought with it."""
        return psutil.Process(int((self.folder / "data" / "postgres" / "postmaster.pid").read_text().split()[0]))

    def logs(self) -> str:
        """Everything it has logged or printed so far."""
        files = [self.output, *sorted((self.folder / "logs").glob("*.log"))]
        return "\n".join(file.read_text(errors="replace") for file in files if file.exists())

    def stop(self) -> None:
        """It ended in order, as systemd would end it."""
        while self._process is not None and (master := self.master()) is not None:
            master.terminate()
            try:
                master.wait(STOPS_WITHIN)
            except psutil.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.poll()

    def remove(self) -> None:
        """It is gone, with its files."""
        self.stop()
        remove_folder(self.folder)
