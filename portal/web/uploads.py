"""Uploaded files go into the spool as they arrive: never whole in memory, never under a name that was sent."""

import threading
from collections.abc import Callable, Iterable
from typing import IO, Any, TypeVar

from flask import Flask, Request, current_app, request

from batch_file_operations import ACCEPTED_AT_ONCE, LARGEST_FILE, batch_file_manager
from portal.web.protection import WSGIApplication

View = TypeVar("View", bound=Callable[..., Any])
LARGEST_REQUEST = 6 * LARGEST_FILE  # bytes; several files of one form
ROUGHLY_A_FILE = 1024 * 1024  # bytes of a request that does not say how long it is
IN_TURN = 1024 * 1024  # bytes up to which an upload comes at once, and waits for its turn
LONGEST_WAIT = 5.0  # seconds for a turn: those before may be sent slowly

_turns = threading.BoundedSemaphore(ACCEPTED_AT_ONCE)


class PortalRequest(Request):
    """A request whose files lie in the spool, where its view takes files at all."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if takes_files_here():
            return batch_file_manager.incoming()  # type: ignore[return-value]  # a raw stream does all that werkzeug asks
        return super()._get_file_stream(total_content_length, content_type, filename, content_length)


def takes_files(view: View) -> View:
    """Marks a view as one that takes files, and many of them."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def takes_files_here() -> bool:
    """Whether this request goes to a view that takes files."""
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "takes_files", False)


def connect(app: Flask) -> None:
    """Makes room for files, after the gate of access and before anybody reads the form."""
    app.request_class = PortalRequest
    app.wsgi_app = _few_at_once(app.wsgi_app)  # type: ignore[assignment, method-assign]
    app.before_request(_make_room)


def _few_at_once(answer: WSGIApplication) -> WSGIApplication:
    """Small uploads go through one after the other, a few at a time. Fifty that arrive in one moment would all be read
    at once, and each step of somebody's page would wait for a step of each. None waits for long.
    """

    def answer_in_turn(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_small_upload(environ):
            return answer(environ, start_response)
        has_turn = _turns.acquire(timeout=LONGEST_WAIT)
        try:
            return answer(environ, start_response)
        finally:
            if has_turn:
                _turns.release()

    return answer_in_turn


def _is_small_upload(environ: dict[str, Any]) -> bool:
    length = environ.get("CONTENT_LENGTH", "")
    small = length.isdigit() and len(length) < 9 and int(length) <= IN_TURN
    return small and environ.get("CONTENT_TYPE", "").startswith("multipart/form-data")


def _make_room() -> None:
    if request.method == "POST" and takes_files_here():
        request.max_content_length = LARGEST_REQUEST
        batch_file_manager.check_room(request.content_length or ROUGHLY_A_FILE)
