"""A document as an answer: whole or in part, streamed, under a type that browsers do not guess about."""

import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from flask import Response, request

from portal.documents import service

Row = dict[str, Any]
SHOWN_IN_PLACE = ("application/pdf", "image/jpeg", "image/png", "image/webp")


def delivered(document: Row, *, name: str, inline: bool) -> Response:
    """The content, or the part that a Range header asks for (206), or 416. HEAD gets the headers alone."""
    size, etag = document["size"], f'"{document["sha256"]}"'
    start, stop, status = 0, size, 200
    asked = request.range if request.headers.get("If-Range", etag) == etag else None
    if asked is not None and asked.units == "bytes" and len(asked.ranges) == 1:
        part = asked.range_for_length(size)
        if part is None:
            return Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        start, stop, status = part[0], part[1], 206
    body: Iterator[bytes] | tuple[()] = ()
    if request.method != "HEAD":
        body = service.open_content(document["document_id"], start, stop)
    response = Response(body, status, content_type=document["media_type"], direct_passthrough=True)
    response.headers["Content-Length"] = str(stop - start)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = etag
    response.headers["Content-Disposition"] = disposition(
        name, inline=inline and document["media_type"] in SHOWN_IN_PLACE
    )
    if status == 206:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return response


def disposition(name: str, *, inline: bool) -> str:
    """Content-Disposition with the name for old programs in plain letters, and as it is (RFC 6266)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = "".join(letter for letter in plain if letter.isalnum() or letter in " ._-()").strip() or "document"
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
