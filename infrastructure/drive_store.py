"""Documents in Google Drive: folders made once, uploads that go on where they stopped, checksums compared."""

import contextlib
import datetime
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from infrastructure.drive_client import FIELDS, DriveClient, KeyTaken
from infrastructure.native_threads import elsewhere
from infrastructure.stores import (
    BLOCK,
    Content,
    ContentMissing,
    KeyUnusable,
    Place,
    Stopped,
    StoreBusy,
    StoreError,
    StoreRefuses,
    Transfer,
)

FOLDER = "application/vnd.google-apps.folder"
IN_ONE_REQUEST = BLOCK
LARGE = 16 * BLOCK
ASK_FIRST = -1  # in place of a position: how much has arrived is not known
CHUNK, LARGE_CHUNK = BLOCK, 4 * BLOCK  # bytes, multiples of 256 KiB; ten at once must fit in memory
FAILURES_IN_A_ROW = 4
CHUNK_PAUSE = 0.4  # seconds after the first failure; doubled each time
CHECK_FOLDER_AFTER = datetime.timedelta(days=1)  # somebody may have put it into the trash, where uploads go on silently
REMEMBERED_FOR = 3600.0  # seconds in one process
MAKING_TAKES = 30.0  # seconds


@dataclass(frozen=True)
class KnownFolder:
    """A folder as the database has it; `made_at` is None while it is only reserved."""

    key: str
    made_at: datetime.datetime | None


class FolderRegistry(Protocol):
    """Which folder carries which name, the same for all processes."""

    def find(self, parent: str, name: str) -> KnownFolder | None: ...
    def reserve(self, parent: str, name: str, key: str) -> KnownFolder: ...
    def mark_made(self, parent: str, name: str) -> None: ...
    def forget(self, parent: str, name: str) -> None: ...


class DriveStore:
    """A tree under the folder `root`, which must lie in a shared drive. A key is Drive's id of the file."""

    name = "drive"

    def __init__(self, client: DriveClient, root: str, registry: FolderRegistry) -> None:
        self.client, self._root, self._registry = client, root, registry
        self._making = threading.Lock()
        self._known: dict[tuple[str, str], tuple[str, float]] = {}

    def reserve(self, place: Place, number: int) -> str:
        """A new id from Google."""
        return self.client.new_id()

    def put(self, key: str, place: Place, content: Content, transfer: Transfer) -> None:
        """Uploads unless it is there already, and compares size and checksum of what Drive then has."""
        if transfer.stopped():
            raise Stopped("The upload was cancelled.")
        metadata = {
            "id": key,
            "name": place.name,
            "mimeType": content.media_type,
            "parents": [self._folder(place)],
            "appProperties": {"sha256": content.sha256, "document": str(content.number)},
        }
        try:
            answer = self._send(metadata, content, transfer)
        except KeyTaken:  # an earlier attempt arrived, only its answer did not
            answer = self._get(key)
        except ContentMissing as error:
            self._forget(place)
            raise StoreBusy("The folder in Google Drive is gone; it is made again.") from error
        if (
            answer.get("trashed")
            or int(answer.get("size", -1)) != content.size
            or answer.get("md5Checksum") != content.md5
        ):
            raise self._unusable(key)
        transfer.sent(content.size)

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Blocks, each in a call of its own: no connection is held while a browser reads slowly."""
        first, total = self._range(key, start, min(start + LARGE_CHUNK, end or start + LARGE_CHUNK))
        return self._blocks(key, first, start + len(first), min(end, total) if end is not None else total)

    def archive(self, key: str, place: Place) -> str:
        """Moves the file to another folder under another name; it keeps its id."""
        target = self._folder(place)
        now_in = self._get(key).get("parents", [])
        moved: dict[str, str] = {} if target in now_in else {"addParents": target, "removeParents": ",".join(now_in)}
        self.client.execute(
            self.client.files.update(
                fileId=key, body={"name": place.name}, supportsAllDrives=True, fields="id", **moved
            ),
            kind="write",
        )
        return key

    def remove(self, key: str) -> None:
        """Puts the file into Drive's trash, from which the office can take it back."""
        trashed = self.client.files.update(fileId=key, body={"trashed": True}, supportsAllDrives=True, fields="id")
        with contextlib.suppress(ContentMissing):
            self.client.execute(trashed, kind="write")

    def problems(self) -> list[str]:
        """Asks for the root folder and says what is wrong with it."""
        try:
            root = self.client.execute(
                self.client.files.get(
                    fileId=self._root,
                    supportsAllDrives=True,
                    fields="id,name,driveId,trashed,capabilities(canAddChildren)",
                )
            )
        except ContentMissing:
            return [
                f"The folder ROOT_FOLDER_ID is not there for {self.client.account}. Check the id, and give this "
                "address the role Content manager in the shared drive."
            ]
        except StoreError as problem:
            return [str(problem)]
        found = []
        if not root.get("driveId"):
            found.append(
                "ROOT_FOLDER_ID lies in a person's My Drive, where a service account has no storage and every "
                "upload will fail. Make a shared drive (Google Workspace), give "
                f"{self.client.account} the role Content manager, and set ROOT_FOLDER_ID to a folder of it."
            )
        if root.get("trashed"):
            found.append("The folder ROOT_FOLDER_ID is in the trash of Google Drive. Restore it there.")
        if root.get("capabilities", {}).get("canAddChildren") is False:
            found.append(
                f"{self.client.account} may not add files to ROOT_FOLDER_ID. Give it the role Content manager."
            )
        return found

    def _send(self, metadata: dict[str, Any], content: Content, transfer: Transfer) -> dict[str, Any]:
        if content.size <= IN_ONE_REQUEST:
            body = elsewhere(content.path.read_bytes)
            return self.client.upload(metadata, body, content.media_type)
        begins = transfer.session is None
        if begins:
            transfer.session = self.client.begin_session(metadata, content.size, content.media_type)
            transfer.remember(transfer.session)
        try:
            return self._send_chunks(content, transfer, 0 if begins else ASK_FIRST)
        except ContentMissing:  # a session lives a week at most
            transfer.session = None
            transfer.remember(None)
            raise StoreBusy("The upload session has expired; a new one is begun.") from None

    def _send_chunks(self, content: Content, transfer: Transfer, position: int) -> dict[str, Any]:
        """Chunk by chunk from `position`; after each error Drive is asked how much it has."""
        address, failures = transfer.session or "", 0
        chunk = LARGE_CHUNK if content.size > LARGE else CHUNK
        while True:
            if transfer.stopped():
                self._end_session(address, transfer)
            try:
                if position == ASK_FIRST:
                    headers, body = {"Content-Range": f"bytes */{content.size}"}, b""
                else:
                    body = elsewhere(lambda at=position: _part(content, at, chunk))  # type: ignore[misc]
                    last = position + len(body) - 1
                    headers = {"Content-Range": f"bytes {position}-{last}/{content.size}"}
                response, answer = self.client.send("PUT", address, body, headers, kind="chunk", attempts=1)
            except StoreBusy as problem:
                failures, position = failures + 1, ASK_FIRST
                if failures == FAILURES_IN_A_ROW or (problem.retry_after or 0) > FAILURES_IN_A_ROW:
                    raise
                time.sleep(max(CHUNK_PAUSE * 2 ** (failures - 1), problem.retry_after or 0))
                continue
            if response.status != 308:
                return dict(json.loads(answer))
            reached = re.fullmatch(r"bytes=0-(\d+)", response.get("range", ""))
            if position != ASK_FIRST:
                failures = 0
            position = int(reached[1]) + 1 if reached else 0
            transfer.sent(position)

    def _end_session(self, address: str, transfer: Transfer) -> None:
        with contextlib.suppress(StoreError):  # 499 is how Drive says that it is ended
            self.client.send("DELETE", address, b"", {}, kind="chunk", attempts=1)
        transfer.remember(None)
        raise Stopped("The upload was cancelled.")

    def _get(self, key: str) -> dict[str, Any]:
        return dict(self.client.execute(self.client.files.get(fileId=key, supportsAllDrives=True, fields=FIELDS)))

    def _unusable(self, key: str) -> KeyUnusable:
        """Puts what came out wrong into the trash, and asks for another attempt."""
        self.remove(key)
        return KeyUnusable("What arrived in Google Drive differs from what was sent; it is sent again.")

    def _range(self, key: str, start: int, end: int) -> tuple[bytes, int]:
        """The bytes from `start` to `end`, and how many the file has."""
        request = self.client.files.get_media(fileId=key, supportsAllDrives=True)
        headers = {**request.headers, "Range": f"bytes={start}-{end - 1}"}
        response, content = self.client.send_get(request.uri, headers)
        total = re.search(r"/(\d+)$", response.get("content-range", ""))
        return content, int(total[1]) if total else start + len(content)

    def _blocks(self, key: str, block: bytes, position: int, end: int) -> Iterator[bytes]:
        yield block
        while position < end:
            block, _ = self._range(key, position, min(position + LARGE_CHUNK, end))
            if not block:
                raise StoreBusy("Google Drive answered less of the file than it has.")
            position += len(block)
            yield block

    def _folder(self, place: Place) -> str:
        parent = self._root
        for name in place.folders:
            parent = self._remembered(parent, name) or self._child(parent, name)
        return parent

    def _remembered(self, parent: str, name: str) -> str | None:
        key, until = self._known.get((parent, name), (None, 0.0))
        return key if time.monotonic() < until else None

    def _child(self, parent: str, name: str) -> str:
        """The folder of that name in `parent`, made where there is none; rivals elsewhere make the same one."""
        if not self._making.acquire(timeout=MAKING_TAKES):
            raise StoreBusy("Another folder is being made in Google Drive and takes long.")
        try:
            if key := self._remembered(parent, name):
                return key
            folder = self._registry.find(parent, name)
            if folder is not None and folder.made_at is not None and self._is_gone(folder):
                self._registry.forget(parent, name)
                folder = None
            if folder is None:
                found = self._listed(parent, name)
                folder = self._registry.reserve(parent, name, found or self.client.new_id())
            if folder.made_at is None:
                self._make(folder.key, parent, name)
                self._registry.mark_made(parent, name)
            self._known[parent, name] = folder.key, time.monotonic() + REMEMBERED_FOR
            return folder.key
        finally:
            self._making.release()

    def _is_gone(self, folder: KnownFolder) -> bool:
        if folder.made_at is None or datetime.datetime.now(datetime.UTC) - folder.made_at < CHECK_FOLDER_AFTER:
            return False
        try:
            return bool(self._get(folder.key).get("trashed"))
        except ContentMissing:
            return True

    def _listed(self, parent: str, name: str) -> str | None:
        """The oldest folder of exactly that name made by hand. Drive itself compares without regard to case."""
        quoted = name.replace("\\", "\\\\").replace("'", "\\'")
        query = f"name = '{quoted}' and '{parent}' in parents and mimeType = '{FOLDER}' and trashed = false"
        found = self.client.execute(
            self.client.files.list(
                q=query,
                supportsAllDrives=True,
                includeItemsFromAllDrives=True,
                orderBy="createdTime",
                pageSize=100,
                fields="files(id,name)",
            )
        )["files"]
        return next((str(file["id"]) for file in found if file["name"] == name), None)

    def _make(self, key: str, parent: str, name: str) -> None:
        body = {"id": key, "name": name, "mimeType": FOLDER, "parents": [parent]}
        try:
            self.client.execute(self.client.files.create(body=body, supportsAllDrives=True, fields="id"), kind="write")
        except KeyTaken:
            return  # adopted, or made by a rival or by an attempt whose answer was lost
        except ContentMissing:
            raise StoreRefuses(
                "The folder above is gone from Google Drive. Restore it there, or check ROOT_FOLDER_ID."
            ) from None

    def _forget(self, place: Place) -> None:
        """Drops what is known of the folders, from the registry too where Drive no longer has them."""
        parent = self._root
        for name in place.folders:
            key, _ = self._known.pop((parent, name), (None, 0.0))
            if key is None:
                return
            try:
                gone = bool(self._get(key).get("trashed"))
            except ContentMissing:
                gone = True
            if gone:
                self._registry.forget(parent, name)
                return
            parent = key


def _part(content: Content, start: int, size: int) -> bytes:
    with content.path.open("rb") as file:
        file.seek(start)
        return file.read(size)
