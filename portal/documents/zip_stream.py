"""Several documents as one ZIP archive, made while it is sent: never more than a block of it is in memory."""

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from batch_file_operations import document_place
from portal.errors import Refused
from portal.formats import OFFICE_ZONE

Row = dict[str, Any]
LEFT_OUT = "Not in this archive.txt"


class _Outlet:
    """What the archive was written to since it was last asked. It cannot go back, so sizes follow their entries."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def write(self, block: Any) -> int:
        self._blocks.append(bytes(block))
        return len(block)

    def flush(self) -> None:
        """`zipfile` asks for it."""

    def taken(self) -> bytes:
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)


def zip_stream(documents: Sequence[Row], content: Callable[[int], Iterator[bytes]]) -> Iterator[bytes]:
    """The archive in blocks: rows of document_list, in the folders that they have in their store.

    Nothing is compressed, as the kinds of files that are kept are compressed already. `content` answers the bytes of a
    document or raises Refused; what cannot be had is named in a text of its own at the end. What breaks off in the
    middle breaks the archive off: a browser then says that the download failed.
    """
    outlet, left_out = _Outlet(), []
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for document, name in zip(documents, _names(documents), strict=True):
            try:
                blocks = content(document["document_id"])
            except Refused as refusal:
                left_out.append(f"{name}: {refusal}")
                continue
            entry = zipfile.ZipInfo(name, document["created_at"].astimezone(OFFICE_ZONE).timetuple()[:6])
            with archive.open(entry, "w") as file:
                for block in blocks:
                    file.write(block)
                    yield outlet.taken()
        if left_out:
            archive.writestr(LEFT_OUT, "\r\n".join(left_out))
    yield outlet.taken()


def _names(documents: Sequence[Row]) -> Iterator[str]:
    """A path for each, none of them twice: where two would be alike, the number of the document tells them apart."""
    given: set[str] = set()
    for document in documents:
        place = document_place(document)
        path = PurePosixPath(*place.folders, place.name)
        if str(path).casefold() in given:  # a folder of Windows takes no two names that differ in case alone
            path = path.with_stem(f"{path.stem} ({document['document_id']})")
        given.add(str(path).casefold())
        yield str(path)
