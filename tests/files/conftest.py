"""What the tests of files start from: a Drive that is reset for each test, contents, and stores on both."""

import hashlib
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infrastructure.drive_client import DriveClient
from infrastructure.drive_store import DriveStore, KnownFolder
from infrastructure.local_store import LocalStore
from infrastructure.stores import Content, Store
from tests.servers.drive import SHARED_DRIVE, DriveServer

NUMBERS = itertools.count(1)
CREDENTIALS: dict[str, Any] = {}


@pytest.fixture(scope="session")
def running_drive() -> Iterator[DriveServer]:
    """A Drive for the whole run."""
    server = DriveServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def drive(running_drive: DriveServer) -> DriveServer:
    """An empty Drive without faults."""
    running_drive.reset()
    running_drive.configure(list_lag=0, latency=0, user_rate=0, write_rate=0)
    return running_drive


class Folders:
    """A folder registry in memory, for one process."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], KnownFolder] = {}

    def find(self, parent: str, name: str) -> KnownFolder | None:
        return self.known.get((parent, name))

    def reserve(self, parent: str, name: str, key: str) -> KnownFolder:
        return self.known.setdefault((parent, name), KnownFolder(key, None))

    def mark_made(self, parent: str, name: str) -> None:
        self.known[parent, name] = KnownFolder(self.known[parent, name].key, datetime.now(UTC))

    def forget(self, parent: str, name: str) -> None:
        self.known.pop((parent, name), None)


def drive_store(server: DriveServer, *, root: str = SHARED_DRIVE, connections: int = 10) -> DriveStore:
    """A store on this Drive, as another process would have one."""
    client = DriveClient(server.credentials_file, base_url=server.url, connections=connections, pace=lambda kind: None)
    if server.url not in CREDENTIALS:  # checking a key takes 0.1 s and more
        CREDENTIALS[server.url] = client._signed_in()
    client._credentials = CREDENTIALS[server.url]
    return DriveStore(client, root, Folders())


@pytest.fixture(params=["local", "drive"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each of the stores in turn."""
    if request.param == "local":
        return LocalStore(tmp_path / "documents")
    return drive_store(request.getfixturevalue("drive"))


@pytest.fixture
def content_of(tmp_path: Path) -> Callable[..., Content]:
    """A file on the disk with these bytes, as the spool would hold it."""

    def make(data: bytes, media_type: str = "application/pdf") -> Content:
        number = next(NUMBERS)
        path = tmp_path / f"spool-{number}"
        path.write_bytes(data)
        return Content(
            path, len(data), hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest(), media_type, number
        )

    return make
