"""The one door to the outside over HTTP: a time limit on everything, nothing repeated, errors in two sorts.

The standard library's client: what larger ones add (redirects, cookies, proxies, repetitions) is what a message must
not have, and costs four times the CPU.
"""

import base64
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

from urllib3 import encode_multipart_formdata

from config import settings
from portal.formats import now
from portal.gateways.connections import Connections

CONNECT_SECONDS = 5.0
# Longer than the provider's own limit: who gives up before it does not learn what happened.
READ_SECONDS = 30.0
SPARE_CONNECTIONS = 5
MOST_WAIT = 3600.0  # seconds; a Retry-After beyond it is taken for nonsense


class Headers(Protocol):
    """The headers of an answer; a client's own do not mind how a name is written."""

    def get(self, name: str, default: str, /) -> str: ...


class NotReached(Exception):
    """No connection: nothing was sent, and the same may be tried again."""


class OutcomeUnknown(Exception):
    """The request left, its answer did not come: it may have been carried out."""


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    headers: Headers
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
_connections: Connections | None = None
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
    files: Mapping[str, Any] | None = None,
) -> Answer:
    """Sends one request, once: nothing is repeated here, and no redirect is followed.

    `form` is sent as form fields, `content` as JSON, `files` (text, or file name, bytes and media type) as multipart.
    Raises NotReached and OutcomeUnknown.
    """
    parts = urlsplit(url)
    asked = "&".join(filter(None, (parts.query, urlencode(query or {}, doseq=True))))
    target = f"{parts.path or '/'}{'?' if asked else ''}{asked}"
    body, kind = _body(form, content, files)
    told = {**({"Content-Type": kind} if kind else {}), **(headers or {})}
    if auth is not None:
        told["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
    connections = _shared()
    try:
        connection = connections.take(parts.scheme, parts.netloc)
    except (OSError, HTTPException, UnicodeError) as error:
        raise NotReached(type(error).__name__) from error
    answer = _exchange(connection, method, target, body, told)
    connections.give_back(parts.scheme, parts.netloc, connection)
    return answer


def _exchange(
    connection: HTTPConnection, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
) -> Answer:
    whole = False
    try:
        connection.sock.settimeout(READ_SECONDS)
        connection.request(method, target, body=body, headers=headers)
        with connection.getresponse() as response:
            answer = Answer(response.status, response.headers, response.read())
        whole = True
        return answer
    except (OSError, HTTPException) as error:
        raise OutcomeUnknown(type(error).__name__) from error
    finally:
        if not whole:   # whatever else interrupts (gevent.Timeout, a killed greenlet) leaves an answer under way
            connection.close()


def _body(form: Any, content: Any, files: Mapping[str, Any] | None) -> tuple[bytes | None, str | None]:
    """The bytes of a request, and what they are."""
    if files is not None:
        body, kind = encode_multipart_formdata(files)
        return body, kind
    if content is not None:
        return json.dumps(content, allow_nan=False).encode(), "application/json"
    if form is not None:
        return urlencode(form, doseq=True).encode(), "application/x-www-form-urlencoded"
    return None, None


def _shared() -> Connections:
    """This process's connections: one for each worker, and some for who asks beside them."""
    global _connections, _process
    if _connections is None or _process != os.getpid():
        with _lock:
            if _connections is None or _process != os.getpid():
                most = max(settings().task_workers, 15) + SPARE_CONNECTIONS
                _connections, _process = Connections(most, CONNECT_SECONDS), os.getpid()
    return _connections
