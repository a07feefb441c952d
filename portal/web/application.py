"""Flask itself, without what it works out anew for each request although it never changes."""

import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from cachetools import LRUCache
from flask import Flask, Request, Response
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature, URLSafeTimedSerializer

from portal.web.templates import RowEnvironment

COOKIES = 2000   # those remembered in each process, some 300 bytes each
_PLAIN = (str, int, bool)


class Portal(Flask):
    """The application. Its views are plain functions: gevent, not asyncio, lets others run while one waits."""

    jinja_environment = RowEnvironment
    # No limit: all templates are compiled at the start, and a limited cache takes a lock for each of a page's imports.
    jinja_options: ClassVar[dict[str, Any]] = {"cache_size": -1}  # type: ignore[misc]

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name)
        self.session_interface = SignedSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Flask looks at each of some twenty functions of each request whether it is a coroutine; none of ours is."""
        return func


class SignedSessions(SecureCookieSessionInterface):
    """Flask's cookies with one signer for the life of the process; to make it costs as much as to check a cookie. A
    cookie that was good is believed until it is too old: the same text has the same signature.
    """

    def __init__(self) -> None:
        self._made: tuple[Any, URLSafeTimedSerializer | None] = (None, None)
        self._good: LRUCache[tuple[Any, str], tuple[float, dict[str, Any]]] = LRUCache(COOKIES)
        self._lock = threading.Lock()

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a request's cookie; an empty one when there is none, or none that we signed lately."""
        signer, cookie = self.get_signing_serializer(app), request.cookies.get(self.get_cookie_name(app))
        if signer is None or not cookie:
            return super().open_session(app, request)
        with self._lock:
            until, content = self._good.get((app.secret_key, cookie), (0.0, {}))
        if time.time() < until:
            return self.session_class(content)
        lasting = int(app.permanent_session_lifetime.total_seconds())
        try:
            # Its age is judged here: one that was signed while the clock was ahead is none of a forger.
            content, signed_at = signer.loads(cookie, return_timestamp=True)
        except BadSignature:
            return self.session_class()
        if signed_at.timestamp() + lasting <= time.time():
            return self.session_class()
        if all(type(value) in _PLAIN for value in content.values()):   # a view may change others where they are
            with self._lock:
                self._good[app.secret_key, cookie] = signed_at.timestamp() + lasting, content
        return self.session_class(content)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Sets the cookie of a session that was changed; a session that was only read costs the remark that it was."""
        if self.should_set_cookie(app, session) or "Vary" in response.headers:
            super().save_session(app, session, response)
        elif session.accessed:
            response.headers["Vary"] = "Cookie"

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        key, serializer = self._made
        if serializer is None or key != app.secret_key:
            serializer = super().get_signing_serializer(app)
            self._made = app.secret_key, serializer
        return serializer
