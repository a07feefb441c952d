"""Google Drive over one set of credentials and a pool of connections, in which no answer reaches the wrong caller.

httplib2 leaves an unread answer in the socket when its caller is interrupted (a gevent timeout, a killed greenlet), and
the next caller would read it: another client's document. So a connection is kept only after a complete answer.
"""

import contextlib
import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import google_auth_httplib2
import httplib2
from google.auth.credentials import TokenState
from google.auth.exceptions import RefreshError, TransportError
from google.oauth2.service_account import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError

from infrastructure.native_threads import elsewhere
from infrastructure.stores import ContentMissing, KeyUnusable, StoreBusy, StoreError, StoreRefuses

SCOPE = "https://www.googleapis.com/auth/drive"  # drive.file would not show folders that the office made by hand
GOOGLE = "https://www.googleapis.com/"
TIMEOUT = 60.0  # seconds of silence
IDLE = 60.0  # seconds after which a connection is not trusted: Google closes idle ones
ATTEMPTS = 4  # within one call; the task queue repeats the whole file after that
FIRST_PAUSE = 0.8  # seconds; doubled each time, with jitter
LONGEST_PAUSE = 8.0  # seconds
IDS_AT_ONCE = 100
FIELDS = "id,name,size,md5Checksum,trashed,parents"

# developers.google.com/workspace/drive/api/guides/handle-errors
RATE = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded", "backendError"})
FULL = {
    "storageQuotaExceeded": "Google gives this account no storage. A service account has none of its own: make a "
    "shared drive, give the account the role Content manager there, and set ROOT_FOLDER_ID to a folder "
    "of that shared drive.",
    "quotaExceeded": "The quota of Google Drive is used up for the moment.",
    "dailyLimitExceeded": "The daily limit of Google Drive is used up.",
    "teamDriveFileLimitExceeded": "The shared drive is full (500,000 items). Set ROOT_FOLDER_ID to another one.",
    "numChildrenInNonRootLimitExceeded": "A folder in Google Drive is full. Set ROOT_FOLDER_ID to another folder.",
    "activeItemCreationLimitExceeded": "Google Drive takes no further items from this account for the moment.",
}
AN_HOUR = 3600.0
SERVED, BUSY, REFUSED = "accepted", "retry", "permanent"   # what came of a call, as for every provider


_count: Callable[..., None] | None = None


def count_drive_calls_by(count: Callable[..., None]) -> None:
    """Each call of Drive is told to `count(outcome, since=)` from now on: one of a few words, and what
    time.perf_counter() said before it.
    """
    global _count  # noqa: PLW0603 - one process, one place that counts
    _count = count


class KeyTaken(StoreError):
    """There is a file of this id already: most likely ours, whose answer was lost."""


class DriveClient:
    """Calls to Drive's interface, repeated where a repetition is harmless.

    `connections` are at most open at once; `pace(kind)` waits until this process may make a call of the kind "write" or
    "read". Opens nothing before the first call.
    """

    def __init__(
        self, credentials_file: Path, *, base_url: str | None, connections: int, pace: Callable[[str], None]
    ) -> None:
        self._credentials_file, self._pace = credentials_file, pace
        self.root_url = (base_url or GOOGLE).rstrip("/") + "/"
        self._free = threading.BoundedSemaphore(connections)
        self._lock, self._token_lock = threading.Lock(), threading.Lock()
        self._idle: list[tuple[float, Any]] = []
        self._credentials: Any = None
        self._files: Any = None
        self._ids: list[str] = []
        self.figures = {"calls": 0, "repeated": 0, "opened": 0, "thrown_away": 0, "in_use": 0, "rate_limited": 0}

    @property
    def account(self) -> str:
        """The address of the service account."""
        return str(self._signed_in().service_account_email)

    @property
    def files(self) -> Any:
        """The library's resource `files`, made once: each of its own costs more than a request."""
        if self._files is None:
            with self._lock:
                if self._files is None:
                    self._files = build_from_document(self.document, http=httplib2.Http()).files()
        return self._files

    @property
    def document(self) -> dict[str, Any]:
        """The description of Drive's interface, which comes with the library, for this endpoint."""
        document: dict[str, Any] = json.loads(get_static_doc("drive", "v3"))
        # An endpoint given to build() moves the metadata calls alone; uploads follow this.
        document["rootUrl"] = document["mtlsRootUrl"] = self.root_url
        return document

    def new_id(self) -> str:
        """An id for a file or folder that will be made: a creation repeated with it makes no second one."""
        if (known := self.id_at_hand()) is not None:
            return known
        fresh = self.execute(self.files.generateIds(count=IDS_AT_ONCE, space="drive", type="files"))["ids"]
        with self._lock:
            self._ids += fresh
            return self._ids.pop()

    def id_at_hand(self) -> str | None:
        """One of the ids that were fetched with an earlier one; None when none is left. Asks nobody."""
        with self._lock:
            return self._ids.pop() if self._ids else None

    def execute(self, request: Any, *, kind: str = "read") -> Any:
        """What the library's request answers. Raises StoreError."""
        return self.repeated(lambda http: request.execute(http=http), kind)

    def upload(self, metadata: Mapping[str, Any], content: bytes, media_type: str) -> dict[str, Any]:
        """Makes a small file in one request.

        The library would build the body with the e-mail package: six times the memory, and line ends that cut a CR.
        """
        boundary = secrets.token_hex(16)
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(metadata)}\r\n"
            f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n"
        )
        body = b"".join((head.encode(), content, f"\r\n--{boundary}--\r\n".encode()))
        headers = {"Content-Type": f"multipart/related; boundary={boundary}"}
        _, answer = self.send("POST", self._upload_address("multipart"), body, headers, kind="write")
        return dict(json.loads(answer))

    def begin_session(self, metadata: Mapping[str, Any], size: int, media_type: str) -> str:
        """The address of a new upload session. Whoever holds it may write: it is never logged."""
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "X-Upload-Content-Type": media_type,
            "X-Upload-Content-Length": str(size),
        }
        body = json.dumps(metadata).encode()
        response, _ = self.send("POST", self._upload_address("resumable"), body, headers, kind="write")
        return str(response["location"])

    def send(
        self, method: str, address: str, body: bytes, headers: Mapping[str, str], *, kind: str, attempts: int = ATTEMPTS
    ) -> tuple[Any, bytes]:
        """(headers of the answer, content) of a request of our own; 308 is an answer. Raises StoreError."""

        def request(http: Any) -> tuple[Any, bytes]:
            response, content = http.request(address, method=method, body=body, headers=dict(headers))
            if response.status not in (200, 201, 308):
                raise HttpError(response, content, uri="upload")
            return response, content

        return cast(tuple[Any, bytes], self.repeated(request, kind, attempts))

    def send_get(self, address: str, headers: Mapping[str, str]) -> tuple[Any, bytes]:
        """(headers of the answer, content) of a part of a file. Raises ContentMissing and the like."""

        def request(http: Any) -> tuple[Any, bytes]:
            response, content = http.request(address, method="GET", headers=dict(headers))
            if response.status not in (200, 206):
                raise HttpError(response, content, uri="download")
            return response, content

        return cast(tuple[Any, bytes], self.repeated(request, "read"))

    def repeated(self, call: Callable[[Any], Any], kind: str, attempts: int = ATTEMPTS) -> Any:
        """The answer of `call`, given a connection, tried again with growing pauses while Drive is merely busy."""
        for attempt in range(1, attempts + 1):
            self._pace(kind)
            began = time.perf_counter()
            try:
                with self._connection() as http:
                    self.figures["calls"] += 1
                    began = time.perf_counter()   # who waited for a connection did not wait for Drive
                    answer = call(http)
                _answered(SERVED, began)
                return answer
            except (HttpError, OSError, HTTPException, httplib2.HttpLib2Error, TransportError, RefreshError) as error:
                problem = sorted_out(error)
                _answered(_outcome(problem), began)
                if isinstance(error, HttpError) and _reason(error) in RATE:
                    self.figures["rate_limited"] += 1
            pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) * (0.5 + random.random())
            wait = max(pause, getattr(problem, "retry_after", None) or 0.0)
            if type(problem) is not StoreBusy or attempt == attempts or wait > LONGEST_PAUSE * 1.5:
                raise problem
            self.figures["repeated"] += 1
            time.sleep(wait)
        raise AssertionError("the last attempt answers or raises")

    def close(self) -> None:
        """Closes the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, http in idle:
            http.close()

    def _upload_address(self, sort: str) -> str:
        query = urlencode({"uploadType": sort, "supportsAllDrives": "true", "fields": FIELDS})
        return f"{self.root_url}upload/drive/v3/files?{query}"

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        with self._free:
            http = self._idle_or_new()
            self.figures["in_use"] += 1
            whole = False
            try:
                yield http
                whole = True
            except HttpError:  # a complete answer as well
                whole = True
                raise
            finally:
                self.figures["in_use"] -= 1
                if whole:
                    with self._lock:
                        self._idle.append((time.monotonic(), http))
                else:
                    self.figures["thrown_away"] += 1
                    http.close()

    def _idle_or_new(self) -> Any:
        credentials = self._fresh_credentials()
        with self._lock:
            while self._idle:
                since, http = self._idle.pop()
                if time.monotonic() - since < IDLE:
                    return http
                http.close()
            self.figures["opened"] += 1
        return google_auth_httplib2.AuthorizedHttp(credentials, http=_plain_http())

    def _fresh_credentials(self) -> Any:
        """One refresh for all who wait: ten cold connections would fetch ten tokens."""
        credentials = self._signed_in()
        if credentials.token_state is not TokenState.FRESH:
            with self._token_lock:
                if credentials.token_state is not TokenState.FRESH:
                    http = _plain_http()
                    try:
                        credentials.refresh(google_auth_httplib2.Request(http))
                    finally:
                        http.close()
        return credentials

    def _signed_in(self) -> Any:
        if self._credentials is None:
            with self._token_lock:
                if self._credentials is None:
                    self._credentials = elsewhere(self._read_credentials)
        return self._credentials

    def _read_credentials(self) -> Any:
        try:
            return Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
                str(self._credentials_file), scopes=[SCOPE]
            )
        except (OSError, ValueError) as error:
            raise StoreRefuses(
                "GOOGLE_CREDENTIALS_FILE is not the JSON key of a service account. Download the key again "
                "from the Google Cloud console."
            ) from error


def sorted_out(error: Exception) -> StoreError:
    """What an error of Drive means for us."""
    if isinstance(error, RefreshError):
        if getattr(error, "retryable", False):
            return StoreBusy("Google's sign-in does not answer.")
        return StoreRefuses(
            "Google no longer accepts the key in GOOGLE_CREDENTIALS_FILE. Make a new key and try again."
        )
    if not isinstance(error, HttpError):
        return StoreBusy(f"Google Drive did not answer ({type(error).__name__}).")
    status, reason = int(error.resp.status), _reason(error)
    if reason in FULL:
        return StoreBusy(FULL[reason], retry_after=AN_HOUR)
    if status in (401, 408, 429) or status >= 500 or reason in RATE:
        return StoreBusy("Google Drive asks to come back later.", retry_after=_retry_after(error))
    if status == 409:
        return KeyTaken("There is a file of this id already.")
    if status == 400 and "file.id" in error.content.decode(errors="replace"):
        return KeyUnusable("Google Drive does not take this id.")
    if status in (404, 410):
        return ContentMissing("Google Drive has no such file or folder (any more).")
    return StoreRefuses(f"Google Drive refuses ({status} {reason}). Check what the service account may do there.")


def _answered(outcome: str, began: float) -> None:
    if _count is not None:
        _count(outcome, since=began)


def _outcome(problem: StoreError) -> str:
    """That a file is not there, or is there already, is an answer like any other."""
    if isinstance(problem, StoreBusy):
        return BUSY
    return REFUSED if isinstance(problem, StoreRefuses) else SERVED


def _reason(error: HttpError) -> str:
    try:
        found: str = json.loads(error.content)["error"]["errors"][0]["reason"]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    return found


def _retry_after(error: HttpError) -> float | None:
    try:
        return max(0.0, float(error.resp.get("retry-after", "")))
    except ValueError:
        return None


def _plain_http() -> Any:
    http = httplib2.Http(timeout=TIMEOUT)
    http.redirect_codes = http.redirect_codes - {308}  # "go on with the upload", no redirect
    return http
