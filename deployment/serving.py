"""Runs the portal in the foreground: starts it, waits until it answers, says where to sign in, stops it cleanly."""
from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from deployment.plan import ON_WINDOWS, Plan
from deployment.report import Report

START_PATIENCE = 60.0  # seconds until the portal must answer
STOP_PATIENCE = 45.0   # above gunicorn's graceful time-out


class Stopped(Exception):
    """Somebody asked the portal to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def serve(plan: Plan, report: Report, *, bind: str, address: str, demo: list[str] | None) -> int:
    """Runs the portal until it ends or is told to stop, and answers the exit code.

    `bind` is where it listens, `address` what is typed into a browser, `demo` the options of seed-demo or None.
    """
    if somebody_listens(bind):
        report.fail(f"{bind} is taken: the portal or another program runs there already.",
                    "Stop it, or choose another port: python3 deploy_multiuser.py --start --port 5051")
        return 1
    child: subprocess.Popen[bytes] | None = None
    runs = False
    with _signals_stop_us():
        try:
            # Its own session: Ctrl-C reaches the portal once, from here, and not from the terminal too.
            child = subprocess.Popen([str(part) for part in _command(plan)], cwd=plan.root, env=plan.environment(),
                                     start_new_session=not ON_WINDOWS)
            if not _wait_until_it_answers(child, bind):
                report.fail("The portal did not start.", "The lines above and logs/error.log tell why.")
                return _stop(child, signal.SIGTERM) or 1
            runs = True
            report.done(f"The portal runs at {address}")
            _prepare(plan, report, address=address, demo=demo)
            return child.wait()
        except Stopped as stopped:
            # Ctrl-C at once; a service manager's SIGTERM lets requests in flight finish. Before it runs there are none.
            at_once = runs and stopped.number == signal.SIGINT
            report.title("")
            code = _stop(child, signal.SIGINT if at_once else signal.SIGTERM) if child is not None else 0
            report.say("The portal is stopped.")
            return code


def somebody_listens(bind: str) -> bool:
    """Whether a program accepts connections at this place, written as gunicorn writes it."""
    try:
        _connect(bind).close()
    except OSError:
        return False
    return True


def _command(plan: Plan) -> list[str | Path]:
    if ON_WINDOWS:
        return [plan.python, "app_multiuser.py"]
    # Not python -m gunicorn: the new master of a reload (USR2) would be run from inside the package.
    return [plan.programs / "gunicorn", "-c", "gunicorn_config.py", "wsgi:application"]


def _wait_until_it_answers(child: subprocess.Popen[bytes], bind: str) -> bool:
    until = time.monotonic() + START_PATIENCE
    while child.poll() is None and time.monotonic() < until:
        if _is_healthy(bind):
            return True
        time.sleep(0.05)
    return False


def _is_healthy(bind: str) -> bool:
    try:
        with _connect(bind) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def _connect(bind: str) -> socket.socket:
    if bind.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(5)
        connection.connect(bind.removeprefix("unix:"))
        return connection
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    return socket.create_connection(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), int(port)), timeout=5)  # noqa: S104


def _prepare(plan: Plan, report: Report, *, address: str, demo: list[str] | None) -> None:
    """What a first start needs besides: a demo agency if wanted, and somebody who can sign in."""
    commands = [["seed-demo", "--if-empty", *demo]] if demo is not None else []
    if demo is not None:
        report.say("    filling in the demo agency, unless there is a book already ...")
    for command in [*commands, ["ensure-admin"]]:
        ended = _run_to_the_end([str(plan.python), "-m", "flask", "--app", "app_multiuser", *command], plan)
        if ended != 0:
            report.warn(f"flask --app app_multiuser {command[0]} ended with code {ended}; the portal runs on.")
    report.say(f"\nSign in at {address}/login. Stop with Ctrl-C.")


def _run_to_the_end(command: list[str], plan: Plan) -> int:
    """Runs a command that is to end before us, whatever happens to us."""
    child = subprocess.Popen(command, cwd=plan.root, env=plan.environment(), start_new_session=not ON_WINDOWS)
    try:
        return child.wait()
    except Stopped:
        _stop(child, signal.SIGTERM)
        raise


def _stop(child: subprocess.Popen[bytes], number: signal.Signals) -> int:
    """Ends the process: asked to first, killed when it does not. 0 if it left by itself as asked."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate() if ON_WINDOWS else child.send_signal(number)
    try:
        return max(child.wait(STOP_PATIENCE), 0)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        return 1


@contextlib.contextmanager
def _signals_stop_us() -> Iterator[None]:
    """Turns the first signal to stop into `Stopped`; while we clean up, a further one changes nothing."""
    numbers = [signal.SIGINT, signal.SIGTERM] + ([] if ON_WINDOWS else [signal.SIGHUP])

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
