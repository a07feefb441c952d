"""Who may open what: each view says so beside its route, one gate enforces it, silence stops the start."""

import hmac
import re
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from flask import Flask, abort, current_app, g, redirect, request, session
from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from portal.audit import Actor

PUBLIC = "public"
SIGNED_IN = "signed in"
MONITORING = "monitoring.read"
THIS_MACHINE = ("127.0.0.1", "::1")
SIGN_IN_PATH = "/login"
DEVICE_KNOWN_FOR = 365 * 24 * 3600   # seconds
CHANGE_PASSWORD_PATH = "/account/password"  # noqa: S105 - a path
TWO_STEP_PATH = "/account/two-step"
OTHER_WAY = {
    "clerk": "Everybody signs in to this portal through Clerk, where passwords and second steps are looked after.",
    "password": "Everybody signs in to this portal with its own accounts, not through Clerk."}
HALF_SIGNED_IN_FOR = 300   # seconds between the password and the code
BROWSER_TRUSTED_FOR = 30 * 24 * 3600   # seconds without another code, where the colleague asked for it

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class StaffMember:
    """The colleague who sent this request."""

    user_id: int
    name: str
    email: str
    role: str
    theme: str
    density: str
    permissions: frozenset[str]
    must_change_password: bool = False
    session_key: str = ""
    token_id: int | None = None   # of the API token through which a program acts for the colleague
    shortcuts: bool = True
    must_set_up_two_step: bool = False

    def may(self, permission: str) -> bool:
        """Whether the role allows it; what is not in the matrix is forbidden."""
        return permission in self.permissions


def public(view: View) -> View:
    """Marks a view as open to anyone."""
    return _declare(view, PUBLIC)


def signed_by_sender(view: View) -> View:
    """Marks a view that programs of others call and that proves each request by its signature: no form token."""
    view.signed_by_sender = True  # type: ignore[attr-defined]
    return _declare(view, PUBLIC)


def signed_in(view: View) -> View:
    """Marks a view as open to every colleague, whatever the role."""
    return _declare(view, SIGNED_IN)


def requires(permission: str) -> Callable[[View], View]:
    """Marks a view as open to colleagues whose role has `permission`; others get 403."""
    return lambda view: _declare(view, permission)


def monitor(view: View) -> View:
    """Opens a view to monitoring: a request from this machine itself, one with METRICS_TOKEN, or an administrator.

    Everybody else gets 403: what is asked for is nobody else's, and a program cannot use a page to sign in.
    """
    view.open_to_monitoring = True  # type: ignore[attr-defined]
    return _declare(view, MONITORING)


def open_to_temporary_password(view: View) -> View:
    """Lets a colleague in who still has to replace a one-time password."""
    view.open_to_temporary_password = True  # type: ignore[attr-defined]
    return view


def open_without_two_step(view: View) -> View:
    """Lets a colleague in who still has to set up the second step of signing in."""
    view.open_without_two_step = True  # type: ignore[attr-defined]
    return view


def while_signing_in_by(way: str) -> Callable[[View], View]:
    """Marks a view that exists only while people sign in this way ("password" or "clerk"); it answers 404 otherwise."""

    def mark(view: View) -> View:
        view.while_signing_in_by = way  # type: ignore[attr-defined]
        return view

    return mark


def signs_in_by_clerk() -> bool:
    """Whether people sign in through Clerk; then nobody has a password here."""
    return bool(current_app.config["SIGN_IN_BY"] == "clerk")


def _declare(view: View, access: str) -> View:
    view.access = access  # type: ignore[attr-defined]
    return view


def connect(
    app: Flask,
    load_user: Callable[[str], StaffMember | None],
    load_program: Callable[[str], StaffMember | None],
    permissions: Collection[str],
) -> None:
    """Sets the gate before every request.

    `load_user` knows whose session a browser holds, `load_program` for whom a program with an API token acts;
    `permissions` are all there are.
    """
    app.extensions["portal.load_user"] = load_user
    app.extensions["portal.load_program"] = load_program
    app.extensions["portal.permissions"] = frozenset(permissions)
    app.before_request(_gate)


def check_every_view_declares_access(app: Flask) -> None:
    """Raises RuntimeError naming each view without access, or with a permission that no role could have."""
    known = app.extensions["portal.permissions"] | {PUBLIC, SIGNED_IN}
    wrong = [
        f"{endpoint} ({access_of(view) or 'nothing declared'})"
        for endpoint, view in app.view_functions.items()
        if access_of(view) not in known
    ]
    if wrong:
        raise RuntimeError("views without a valid @requires, @signed_in or @public: " + ", ".join(sorted(wrong)))


def access_of(view: Callable[..., Any]) -> str | None:
    """What a view declared: a permission, PUBLIC, SIGNED_IN, or None."""
    return getattr(view, "access", None)


def _gate() -> Response | None:
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None:
        return None   # Flask answers 404 or 405 next
    if access_of(view) == PUBLIC:
        _check_way(view)
        return None
    if getattr(view, "open_to_monitoring", False):
        return None if _is_monitoring() or may(MONITORING) else abort(403)
    user = user_or_none()
    if user is None:
        return _ask_to_sign_in()
    if user.must_change_password and not getattr(view, "open_to_temporary_password", False):
        if wants_json():
            abort(403, "Replace your one-time password first: sign in to the portal and choose a new one.")
        return redirect(CHANGE_PASSWORD_PATH, 303)
    if user.must_set_up_two_step and not getattr(view, "open_without_two_step", False):
        if wants_json():
            abort(403, "Set up two-step sign-in first: the office asks for it.")
        return redirect(TWO_STEP_PATH, 303)
    access = access_of(view)
    if access != SIGNED_IN and not user.may(access or ""):
        current_app.logger.warning("access refused", extra={"endpoint": request.endpoint, "user_id": user.user_id})
        abort(403)
    _check_way(view)
    return None


def _check_way(view: Callable[..., Any]) -> None:
    """404 for a view of the other way to sign in."""
    way = current_app.config["SIGN_IN_BY"]
    if getattr(view, "while_signing_in_by", way) != way:
        abort(404, OTHER_WAY[way])


def _is_monitoring() -> bool:
    if request.remote_addr in THIS_MACHINE:
        return True
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    expected = current_app.config["METRICS_TOKEN"]
    return bool(expected) and kind.lower() == "bearer" and hmac.compare_digest(given.encode(), expected.encode())


def _ask_to_sign_in() -> Response:
    if request.method not in ("GET", "HEAD") or wants_json() or asked_by_htmx():
        abort(401)
    here = request.full_path if request.query_string else request.path
    return redirect(f"{SIGN_IN_PATH}?next={quote(here, safe='/')}" if here != "/" else SIGN_IN_PATH, 303)


def user_or_none() -> StaffMember | None:
    """The colleague who sent this request, asked from the database once per request; None when nobody is signed in."""
    if "user" not in g:
        if is_program():
            g.user = current_app.extensions["portal.load_program"](_bearer_token())
        else:
            token = session.get("token")
            g.user = current_app.extensions["portal.load_user"](token) if isinstance(token, str) and token else None
    return g.user  # type: ignore[no-any-return]


def is_program() -> bool:
    """Whether the request comes with a bearer token, for the API alone; then no cookie counts, and no form token."""
    return request.path.startswith("/api/") and request.headers.get("Authorization", "").lower().startswith("bearer ")


def _bearer_token() -> str:
    return request.headers["Authorization"][len("bearer "):].strip()


def current_user() -> StaffMember:
    """The colleague who sent this request; 401 when nobody is signed in."""
    user = user_or_none()
    if user is None:
        abort(401)
    return user


def may(permission: str) -> bool:
    """Whether the colleague who sent this request has the permission (False when nobody is signed in)."""
    user = user_or_none()
    return user is not None and user.may(permission)


def actor() -> Actor:
    """Who acts in this request, for services and the audit trail."""
    user = user_or_none()
    return Actor(
        user_id=user.user_id if user else None,
        request_id=g.get("request_id"),
        ip=request.remote_addr,
        token_id=user.token_id if user else None,
    )


def begin_session(token: str) -> None:
    """Gives the browser a session of its own: what it held before sign-in, form tokens included, is thrown away."""
    session.clear()
    session.permanent = True
    session["token"] = token
    g.pop("user", None)
    g.pop("csrf_token", None)


def begin_half_session(user_id: int, version: int, target: str) -> None:
    """Notes in the browser that the password was right. It opens nothing but the page that asks for the code."""
    session.clear()
    session["half"] = {"user_id": user_id, "version": version, "next": target, "at": int(time.time())}
    g.pop("csrf_token", None)


def half_session() -> dict[str, Any] | None:
    """Whose password was right within the last five minutes, which version of the account, and where to go next."""
    half = session.get("half")
    if not isinstance(half, dict) or time.time() - half["at"] > HALF_SIGNED_IN_FOR:
        return None
    return half


def trust_browser(response: Response, user_id: int, setup: str) -> None:
    """Lets this browser sign in without a code for 30 days, until the second step is set up anew (`setup`)."""
    note = _signed_notes("trusted browser").dumps([user_id, setup])
    response.set_cookie(_cookie("trusted"), note if isinstance(note, str) else note.decode(),
                        max_age=BROWSER_TRUSTED_FOR, path="/", httponly=True, samesite="Lax",
                        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]))


def is_trusted_browser(user_id: int, setup: str) -> bool:
    """Whether this colleague let this browser sign in without a code since the second step was set up."""
    try:
        note = _signed_notes("trusted browser").loads(request.cookies.get(_cookie("trusted"), ""),
                                                      max_age=BROWSER_TRUSTED_FOR)
    except BadData:
        return False
    return bool(note == [user_id, setup])


def end_session() -> None:
    """Takes everything out of the browser's cookie."""
    session.clear()
    g.user = None


def remember_device(response: Response, email: str) -> None:
    """Leaves a signed note in the browser that this colleague signed in with it. It opens nothing by itself."""
    note = _device_notes().dumps([email, secrets.token_urlsafe(12)])
    secure = bool(current_app.config["SESSION_COOKIE_SECURE"])
    response.set_cookie(_device_cookie(), note if isinstance(note, str) else note.decode(), max_age=DEVICE_KNOWN_FOR,
                        path="/", secure=secure, httponly=True, samesite="Lax")


def known_device(email: str) -> str:
    """The note of this browser, if this colleague has signed in with it within a year, else ""."""
    note = request.cookies.get(_device_cookie(), "")
    try:
        address, _ = _device_notes().loads(note, max_age=DEVICE_KNOWN_FOR)
    except (BadData, ValueError, TypeError):
        return ""
    return note if address == email.strip().lower() else ""


def _device_notes() -> URLSafeTimedSerializer:
    return _signed_notes("known device")


def _device_cookie() -> str:
    return _cookie("device")


def _signed_notes(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt=purpose)


def _cookie(name: str) -> str:
    return f"__Host-{name}" if current_app.config["SESSION_COOKIE_SECURE"] else name


def asked_by_htmx() -> bool:
    """Whether a part of a page asks: it cannot use a whole page in the place of its part."""
    return request.headers.get("HX-Request") == "true"


def wants_json() -> bool:
    """Whether the answer goes to a program: anything under /api/, and clients that prefer JSON to HTML."""
    if request.path.startswith("/api/"):
        return True
    accepted = request.accept_mimetypes
    json = max(accepted["application/json"], accepted["application/problem+json"])
    return json > accepted["text/html"]


def safe_next(target: str | None, *, otherwise: str = "/") -> str:
    """`target` if it is a path of this portal, else `otherwise`: nobody is sent to another site after signing in."""
    if not target or len(target) > 2000 or not target.startswith("/") or target.startswith("//"):
        return otherwise
    if re.search(r"[\\\x00-\x20\x7f-\x9f]", target):   # browsers read "\" as "/" and drop tabs and line ends
        return otherwise
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path.startswith(SIGN_IN_PATH) or parts.path.startswith("/logout"):
        return otherwise
    return target
