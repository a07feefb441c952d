"""The first command of the README, as on a fresh machine: a copy of the project started, used, stopped and so on."""

import http.cookiejar
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.servers.processes import free_port, remove_folder, server_folder, wait_for

ROOT = Path(__file__).resolve().parents[2]
FIRST_START = 90.0  # seconds, on a machine that is busy with other tests
SECOND_START = 5.0
LEFT_OUT = {".git", "venv", "data", "logs", "deploy", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache",
            ".pytest_cache", ".hypothesis"}  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def project_files() -> list[Path]:
    """What a clone would have, and what is about to be added to it."""
    if shutil.which("git") is not None and (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
        return [Path(name) for name in listed if name and (ROOT / name).is_file()]
    return [
        path.relative_to(ROOT)
        for path in ROOT.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.relative_to(ROOT).parts)
    ]


class Copy:
    """A copy of the project with its own data, started by deploy_multiuser.py with this run's Python environment."""

    def __init__(self) -> None:
        self.folder = server_folder("start")
        for name in project_files():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, self.folder / name)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = self.folder / "output"
        self.environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "deploy_multiuser.py", "--venv", sys.prefix, "--port", str(self.port), *options]

    def start(self, *options: str) -> float:
        """Starts the portal and answers the seconds until it showed its first page."""
        began = time.monotonic()
        self.launch(*options)
        wait_for(self._shows_a_page, "the portal", process=self.process, log=self.output, seconds=FIRST_START)
        return time.monotonic() - began

    def launch(self, *options: str) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                self.command("--start", *options),
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _shows_a_page(self) -> bool:
        return self.get("/login")[0] == 200

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_until_it_says(self, text: str, seconds: float = 120) -> None:
        wait_for(lambda: text in self.said(), repr(text), process=self.process, log=self.output, seconds=seconds)

    def stop(self, number: signal.Signals) -> int:
        """Sends the signal to the command alone, as a service manager does, and answers its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def processes(self) -> list[str]:
        """Whatever still runs in or for this copy: gunicorn, commands, PostgreSQL."""
        found = []
        for process in psutil.process_iter(["cmdline", "cwd", "status"]):
            words = " ".join(process.info["cmdline"] or [])
            if str(self.folder) in f"{words} {process.info['cwd']}" and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {words[:100]}")
        return found

    def wait_for_the_end(self) -> None:
        """Returns once nothing of this copy runs; names what stays."""
        try:
            wait_for(lambda: self.processes() == [], "the end of everything")
        except TimeoutError as late:
            raise TimeoutError(f"{late} still there: {self.processes()}, the log: {self.said()[-2000:]}") from late

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        remove_folder(self.folder)


@pytest.fixture(scope="module")
def copy():
    made = Copy()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def started_twice(copy):
    """Started with a demo, stopped by Ctrl-C, started again: what the first start said, seconds of the second one."""
    copy.start("--demo", "--demo-clients", "60")
    copy.wait_until_it_says("Stop with Ctrl-C")
    first = copy.said()
    assert copy.get("/health")[0] == 200
    assert copy.stop(signal.SIGINT) == 0
    assert "The portal is stopped." in copy.said()
    copy.wait_for_the_end()
    return first, copy.start("--demo", "--demo-clients", "60")


def test_the_first_start_says_where_and_how_to_sign_in_and_it_works(started_twice, copy):
    first, _ = started_twice
    assert f"Sign in at http://localhost:{copy.port}/login" in first
    assert "Traceback" not in first
    name, password = _first_login(first)
    assert "Sign out" in _signed_in(copy, name, password)


def test_the_second_start_is_quick_and_repeats_nothing(started_twice, copy):
    _, seconds = started_twice
    copy.wait_until_it_says("Stop with Ctrl-C")
    said = copy.said()
    # A machine with two processors that runs other tests besides is given twice the time.
    assert seconds < SECOND_START * (1 if os.getloadavg()[0] < 1.5 else 3), said
    assert "password" not in said.lower()
    assert said.count("(already right)") >= 7
    assert "Traceback" not in said


def test_a_second_portal_on_the_same_port_is_refused(started_twice, copy):
    refused = subprocess.run(
        copy.command("--start"), cwd=copy.folder, env=copy.environment, capture_output=True, text=True, timeout=60
    )
    assert refused.returncode == 1
    assert "is taken" in refused.stdout
    assert copy.get("/health")[0] == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_while_it_starts_it_leaves_nothing_running(started_twice, copy, number):
    if copy.process.poll() is None:
        assert copy.stop(signal.SIGINT) == 0
    for seconds in (0.2, 0.5, 0.8):
        copy.launch()
        copy.wait_until_it_says("\nStart\n")
        time.sleep(seconds)
        copy.stop(number)
        assert copy.processes() == []
        assert "Traceback" not in copy.said()


def test_ctrl_c_while_the_demo_agency_is_made_leaves_nothing_running():
    made = Copy()
    try:
        made.start("--demo")
        made.wait_until_it_says("filling in the demo agency")
        time.sleep(3)
        assert made.stop(signal.SIGINT) == 0
        assert made.processes() == []
        assert "Traceback" not in made.said()
    finally:
        made.remove()


def test_a_service_managers_term_stops_everything_too(started_twice, copy):
    if copy.process.poll() is not None:
        copy.start()
    assert copy.stop(signal.SIGTERM) == 0
    copy.wait_for_the_end()
    assert "Traceback" not in copy.said()


def test_the_start_script_serves_the_same_portal(started_twice, copy):
    if copy.process.poll() is None:
        assert copy.stop(signal.SIGTERM) == 0
    with (copy.folder / "output").open("wb") as output:
        process = subprocess.Popen(
            ["./start_multiuser.sh"],
            cwd=copy.folder,
            env={**copy.environment, "PORT": str(copy.port)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    wait_for(lambda: copy.get("/login")[0] == 200, "start_multiuser.sh", process=process, log=copy.output, seconds=60)
    process.terminate()
    assert process.wait(60) == 0
    copy.wait_for_the_end()


def _first_login(said: str) -> tuple[str, str]:
    """The administrator's address and one-time password that the start printed."""
    found = re.search(r"^ +(\S+@\S+) +(\S+) +administrator$", said, re.MULTILINE)
    assert found, said
    return found[1], found[2]


def _signed_in(copy: Copy, name: str, password: str) -> str:
    """The page that somebody sees who signs in with what the start printed."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    form = opener.open(f"{copy.url}/login", timeout=10).read().decode()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
    assert token
    fields = urllib.parse.urlencode({"csrf_token": token[1], "email": name, "password": password}).encode()
    page: str = opener.open(f"{copy.url}/login", fields, timeout=10).read().decode()
    return page
