"""The agency's logo: looked at, made small and written anew before it is kept, so that it is nothing but a picture."""

import base64
import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import Any

from PIL import Image, UnidentifiedImageError

from database_pool import Transaction
from portal import audit
from portal.errors import Refused
from portal.settings import queries, service

Row = dict[str, Any]
LARGEST = 1024 * 1024            # bytes as uploaded
FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 4_000_000          # decoded in about 50 ms
FITS_INTO = (640, 240)           # pixels: sharp on paper at 60 mm width


@dataclass(frozen=True)
class Logo:
    """A logo ready to be kept: PNG, without anything that was hidden in the uploaded file."""

    content: bytes
    width: int
    height: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def prepared(uploaded: bytes) -> Logo:
    """The uploaded picture as the portal keeps it. Raises Refused for what is no picture, too large or of another kind.

    What the file says it is does not count. SVG is refused: it is a program that a browser runs.
    """
    if not uploaded:
        raise Refused("Logo: please choose a file.", field="logo")
    if len(uploaded) > LARGEST:
        raise Refused("Logo: this file is larger than 1 MB. Save the picture smaller and try again.", field="logo")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(uploaded), formats=FORMATS)
            _refuse_giants(picture)
            picture.load()
            small = picture.convert("RGBA")
            small.thumbnail(FITS_INTO)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError,
            Image.DecompressionBombWarning) as problem:  # fmt: skip
        raise Refused("Logo: this is no PNG, JPEG or WebP picture.", field="logo") from problem
    target = io.BytesIO()
    small.save(target, "PNG", optimize=True)
    return Logo(target.getvalue(), small.width, small.height)


def save(tx: Transaction, actor: audit.Actor, stored: Row | None, logo: Logo, version: int | None) -> None:
    """Makes it the agency's logo. Conflict when somebody saved the agency's data since `version`."""
    row = {"sha256": logo.sha256, "content": base64.b64encode(logo.content).decode(), "width": logo.width,
           "height": logo.height, "created_by": actor.user_id}  # fmt: skip
    tx.upsert("company_logos", row, on_conflict="sha256")
    _set(tx, actor, stored, logo.sha256, version)


def remove(tx: Transaction, actor: audit.Actor, stored: Row | None, version: int | None) -> None:
    """Takes the logo away; the one before is kept for a way back."""
    _set(tx, actor, stored, None, version)


def content_of(sha256: str) -> bytes | None:
    """The PNG of that name, or None."""
    found = queries.logo(sha256)
    return base64.b64decode(found) if found else None


def _set(tx: Transaction, actor: audit.Actor, stored: Row | None, sha256: str | None, version: int | None) -> None:
    value = {**(stored["value"] if stored else {}), "logo": sha256}
    service.save_setting(tx, actor, "company", value, stored=stored, version=version)


def _refuse_giants(picture: Image.Image) -> None:
    if picture.width * picture.height > MOST_PIXELS:
        raise Refused("Logo: this picture has more than 4 million pixels. Save it smaller and try again.", field="logo")
