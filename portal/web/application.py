"""Flask itself, without what it works out anew for each request although it never changes."""

from collections.abc import Callable
from typing import Any, ClassVar

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from portal.web.templates import RowEnvironment


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
    """Flask's cookies with one signer for the life of the process; to make it costs as much as to check a cookie."""

    def __init__(self) -> None:
        self._made: tuple[Any, URLSafeTimedSerializer | None] = (None, None)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        key, serializer = self._made
        if serializer is None or key != app.secret_key:
            serializer = super().get_signing_serializer(app)
            self._made = app.secret_key, serializer
        return serializer
