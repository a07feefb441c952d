"""Uploaded files go into the spool as they arrive: never whole in memory, never under a name that was sent."""

from collections.abc import Callable
from typing import IO, Any, TypeVar

from flask import Flask, Request, current_app, request

from batch_file_operations import LARGEST_FILE, batch_file_manager

View = TypeVar("View", bound=Callable[..., Any])
LARGEST_REQUEST = 6 * LARGEST_FILE  # bytes; several files of one form
ROUGHLY_A_FILE = 1024 * 1024  # bytes of a request that does not say how long it is


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
    app.before_request(_make_room)


def _make_room() -> None:
    if request.method == "POST" and takes_files_here():
        request.max_content_length = LARGEST_REQUEST
        batch_file_manager.check_room(request.content_length or ROUGHLY_A_FILE)
