"""Where accepted files wait on this machine's disk: written block by block, with checksums, safe against a crash."""

import contextlib
import hashlib
import io
import os
import secrets
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from infrastructure.errors import OutcomeUnknown
from infrastructure.native_threads import each_elsewhere, elsewhere
from infrastructure.stores import BLOCK

WRITTEN_AT_ONCE = 512 * 1024  # bytes of an upload that wait in memory

class SpooledFile(io.RawIOBase):
    """A file in the spool that takes bytes and counts them. Unless it is kept, closing removes it.

    Beyond `largest` bytes nothing more is written; `size` goes on counting, so that the answer can name it.
    """

    def __init__(self, folder: Path, *, largest: int) -> None:
        super().__init__()
        self.name = secrets.token_hex(16)
        self.path = folder / self.name
        self.size = 0
        self.head = b""
        self._largest = largest
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        self._kept = self._is_durable = False
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._opened: io.FileIO | None = None

    def write(self, block: Any) -> int:
        """Takes some bytes. The disk is written from a native thread: it may make whoever writes wait for seconds."""
        self._pending.append(bytes(block))
        self._pending_bytes += len(block)
        if self._pending_bytes >= WRITTEN_AT_ONCE:
            self._write_pending()
        return len(block)

    def take(self, block: bytes) -> None:
        """As `write`, but in the thread that calls."""
        if not self.head:
            self.head = block[:1024]
        self.size += len(block)
        self._is_durable = False
        if self.size <= self._largest:
            self._md5.update(block)
            self._sha256.update(block)
            self._file.write(block)

    def read(self, size: int | None = -1) -> bytes:
        return self._file.read(-1 if size is None else size) or b""

    def readinto(self, buffer: Any) -> int | None:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Whoever writes goes back to the start at the end, which is when all of it is on the disk."""
        self._write_pending()
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
        if not self._is_durable:
            os.fsync(self._file.fileno())
            self._is_durable = True

    def close(self) -> None:
        """Removes the file, unless it is kept."""
        if not self.closed and self._opened is not None:
            self._opened.close()
            if not self._kept:
                self.path.unlink(missing_ok=True)
        super().close()

    @property
    def _file(self) -> io.FileIO:
        """The file on the disk, made when it is first needed."""
        if self._opened is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._opened = io.FileIO(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "r+")
        return self._opened

    def _write_pending(self) -> None:
        block, self._pending, self._pending_bytes = b"".join(self._pending), [], 0
        if block:
            elsewhere(partial(self.take, block))


def spooled(folder: Path, sources: Sequence[BinaryIO], *, largest: int) -> list[SpooledFile]:
    """Copies of the sources in the spool, on the disk itself, made block by block, several at once in native threads.
    The sources are left open; one that comes twice has nothing left for its second copy. When one cannot be read no
    copy stays.
    """
    made: list[SpooledFile] = []

    def copy(source: BinaryIO) -> SpooledFile:
        target = SpooledFile(folder, largest=largest)
        made.append(target)
        while block := source.read(BLOCK):
            target.take(block)
        if target.size:
            target.make_durable()  # while the next one is read: checksums need the processor, and this the disk
        return target

    # Two threads would share out the blocks of one source among two copies.
    distinct = {id(source): source for source in sources}
    try:
        copies = dict(zip(distinct, each_elsewhere(copy, distinct.values()), strict=True))
    except BaseException:
        for target in made:
            target.close()
        raise
    return [
        copies.pop(id(source)) if id(source) in copies else SpooledFile(folder, largest=largest) for source in sources
    ]


def make_durable(folder: Path, files: Iterable[SpooledFile]) -> None:
    """All the files, and their names in the folder, are on the disk itself."""

    each_elsewhere(SpooledFile.make_durable, files)
    if os.name != "nt":  # Windows opens no folders, and keeps its names in order by itself
        elsewhere(partial(_sync_folder, folder))


@contextlib.contextmanager
def kept_if_uncertain(files: Iterable[SpooledFile]) -> Iterator[None]:
    """Keeps the files where nobody knows whether rows name them: the answer was lost, or whoever waited for it was
    stopped. What no row names is removed later.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, OutcomeUnknown) or not isinstance(error, Exception):
            for file in files:
                file.keep()
        raise


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
