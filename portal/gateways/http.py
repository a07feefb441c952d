"""The one door to the outside over HTTP: one client per process, a time limit on everything, errors in two sorts."""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from config import settings
from portal.formats import now

CONNECT_SECONDS = 5.0
# Longer than the provider's own limit: who gives up before it does not learn what happened.
READ_SECONDS = 30.0
SPARE_CONNECTIONS = 5
MOST_WAIT = 3600.0  # seconds; a Retry-After beyond it is taken for nonsense


class NotReached(Exception):
    """No connection: nothing was sent, and the same may be tried again."""


class OutcomeUnknown(Exception):
    """The request left, its answer did not come: it may have been carried out."""


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None when it is none (a proxy's HTML page)."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the other side asks us to wait, from either form of Retry-After; None when it does not."""
        text = self.headers.get("Retry-After", "").strip()
        if text.isdecimal() and len(text) < 8:
            return min(float(text), MOST_WAIT)
        try:
            seconds = (parsedate_to_datetime(text) - now()).total_seconds()
        except (ValueError, TypeError):
            return None
        return min(max(seconds, 0.0), MOST_WAIT)


_lock = threading.Lock()
_session: requests.Session | None = None
_process = 0


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    query: Any = None,
    form: Any = None,
    content: Any = None,
    files: Any = None,
) -> Answer:
    """Sends one request, once: nothing is repeated here, and no redirect is followed.

    `form` is sent as form fields, `content` as JSON, `files` as multipart. Raises NotReached and OutcomeUnknown.
    """
    try:
        response = _shared().request(
            method, url, headers=dict(headers or {}), auth=auth, params=query, data=form, json=content, files=files,
            timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False)  # fmt: skip
        return Answer(response.status_code, response.headers, response.content)
    except (requests.exceptions.ConnectTimeout, requests.exceptions.SSLError, requests.exceptions.ProxyError) as error:
        raise NotReached(type(error).__name__) from error
    except requests.exceptions.ConnectionError as error:
        if _never_connected(error):
            raise NotReached(type(error).__name__) from error
        raise OutcomeUnknown(type(error).__name__) from error
    except (requests.exceptions.Timeout, requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError) as error:  # fmt: skip
        raise OutcomeUnknown(type(error).__name__) from error


def _never_connected(error: BaseException | None) -> bool:
    """Whether the chain of causes says that no connection came about, which proves that nothing was sent."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, NewConnectionError | NameResolutionError | ConnectTimeoutError):
            return True
        inner = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
        error = getattr(error, "reason", None) or inner or error.__cause__ or error.__context__
    return False


def _shared() -> requests.Session:
    """This process's client: a client per message costs twice the time and three times the CPU."""
    global _session, _process
    if _session is None or _process != os.getpid():
        with _lock:
            if _session is None or _process != os.getpid():
                _session, _process = _made(), os.getpid()
    return _session


def _made() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    size = max(settings().task_workers, 15) + SPARE_CONNECTIONS
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_connections=4, pool_maxsize=size, max_retries=0))
    return session
