"""Uploaded files go into the spool as they arrive: never whole in memory, never under a name that was sent."""

from collections.abc import Callable
from typing import IO, Any, TypeVar

from flask import Flask, Request, current_app, request

from batch_file_operations import ACCEPTED_AT_ONCE, LARGEST_FILE, batch_file_manager
from portal.web.turns import LARGE, Turns, in_turn, length_of

View = TypeVar("View", bound=Callable[..., Any])
LARGEST_REQUEST = 6 * LARGEST_FILE  # bytes; several files of one form
ROUGHLY_A_FILE = 1024 * 1024  # bytes of a request that does not say how long it is
IN_TURN = LARGE  # bytes up to which an upload comes at once, and waits for its turn


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
    # Small uploads go through a few at a time: fifty that arrive in one moment would all be read and written at once,
    # and each step of somebody's page would wait for a step of each. None waits for long.
    app.wsgi_app = in_turn(  # type: ignore[assignment, method-assign]
        app.wsgi_app, Turns(ACCEPTED_AT_ONCE), _is_small_upload)
    app.before_request(_make_room)


def _is_small_upload(environ: dict[str, Any]) -> bool:
    length, kind = length_of(environ), environ.get("CONTENT_TYPE", "")
    return length is not None and length <= IN_TURN and kind.startswith("multipart/form-data")


def _make_room() -> None:
    if request.method == "POST" and takes_files_here():
        request.max_content_length = LARGEST_REQUEST
        batch_file_manager.check_room(request.content_length or ROUGHLY_A_FILE)
