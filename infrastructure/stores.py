"""What a store of documents promises, whichever it is; tests/files/test_store_conformance.py holds each to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

BLOCK = 1024 * 1024  # bytes; what is read and sent at once


class StoreError(Exception):
    """A store could not do what was asked. The text is a sentence for a colleague."""


class StoreBusy(StoreError):
    """For the moment: try again, after `retry_after` seconds where the store names them."""

    def __init__(self, sentence: str, *, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class KeyUnusable(StoreBusy):
    """What lies under the key is not this document: try again with a new key."""


class StoreRefuses(StoreError):
    """For good, as things stand: somebody has to change something first."""


class ContentMissing(StoreError):
    """The store has no such content (any more)."""


class Stopped(StoreError):
    """The upload was cancelled on the way; nothing is left in the store."""


@dataclass(frozen=True)
class Place:
    """Where a document belongs: the folders from the root inwards, and its name there. Names are safe already."""

    folders: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Content:
    """A complete file on this machine's disk with its checksums (hex). `number` makes its name unlike all others."""

    path: Path
    size: int
    md5: str
    sha256: str
    media_type: str
    number: int


@dataclass
class Transfer:
    """One upload on its way. `session` is the address of a begun one, kept by `remember` over restarts."""

    session: str | None = None
    remember: Callable[[str | None], None] = lambda address: None
    sent: Callable[[int], None] = lambda total: None
    stopped: Callable[[], bool] = lambda: False


class Store(Protocol):
    """Keeps documents under keys. Everything may be repeated: it has its effect once."""

    name: str

    def reserve(self, place: Place, number: int) -> str:
        """A key for a document that is not there yet; to be written down before `put`."""

    def put(self, key: str, place: Place, content: Content, transfer: Transfer) -> None:
        """Stores the content under the key and compares its checksum. Raises StoreError, Stopped among them."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `end` (exclusive), in blocks. Raises ContentMissing before the first."""

    def archive(self, key: str, place: Place) -> str:
        """Moves the document to another place and answers the key it has from now on."""

    def remove(self, key: str) -> None:
        """Takes away what lies under the key: a copy that is not needed any more. In Drive it goes into the trash."""

    def problems(self) -> list[str]:
        """Sentences about what hinders the store, each with its cure; empty when it works. Changes nothing."""
