"""Links to one document that work without signing in, for a limited time: for providers and for clients."""

from dataclasses import dataclass
from urllib.parse import quote

from itsdangerous import BadData, URLSafeTimedSerializer

from config import settings
from portal.documents import queries

SALT = "document link"
LONGEST_VALID = 30 * 24 * 3600  # seconds
LONGEST_TOKEN = 300
FOUR_HOURS = 4 * 3600  # as long as WhatsApp's providers keep a message waiting


@dataclass(frozen=True)
class MediaLink:
    """What a genuine link says: which document, and what it was made for."""

    document_id: int
    purpose: str


def media_link(document_id: int, *, valid_seconds: int = FOUR_HOURS, purpose: str = "whatsapp") -> str:
    """The public address of one document. Raises LookupError when there is none or it is in the trash."""
    document = queries.document(document_id)
    if document is None or document["deleted_at"] is not None:
        raise LookupError(f"there is no document {document_id}")
    token = signed(document_id, valid_seconds=valid_seconds, purpose=purpose)
    return f"{settings().app_base_url}/media/{token}/{quote(link_name(document))}"


def signed(document_id: int, *, valid_seconds: int, purpose: str) -> str:
    """The token of a link. It holds no name and no person, and nothing but this document can be had with it."""
    return _signer().dumps([document_id, min(valid_seconds, LONGEST_VALID), purpose])


def read(token: str) -> MediaLink | None:
    """What the token says; None when it is not ours, was changed, or its time is over."""
    if len(token) > LONGEST_TOKEN:
        return None
    try:
        document_id, valid_seconds, purpose = _signer().loads(token, max_age=LONGEST_VALID)
        _signer().loads(token, max_age=valid_seconds)
        return MediaLink(document_id, purpose) if isinstance(document_id, int) else None
    except (BadData, ValueError, TypeError):
        return None


def link_name(document: dict[str, object]) -> str:
    """A short name that every provider takes: at most 20 letters, digits, hyphens, with the ending of the content."""
    stem, _, ending = str(document["stored_name"]).rpartition(".")
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in str(document["kind"]))
    number = str(document["document_id"])
    return f"{plain[: 19 - len(number) - len(ending)]}-{number}.{ending}" if stem else f"document-{number}"


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings().secret_key, salt=SALT)
