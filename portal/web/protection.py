"""What holds for every request and every answer: known host, clean address, request id, security headers, caching."""

import functools
import ipaddress
import re
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from flask import Flask, Response, abort, current_app, g, has_request_context, request
from flask.globals import request_ctx
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.middleware.proxy_fix import ProxyFix

import task_queue
from portal.web import access

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
UNKNOWN_HOST = "portal.unknown_host"
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_BY_KEY = tuple((name.lower(), (name, value)) for name, value in SECURITY_HEADERS.items())
LARGEST_FORM = 16 * 1024 * 1024   # bytes of fields, files not counted; as nginx.conf allows
LARGEST_PUBLIC_FORM = 1024 * 1024
MOST_LARGER_PUBLIC_FORMS = 2   # read at once in a process; further ones are refused before they are read
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_larger_public_forms = threading.BoundedSemaphore(MOST_LARGER_PUBLIC_FORMS)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def connect(app: Flask) -> None:
    """Sets the checks before every request and the headers behind every answer."""
    app.before_request(_give_request_id)
    task_queue.name_requests_by(lambda: g.get("request_id") if has_request_context() else None)
    app.before_request(_refuse_unknown_hosts)
    app.before_request(_refuse_junk)
    app.after_request(_protect)


def limit_forms(app: Flask) -> None:
    """Sets the limits on forms. To be called after the gate is set: a stranger is refused before any of it is read."""
    app.before_request(_limit_forms)
    app.teardown_request(_note_end_of_large_form)


class FormTokens(CSRFProtect):
    """The token of every form. A program that shows its own token in each request cannot be led by a foreign page."""

    def protect(self, **options: Any) -> None:
        if not access.is_program():
            super().protect(**options)


def front_door(app: WSGIApplication, *, base_url: str, proxies: Iterable[Network]) -> WSGIApplication:
    """The application behind two checks that must come before Flask reads the request.

    X-Forwarded-For and X-Forwarded-Proto are believed from `proxies` and from nobody else. A Host that is not ours is
    replaced and marked: links are made from APP_BASE_URL, so it could poison none, but somebody else's page must not
    reach the portal through a name it controls (DNS rebinding). The mark makes the answer a 400 page.
    """
    networks, ours = tuple(proxies), urlsplit(base_url).hostname or ""
    fixed: WSGIApplication = ProxyFix(app, x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0)

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not _is_known(environ.get("HTTP_HOST", ""), ours):
            environ["HTTP_HOST"], environ[UNKNOWN_HOST] = "localhost", True
        trusted = bool(networks) and _comes_from(environ.get("REMOTE_ADDR", ""), networks)
        return (fixed if trusted else app)(environ, start_response)

    return serve


@functools.lru_cache(maxsize=1000)
def _comes_from(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return not address   # a unix socket: only who may open the file, the proxy, comes through it
    return any(found in network for network in networks)


def _give_request_id() -> None:
    offered = request.headers.get("X-Request-ID", "")
    g.request_id = offered if SANE_REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def _refuse_unknown_hosts() -> None:
    if UNKNOWN_HOST in request.environ:
        current_app.logger.warning("request for an unknown host refused")
        abort(400, "This address is not known to the portal. Its administrator can set it as APP_BASE_URL.")


def _is_known(host: str, ours: str) -> bool:
    """Whether a Host header names this portal: the public name, this machine, or while there is none a bare address."""
    written = re.fullmatch(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9.-]{1,253}))(?::[0-9]{1,5})?", host.lower())
    if written is None:
        return False
    name = written[1] or written[2]
    return name in THIS_MACHINE or name == ours or (ours in THIS_MACHINE and _is_address(name))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refuse_junk() -> None:
    if request.method not in METHODS:
        adapter = request_ctx.url_adapter
        raise MethodNotAllowed(valid_methods=adapter.allowed_methods() if adapter else None)
    for raw in (request.environ.get("PATH_INFO", "").encode("latin-1", "replace"),
                unquote_to_bytes(request.environ.get("QUERY_STRING", "").replace("+", " "))):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            abort(400, "The address contains characters that cannot be read.")
        if "\0" in text:
            abort(400, "The address contains characters that cannot be read.")


def _limit_forms() -> None:
    """A form is read even when far too much was pasted into it, so that it can be shown again with its errors. What
    strangers send may take the memory of few such forms.

    Werkzeug's own limits on form fields count multipart forms alone; the others are read as a whole.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    public = view is None or access.access_of(view) == access.PUBLIC
    limit = LARGEST_PUBLIC_FORM if public and not _may_be_larger(view) else LARGEST_FORM
    request.max_form_memory_size = limit
    if request.mimetype == "application/x-www-form-urlencoded":
        request.max_content_length = limit
        if request.get_data().count(b"&") >= current_app.config["MAX_FORM_PARTS"]:
            abort(413)


def _may_be_larger(view: Callable[..., Any] | None) -> bool:
    if view is None or getattr(view, "signed_by_sender", False):
        return False
    if (request.content_length or 0) <= LARGEST_PUBLIC_FORM:
        return False
    g.large_public_form = _larger_public_forms.acquire(blocking=False)
    return bool(g.large_public_form)


def _note_end_of_large_form(_error: BaseException | None) -> None:
    if g.pop("large_public_form", False):
        _larger_public_forms.release()


def _protect(response: Response) -> Response:
    # One look at the answer's headers: setdefault would go through all of them for each name.
    there = {name.lower() for name, _ in response.headers}
    response.headers.extend([pair for key, pair in _BY_KEY if key not in there])
    if request.is_secure or current_app.config["APP_BASE_URL"].startswith("https:"):
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    if "request_id" in g:
        response.headers["X-Request-ID"] = g.request_id
    if request.endpoint in ("static", "styles") and response.status_code in (200, 206, 304):
        lasting = "max-age=31536000, immutable" if "v" in request.args else "max-age=300"
        response.headers["Cache-Control"] = f"public, {lasting}"
    elif "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
