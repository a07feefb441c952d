"""The documents of a message as its gateway takes them: by a link for a limited time, or with their content."""

from collections.abc import Mapping
from typing import Any

from portal.documents.links import media_link
from portal.documents.queries import documents_of
from portal.documents.service import open_content
from portal.errors import Refused
from portal.gateways.interface import Attachment, Capabilities
from task_queue import TemporaryFailure

MEGABYTE = 1024 * 1024


def attached(message: Mapping[str, Any], can: Capabilities) -> tuple[Attachment, ...]:
    """The message's documents in their order.

    Raises Refused for one that is gone, is too large for this way of sending, or belongs to another client, and
    TemporaryFailure for one that its store does not give at the moment.
    """
    wanted: list[int] = message["document_ids"]
    there = {row["document_id"]: row for row in documents_of(wanted)}
    if missing := [number for number in wanted if number not in there]:
        raise Refused(f"Document {missing[0]} is not there any more.")
    rows = [there[number] for number in wanted]
    if any(row["client_id"] != message["client_id"] for row in rows if message["client_id"]):
        raise Refused("A document of this message belongs to another client.")
    if (size := sum(row["size"] for row in rows)) > can.largest_media:
        most = can.largest_media // MEGABYTE
        raise Refused(f"The documents have {size / MEGABYTE:.1f} MB; this way takes {most} MB.")
    return tuple(_attachment(row, by_link=can.media == "link") for row in rows)


def _attachment(document: Mapping[str, Any], *, by_link: bool) -> Attachment:
    if by_link:
        return Attachment(document["file_name"], document["media_type"], link=media_link(document["document_id"]))
    try:
        content = b"".join(open_content(document["document_id"]))
    except Refused as refusal:
        raise TemporaryFailure(refusal.sentence) from refusal
    return Attachment(document["file_name"], document["media_type"], content=content)
