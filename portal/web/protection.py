"""What holds for every request and every answer: known host, clean address, request id, security headers, caching."""

import ipaddress
import re
import uuid
from collections.abc import Callable, Iterable
from urllib.parse import unquote_to_bytes, urlsplit

from flask import Flask, Response, abort, current_app, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
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
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def connect(app: Flask) -> None:
    """Sets the checks before every request and the headers behind every answer."""
    app.before_request(_give_request_id)
    app.before_request(_refuse_unknown_hosts)
    app.before_request(_refuse_junk)
    app.before_request(_limit_plain_forms)
    app.after_request(_protect)


def behind_proxies(app: Callable[..., Iterable[bytes]], proxies: Iterable[Network]) -> Callable[..., Iterable[bytes]]:
    """A WSGI application that believes X-Forwarded-For and X-Forwarded-Proto from these addresses and from no other."""
    networks = list(proxies)
    fixed = ProxyFix(app, x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0)

    def serve(environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
        chosen = fixed if _comes_from(str(environ.get("REMOTE_ADDR", "")), networks) else app
        return chosen(environ, start_response)  # type: ignore[arg-type]

    return serve if networks else app


def _comes_from(address: str, networks: Iterable[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:   # a unix socket has no address
        return False
    return any(found in network for network in networks)


def _give_request_id() -> None:
    offered = request.headers.get("X-Request-ID", "")
    g.request_id = offered if SANE_REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def _refuse_unknown_hosts() -> None:
    """Links are made from APP_BASE_URL, so another Host cannot poison them. It is refused all the same, so that
    somebody else's page cannot reach the portal through a name it controls (DNS rebinding)."""
    host = (request.environ.get("HTTP_HOST") or "").lower()
    name = (urlsplit(f"//{host}").hostname or "") if re.fullmatch(r"[a-z0-9.:\[\]-]{1,255}", host) else ""
    ours = urlsplit(current_app.config["APP_BASE_URL"]).hostname
    if name in THIS_MACHINE or (ours in THIS_MACHINE and _is_address(name)):
        return
    if not name or name != ours:
        current_app.logger.warning("request for an unknown host refused")
        abort(400, "This address is not known to the portal. Its administrator can set it as APP_BASE_URL.")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refuse_junk() -> None:
    if request.method not in METHODS:
        abort(405)
    for raw in (request.environ.get("PATH_INFO", "").encode("latin-1", "replace"),
                unquote_to_bytes(request.environ.get("QUERY_STRING", "").replace("+", " "))):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            abort(400, "The address contains characters that cannot be read.")
        if "\0" in text:
            abort(400, "The address contains characters that cannot be read.")


def _limit_plain_forms() -> None:
    """Werkzeug's limit on form fields counts multipart forms alone; the others are read as a whole."""
    if request.mimetype == "application/x-www-form-urlencoded":
        request.max_content_length = current_app.config["MAX_FORM_MEMORY_SIZE"]


def _protect(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure or current_app.config["APP_BASE_URL"].startswith("https:"):
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    if "request_id" in g:
        response.headers["X-Request-ID"] = g.request_id
    if request.endpoint == "static" and response.status_code in (200, 206, 304):
        lasting = "max-age=31536000, immutable" if "v" in request.args else "max-age=300"
        response.headers["Cache-Control"] = f"public, {lasting}"
    elif "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
