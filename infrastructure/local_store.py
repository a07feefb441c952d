"""Documents on the disk of this machine, in folders that an office can read without the portal."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from infrastructure.native_threads import elsewhere
from infrastructure.stores import (
    BLOCK,
    Content,
    ContentMissing,
    Place,
    Stopped,
    Store,
    StoreBusy,
    StoreRefuses,
    Transfer,
)  # fmt: skip

LONGEST_NAME = 240  # bytes; file systems take 255


class LocalStore:
    """A tree under `root`. A key is the path in it; the document's number in the name keeps two of one name apart."""

    name = "local"

    def __init__(self, root: Path) -> None:
        self._root = root

    def reserve(self, place: Place, number: int) -> str:
        """The path that the document will have: the same for each call."""
        stem, dot, ending = place.name.rpartition(".")
        stem, ending = (stem, dot + ending) if stem else (place.name, "")
        tail = f" ({number}){ending}"
        room = LONGEST_NAME - len(tail.encode())
        return "/".join((*place.folders, stem.encode()[:room].decode(errors="ignore").rstrip() + tail))

    def put(self, key: str, place: Place, content: Content, transfer: Transfer) -> None:
        """Gives the file its name in the tree at once or not at all; compares what lies there with the checksum."""
        if transfer.stopped():
            raise Stopped("The upload was cancelled.")
        target = self._path(key)
        try:
            elsewhere(lambda: self._put(target, content))
        except OSError as error:
            raise StoreBusy(f"The documents folder cannot be written: {error.strerror}.") from error
        transfer.sent(content.size)

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Blocks of the file, each read in a native thread: a slow disk holds nobody else up."""
        path = self._path(key)
        try:
            file = elsewhere(lambda: path.open("rb"))
        except OSError:
            raise ContentMissing("The file is not in the documents folder any more.") from None
        return _blocks(file, start, end)

    def archive(self, key: str, place: Place) -> str:
        """Moves the file to its new folder; a repetition finds it there."""
        new_key = "/".join((*place.folders, place.name))
        source, target = self._path(key), self._path(new_key)
        if key == new_key:
            return key

        def move() -> None:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileNotFoundError):
                os.replace(source, target)
                _sync_folder(target.parent)

        elsewhere(move)
        if not target.exists():
            raise ContentMissing("The file is not in the documents folder any more.")
        return new_key

    def remove(self, key: str) -> None:
        """Deletes the file; one that is gone already is no fault."""
        path = self._path(key)
        elsewhere(lambda: path.unlink(missing_ok=True))

    def remove_empty_folders(self, key: str) -> None:
        """Removes the folders of a key that hold nothing any more, because their names may be a person's."""
        for folder in self._path(key).parents:
            if folder == self._root.resolve():
                return
            with contextlib.suppress(OSError):   # something is in it
                folder.rmdir()

    def problems(self) -> list[str]:
        """Whether the folder can be written, or made."""
        folder = self._root
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if os.access(folder, os.W_OK):
            return []
        return [f"The portal may not write to {folder}. Give its user the right to, or choose another DATA_DIR."]

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise StoreRefuses("This document's path leads out of the documents folder.")
        return path

    def _put(self, target: Path, content: Content) -> None:
        if target.exists() and _digest(target) == content.sha256:
            return
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = target.with_name(f".{content.number}.part")
        half.unlink(missing_ok=True)
        try:
            os.link(content.path, half)  # the spool lies beside the tree: no second copy is written
        except OSError:
            shutil.copyfile(content.path, half)
        if _digest(half) != content.sha256:
            half.unlink()
            raise StoreRefuses("The file changed on this machine's disk after it was accepted. Upload it again.")
        with half.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(half, target)
        _sync_folder(target.parent)


def put_back(store: Store, document: Mapping[str, Any], content: Path) -> None:
    """Lays a document's content from a backup under the key that its row has: `document` is the row with document_id,
    store_key, spool_name, size and sha256.
    """
    given = Content(content, document["size"], "", document["sha256"], "", document["document_id"])
    store.put(document["spool_name"] or document["store_key"], Place((), ""), given, Transfer())


def _blocks(file: BinaryIO, start: int, end: int | None) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = end - start if end is not None else None
        while left is None or left > 0:
            wanted = BLOCK if left is None else min(BLOCK, left)
            block = elsewhere(partial(file.read, wanted))
            if not block:
                return
            left = left - len(block) if left is not None else None
            yield block


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders, and keeps its names in order by itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
