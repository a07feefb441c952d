"""Values of the cache as text: JSON, never pickle, whose bytes could run anything when Redis is not ours alone.

Days, moments, decimals and UUIDs, which rows of the database hold, come back as what they were. As in JSON, tuples
come back as lists and the keys of a mapping as text.
"""

import datetime
import json
import json.encoder
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

# Marks texts that are more than plain JSON, which begins with none of these letters.
TYPED, GROUPED = "T", "G"
_KIND = "\0kind"   # no key of JSON that went through PostgreSQL holds a NUL


def _tagged(value: Any) -> dict[str, str]:
    if isinstance(value, Decimal):
        return {_KIND: "decimal", "text": str(value)}
    if isinstance(value, datetime.datetime):
        return {_KIND: "moment", "text": value.isoformat()}
    if isinstance(value, datetime.date):
        return {_KIND: "day", "text": value.isoformat()}
    if isinstance(value, uuid.UUID):
        return {_KIND: "uuid", "text": str(value)}
    raise TypeError(f"the cache keeps what JSON can hold, not {type(value).__name__}")


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "decimal": Decimal, "moment": datetime.datetime.fromisoformat, "day": datetime.date.fromisoformat,
    "uuid": uuid.UUID}


def _untagged(found: dict[str, Any]) -> Any:
    return _FROM_TEXT[found[_KIND]](found["text"]) if _KIND in found else found


def _refuse(value: Any) -> Any:
    raise _NeedsTags


class _NeedsTags(Exception):
    """Plain JSON cannot hold the value."""


def _encoder(default: Callable[[Any], Any]) -> Callable[[Any, int], tuple[str, ...]]:
    """The encoder in C, made once: JSONEncoder.encode makes one for each value, at twice the price."""
    make: Any = json.encoder.c_make_encoder   # type: ignore[attr-defined]
    made: Callable[[Any, int], tuple[str, ...]] = make(
        None, default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return made


_plain, _typed = _encoder(_refuse), _encoder(_tagged)
# The scanner itself: decode() would look for white space around the text, for half of the price.
_read_plain: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]
_read_typed: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder(object_hook=_untagged))["scan_once"]


def as_text(value: Any) -> str:
    """The value as text. Raises TypeError or ValueError for what JSON cannot hold (NaN and infinities included)."""
    try:
        return "".join(_plain(value, 0))
    except _NeedsTags:
        return TYPED + "".join(_typed(value, 0))


def from_text(text: str) -> Any:
    """The value of a text that `as_text` made."""
    if text[0] == TYPED:
        return _read_typed(text, 1)[0]
    return _read_plain(text, 0)[0]
