"""What the servers that tests start have in common: a folder, a free port, a start waited for, an end that is sure."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3  # bytes: a log and some dozen databases of PostgreSQL, for two processes of the tests
# Below the range from which the system picks ports of outgoing connections, and for each process of the tests another
# stretch: what one has found free, no other takes before the server listens.
_ports = itertools.count(20_000 + os.getpid() % 120 * 100)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses at this moment."""
    while True:
        port = 20_000 + (next(_ports) - 20_000) % 12_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def server_folder(purpose: str, *, in_memory: bool = False) -> Path:
    """A new folder that a server without root's rights can reach; short, as a unix socket's path is (107 bytes).

    With `in_memory` it lies there where the machine has such a place with room enough: no disk is waited for.
    """
    in_memory = in_memory and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix=f"portal-{purpose}-", dir=MEMORY if in_memory else None))
    folder.chmod(0o711)
    return folder


def remove_folder(folder: Path) -> None:
    """The folder is gone, or was."""
    shutil.rmtree(folder, ignore_errors=True)


def unprivileged_user() -> str | None:
    """Whom to become for servers that refuse to run as root; None when this is not root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    return "nobody"


def ending_with_us(signal_name: str) -> list[str]:
    """What to write before a command so that it gets that signal when the tests die; nothing where unknown."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, "--"] if setpriv else []


def wait_for(
    ready: Callable[[], bool],
    what: str,
    *,
    process: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
    seconds: float = 30.0,
) -> None:
    """Returns once `ready()` says so.

    Raises RuntimeError with the end of the log when the process ended before, TimeoutError when the time is over.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        last_words = log.read_text(errors="replace")[-2000:] if log is not None and log.exists() else ""
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what} ended with code {process.returncode}: {last_words}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready within {seconds:g} s: {last_words}")
        time.sleep(0.02)


def answers_sql(address: str) -> bool:
    """True when a PostgreSQL (or a pooler before one) answers a query at this address."""
    try:
        with psycopg.connect(address, connect_timeout=2, prepare_threshold=None) as connection:
            connection.execute("select 1")
    except psycopg.Error:
        return False
    return True


def end_process(process: subprocess.Popen[bytes] | None, *, seconds: float = 10.0) -> None:
    """The process has ended: asked first, killed when it does not listen."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
