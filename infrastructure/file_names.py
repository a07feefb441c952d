"""Names of files and folders that no system trips over."""

import re
import unicodedata

LONGEST_SHOWN = 500  # characters
LONGEST_NAME, LONGEST_FOLDER = 200, 120  # bytes of UTF-8; an Indian letter takes three
UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]+')
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # Windows


def shown_name(given: str) -> str:
    """The name as the sender has it, for people: without control characters, of a length that can be shown."""
    text = unicodedata.normalize("NFC", given.encode("utf-8", "replace").decode())
    text = "".join(
        " "
        if unicodedata.category(letter) in ("Cc", "Cs", "Co")
        or "\u202a" <= letter <= "\u202e"
        or "\u2066" <= letter <= "\u2069"
        else letter
        for letter in text
    )
    return " ".join(text.split())[:LONGEST_SHOWN] or "document"


def safe_name(given: str, ending: str) -> str:
    """The last part of a name without what file systems refuse, with the ending that its content has."""
    last = re.split(r"[/\\]", shown_name(given))[-1]
    stem, _, written = last.rpartition(".")
    stem = stem if stem and 1 <= len(written) <= 5 and written.isalnum() else last
    return cut(cleaned(stem), LONGEST_NAME - len(ending.encode())) + ending


def folder_name(given: str) -> str:
    """A name for a folder."""
    return cut(cleaned(given), LONGEST_FOLDER)


def stored_name(client: str, member: str | None, file: str, ending: str) -> str:
    """How a document is called in its folder: client - member - file."""
    before = " - ".join(cut(cleaned(part), 60) for part in (client, member) if part)
    return cut(f"{before} - {safe_name(file, '')}", LONGEST_NAME - len(ending.encode())) + ending


def cleaned(text: str) -> str:
    """Without separators, control characters, marks of direction, and dots or spaces at the ends."""
    words = UNSAFE.sub(" ", unicodedata.normalize("NFC", text))
    plain = " ".join(words.split()).strip(". ")
    return f"_{plain}" if RESERVED.match(plain) else plain or "document"


def cut(text: str, most_bytes: int) -> str:
    """As many whole letters as fit into so many bytes of UTF-8."""
    short = text.encode()[:most_bytes].decode(errors="ignore")
    while short and len(short) < len(text) and unicodedata.category(text[len(short)]).startswith("M"):
        short = short[:-1]  # a letter is not parted from its vowel sign
    return short.rstrip(". ") or "document"
