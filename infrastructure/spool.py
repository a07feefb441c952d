"""Where accepted files wait on this machine's disk: written block by block, with checksums, safe against a crash."""

import contextlib
import hashlib
import io
import os
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from infrastructure.native_threads import each_elsewhere, elsewhere
from infrastructure.stores import BLOCK


class SpooledFile(io.RawIOBase):
    """A file in the spool that takes bytes and counts them. Unless it is kept, closing removes it.

    Beyond `largest` bytes nothing more is written; `size` goes on counting, so that the answer can name it.
    """

    def __init__(self, folder: Path, *, largest: int) -> None:
        super().__init__()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.name = secrets.token_hex(16)
        self.path = folder / self.name
        self.size = 0
        self.head = b""
        self._largest = largest
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        self._kept = False
        self._since_pause = 0
        self._file = os.fdopen(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b", buffering=0)

    def write(self, block: Any) -> int:
        """Takes some bytes, and lets the other requests of this process have their turn after each MiB."""
        taken = len(block)
        if not self.head:
            self.head = bytes(block[:1024])
        self.size += taken
        if self.size <= self._largest:
            self._md5.update(block)
            self._sha256.update(block)
            self._file.write(block)
        self._since_pause += taken
        if self._since_pause >= BLOCK:
            self._since_pause = 0
            time.sleep(0)
        return taken

    def read(self, size: int | None = -1) -> bytes:
        return self._file.read(-1 if size is None else size) or b""

    def readinto(self, buffer: Any) -> int | None:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def keep(self) -> None:
        """From now on the file outlives this object."""
        self._kept = True

    def make_durable(self) -> None:
        """Waits until the content is on the disk itself."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Removes the file, unless it is kept."""
        if not self.closed:
            self._file.close()
            if not self._kept:
                self.path.unlink(missing_ok=True)
        super().close()


def spooled(folder: Path, source: BinaryIO, *, largest: int) -> SpooledFile:
    """A copy of `source` in the spool, made block by block in a native thread. `source` is left open."""
    target = SpooledFile(folder, largest=largest)

    def copy() -> None:
        while block := source.read(BLOCK):
            target.write(block)

    try:
        elsewhere(copy)
    except BaseException:
        target.close()
        raise
    return target


def make_durable(folder: Path, files: Iterable[SpooledFile]) -> None:
    """All the files, and their names in the folder, are on the disk itself."""

    each_elsewhere(SpooledFile.make_durable, files)
    if os.name != "nt":  # Windows opens no folders, and keeps its names in order by itself
        elsewhere(partial(_sync_folder, folder))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_older(folder: Path, seconds: float, needed: Iterable[str]) -> int:
    """Removes what has lain in the folder, or below it, for so long and is not `needed` (names); answers how many."""
    kept, removed = frozenset(needed), 0
    for path in folder.rglob("*") if folder.exists() else ():
        with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
            if path.name not in kept and time.time() - path.stat().st_mtime > seconds:
                path.unlink()
                removed += 1
    return removed


@contextlib.contextmanager
def copied(blocks: Iterable[bytes]) -> Iterator[Path]:
    """The blocks as a file that is gone after the block."""
    with tempfile.NamedTemporaryFile(prefix="portal-") as whole:
        for block in blocks:
            elsewhere(partial(whole.write, block))
        whole.flush()
        yield Path(whole.name)


@contextlib.contextmanager
def written_at_once(target: Path) -> Iterator[BinaryIO]:
    """A file to write into, which gets its name at the end of the block, whole, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
