"""How gunicorn serves the portal: gunicorn -c gunicorn_config.py wsgi:application

Each value can be changed by a setting (config.py); gunicorn ignores names that it does not know without a word, so
tests/deploy/test_gunicorn_config.py compares them with its list.
"""
# Before anything else: what is imported unpatched (psycopg, ssl) keeps waits that block the whole process.
from gevent import monkey

monkey.patch_all()

import contextlib
import gc
import logging
import os
import pathlib
import signal
import sys
import time
from typing import Any
from urllib.parse import quote

import gevent
from gunicorn import systemd
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers import ggevent

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # gunicorn puts its chdir there only after it has read this file

from config import ConfigurationError, settings, tell_libraries
from database_pool import DatabaseError, close_database, start_database, stop_database
from portal.privacy.keys import check_keys
from portal.web import reads
from portal.web.door import DoorServer
from portal.web.logs import KEPT_FILES, MEGABYTE, SharedRotatingFile
from task_queue import task_queue

_predecessor = 0  # the master that this one was started by with USR2, while it is there
GATHER_LINES = 0.25  # seconds
LAST_WRITES = 3.0  # seconds of the graceful timeout kept for writing what became of tasks, before the master kills
QUICK_END = 2.0  # seconds that running tasks have when somebody wants the portal gone at once
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
# How many more things must have been made than given back before Python looks for rings of them. A page makes thousands
# that hold nothing in a ring, and the usual 700 spend a fifteenth of all time on looking; these come to some megabytes.
MADE_BEFORE_A_LOOK = 20_000
DYING = 5.0  # seconds in which processes that were killed are gone, so that the database may stop


def _leave(_number: int, _frame: object) -> None:
    sys.exit(0)


# Until gunicorn minds its signals itself: asked to stop while it starts, it takes the embedded database along.
# HUP reads this file again, in a master that does mind them.
for number in (signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
        signal.signal(number, _leave)

try:
    _settings = settings()
except ConfigurationError as error:
    sys.exit(str(error))


def _end_process(log: "PortalLogger") -> None:
    """Ends this web process now. gunicorn would raise SystemExit in a greenlet, which gevent reports as a failure, with
    a traceback, when the process is on its way out already.
    """
    try:
        log.write_lines()
        task_queue.stop(QUICK_END)
        reads.flush()
        close_database()
    finally:
        os._exit(0)


class HeadWithBody:
    """A connection on which the head of one answer waits for the first part of its body, which follows at once.

    gunicorn sends them one by one: two calls of the system for each page, and two looks of nginx at it.
    """

    def __init__(self, connection: Any) -> None:
        self._connection, self._head, self._is_head = connection, b"", True

    def sendall(self, data: bytes) -> None:
        """Sends it, behind the head; the head itself is kept back."""
        if self._is_head:
            self._head, self._is_head = data, False
            return
        head, self._head = self._head, b""
        self._connection.sendall(head + data if head else data)

    def flush(self) -> None:
        """Sends a head that no body followed."""
        if self._head:
            self.sendall(b"")

    def __getattr__(self, name: str) -> Any:
        self.flush()   # whatever else is done with the connection (a file is sent, it is closed) comes after
        return getattr(self._connection, name)


ggevent.StreamServer = DoorServer   # the worker makes it by this name, and has no setting for it


class FairGeventWorker(ggevent.GeventWorker):
    """gunicorn's gevent worker, in which a connection gives way after each request, and ends when its process is full.

    A keep-alive connection whose next request already lies in the socket never waits, so a few busy clients would
    starve all others: p99 of 100 connections 1,300 ms without, 108 ms with this. And nginx asks on the connection that
    was answered last, whichever process has it (portal/web/door.py).
    """

    place = 0
    _leaving = False
    _stopping_since: float | None = None

    def handle_request(self, listener_name: object, req: Any, sock: object, addr: object) -> None:
        answer = HeadWithBody(sock)
        if DoorServer.is_full():
            req.force_close()
        try:
            super().handle_request(listener_name, req, answer, addr)
        finally:
            answer.flush()
        if not self.alive:
            task_queue.prepare_to_stop()  # max_requests is reached: streams of events end, or they would hold it up
        gevent.sleep(0)

    def init_signals(self) -> None:
        """Minds its signals, those that came since the fork (`pre_fork`) first of all."""
        super().init_signals()
        _let_signals_in()

    def handle_exit(self, sig: int, frame: object) -> None:
        """Takes no new task from this moment on, while the last requests are answered."""
        self._stopping_since = time.monotonic()
        super().handle_exit(sig, frame)
        gevent.spawn(task_queue.prepare_to_stop)

    def run(self) -> None:
        """Serves until it is asked to leave (or has served max_requests), then ends its tasks or hands them back."""
        super().run()
        self.log.write_lines()
        since = self._stopping_since or time.monotonic()
        task_queue.stop(max(QUICK_END, self.cfg.graceful_timeout - LAST_WRITES - (time.monotonic() - since)))
        reads.flush()

    def handle_quit(self, sig: int, frame: object) -> None:
        """Leaves at once, and once: Ctrl-C comes from the terminal and again from the master."""
        if not self._leaving:
            self._leaving = True
            gevent.spawn(_end_process, self.log)


class PortalLogger(Logger):
    """gunicorn's log in rotating files that all processes share; what goes wrong stands on the terminal too. Lines of
    the access log are written a few at a time: one by one they take a twentieth of what a click costs.
    """

    def __init__(self, cfg: Any) -> None:
        super().__init__(cfg)
        self._lines: list[str] = []

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        """Notes a line, which is in the file within GATHER_LINES."""
        self._lines.append(self.cfg.access_log_format % self.atoms(resp, req, environ, request_time))
        if len(self._lines) == 1:
            gevent.spawn_later(GATHER_LINES, self.write_lines)

    def write_lines(self) -> None:
        """Writes what was noted."""
        lines, self._lines = self._lines, []
        if lines:
            self.access_log.info("\n".join(lines))

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> dict[str, Any]:
        """What `access_log_format` below names, and nothing else: gunicorn would gather every header of both sides. The
        path alone, percent-encoded, for a line end would forge a log line; of a signed link not even that.
        """
        path = environ.get("PATH_INFO", "")
        if path.startswith("/media/"):
            path = "/media/-"
        return {
            "t": self.now(), "p": f"<{os.getpid()}>", "m": environ.get("REQUEST_METHOD"),
            "U": quote(path.encode("latin-1", "replace")), "H": environ.get("SERVER_PROTOCOL"),
            "s": str(resp.status).split(maxsplit=1)[0], "B": getattr(resp, "sent", None),
            "M": int(request_time.total_seconds() * 1000),
            "{x-request-id}o": next((value for name, value in resp.headers if name.lower() == "x-request-id"), "-"),
        }

    def _set_handler(self, log: logging.Logger, output: str | None, fmt: logging.Formatter, stream: Any = None) -> None:
        if output in (None, "-"):
            super()._set_handler(log, output, fmt, stream)
            return
        largest = _settings.log_file_mb * MEGABYTE
        handlers: list[logging.Handler] = [
            SharedRotatingFile(str(output), maxBytes=largest, backupCount=KEPT_FILES, delay=True)]
        if log is self.error_log:
            handlers.append(logging.StreamHandler(sys.stderr))
            handlers[-1].addFilter(_is_not_a_worker_coming_or_going)
        for handler in handlers:
            handler._gunicorn = True  # type: ignore[attr-defined]  # gunicorn removes its own handlers by this mark
            handler.setFormatter(fmt)
            log.addHandler(handler)


def _is_not_a_worker_coming_or_going(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(("Booting worker", "Worker exiting"))


# Where the processes count their requests; read by portal.measures, which is imported with the application.
_counts = _settings.data_dir / "metrics"
for folder in (_settings.data_dir, _settings.log_dir, _counts):
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
tell_libraries("PROMETHEUS_MULTIPROC_DIR", str(_counts))

chdir = str(ROOT)
# This machine alone: nginx is the door to the outside, and nobody gets around its limits. WEB_BIND.
bind = [_settings.web_bind]
worker_class = FairGeventWorker
# Each process has one Python lock; two per processor and one keep it busy while some wait for data. WEB_CONCURRENCY.
workers = _settings.web_concurrency
# A greenlet costs little; beyond this a connection waits in the backlog. WEB_CONNECTIONS.
worker_connections = _settings.web_connections
# Memory that libraries lose bit by bit comes back; the jitter keeps the processes from leaving together.
max_requests = _settings.web_max_requests
max_requests_jitter = _settings.web_max_requests_jitter
# The worker reports each second whatever its requests do: silence means that it is stuck in blocking code.
timeout = _settings.web_timeout
graceful_timeout = _settings.web_graceful_timeout
# Longer than nginx keeps its connections to us (4 s in nginx.conf), so that only nginx closes an idle one: the other
# way round a request could meet a closing connection. Short, because a stopping worker waits for idle ones.
# WEB_KEEPALIVE.
keepalive = _settings.web_keepalive
# The libraries of the providers are imported once and shared. Whatever is opened, is opened after the fork.
# WEB_PRELOAD.
preload_app = _settings.web_preload == "yes"
# gunicorn 27 would open a control socket in the home folder, which a locked-down service cannot write.
control_socket_disable = True
pidfile = str(_settings.data_dir / "gunicorn.pid")
# The workers' heartbeat files, in memory: a slow disk must not look like a stuck worker. WEB_TMP_DIR.
_memory = pathlib.Path("/dev/shm")  # noqa: S108 - mkstemp, unlinked at once
_heartbeats = _settings.web_tmp_dir or (_memory if _memory.is_dir() else None)
worker_tmp_dir = str(_heartbeats) if _heartbeats else None
forwarded_allow_ips = ",".join(str(network) for network in _settings.trusted_proxies)
proc_name = "insurance-portal"
logger_class = PortalLogger
errorlog = str(_settings.log_dir / "error.log")
accesslog = str(_settings.log_dir / "access.log")
# No address, no query, no referrer, no browser: nothing that leads to a person. The request's id finds it in our log.
access_log_format = '%(t)s %(p)s "%(m)s %(U)s %(H)s" %(s)s %(B)s bytes %(M)s ms %({x-request-id}o)s'


def on_starting(server: Arbiter) -> None:
    """The master starts the embedded database and applies migrations, once, before any worker asks for data."""
    from portal import measures  # chooses by PROMETHEUS_MULTIPROC_DIR, set above

    measures.clear_the_dead(_counts)
    try:
        applied = start_database()
        if applied:
            server.log.info("Applied %d migrations", len(applied))
        check_keys()
    except (ConfigurationError, DatabaseError) as error:
        stop_database()
        sys.exit(str(error))
    finally:
        close_database()   # no worker inherits a connection


def when_ready(server: Arbiter) -> None:
    """After USR2 systemd learns that this is the main process now (the unit has NotifyAccess=all)."""
    systemd.sd_notify(f"MAINPID={os.getpid()}", server.log)


def pre_fork(server: Arbiter, worker: FairGeventWorker) -> None:
    """Gives the worker the lowest free place: where it counts, its successor goes on.

    Signals wait until the worker minds its own: before that the master's handlers are still in place in it, a SIGTERM
    would be noted and forgotten, and the stop would last the whole graceful timeout.
    """
    global _predecessor  # noqa: PLW0603 - for the worker about to be forked off
    _predecessor = server.master_pid
    gc.freeze()   # what all share is never looked at again, so that it stays shared
    taken = {other.place for other in server.WORKERS.values()}
    worker.place = next(number for number in range(1, len(taken) + 2) if number not in taken)
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)


def _let_signals_in() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)


os.register_at_fork(after_in_parent=_let_signals_in)


def post_worker_init(worker: FairGeventWorker) -> None:
    """After the fork: each web process runs tasks beside its requests (TASK_WORKERS; 0 leaves them to workers)."""
    from portal import measures  # with the application, which is there by now

    DoorServer.turns = getattr(worker.wsgi, "extensions", {}).get("door")
    gc.set_threshold(MADE_BEFORE_A_LOOK, 10, 10)
    measures.take_place(worker.place)
    measures.start_reporting()
    task_queue.start(is_crowded=DoorServer.is_busy)
    if _predecessor and worker.place == 1:
        # USR2 is all that a rolling restart takes: the old master lets its requests in flight finish and goes. It may
        # have gone already, and an error here would end the new one.
        with contextlib.suppress(ProcessLookupError):
            os.kill(_predecessor, signal.SIGTERM)


def worker_exit(server: Arbiter, worker: FairGeventWorker) -> None:
    task_queue.stop(QUICK_END)
    reads.flush()
    close_database()


def on_exit(server: Arbiter) -> None:
    """The master leaves last. After USR2 a new master already serves from the same database: it keeps running."""
    if not server.reexec_pid:
        stop_database(DYING)
