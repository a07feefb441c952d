"""Secrets and sensitive fields at rest, sealed with DATA_ENCRYPTION_KEY: a copy of the database alone opens nothing.

Of several keys the first seals and all of them open: a new key is put in front, and the old one stays until everything
was sealed anew (`flask --app app_multiuser seal-data`). Without the setting the key is derived from SECRET_KEY.

A sealed field has a column `<name>_sealed`; the column `<name>` beside it holds what was written before there were
sealed columns, and nothing once that is sealed. `sealed_row` and `opened` translate between a row as the portal uses it
and a row as it is stored.
"""

import base64
import binascii
import functools
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import config

Row = dict[str, Any]

# The GSTIN of a person holds the PAN; notes are where the office writes what it knows about somebody's health.
SEALED: Mapping[str, tuple[str, ...]] = {
    "clients": ("pan", "gstin", "date_of_birth", "notes"),
    "members": ("date_of_birth", "health_notes"),
}
LOOKED_UP = frozenset({"pan"})   # has a column <name>_index besides
DATES = frozenset({"date_of_birth"})
NONCE = 12   # bytes, as NIST SP 800-38D recommends for GCM
FORMAT = "2"   # 1 was Fernet


class CannotBeOpened(Exception):
    """It was sealed with a key that the portal does not have (any more), or it was changed since."""


@dataclass(frozen=True)
class _Key:
    key_id: str
    prefix: str
    cipher: AESGCM
    index: hmac.HMAC   # with the key worked in; copied for each text
    fernet: Fernet


def seal(text: str, purpose: str = "") -> str:
    """The text, encrypted and authenticated (AES-256-GCM). It opens for the same `purpose` alone: a value that was
    moved into another column does not."""
    key = _keys()[0]
    nonce = os.urandom(NONCE)
    content = nonce + key.cipher.encrypt(nonce, text.encode(), purpose.encode())
    return key.prefix + binascii.b2a_base64(content, newline=False).decode()


def unseal(sealed: str, purpose: str = "") -> str:
    """What was sealed for this purpose. Raises CannotBeOpened."""
    kind, _, rest = sealed.partition(".")
    if kind != FORMAT:
        return _unseal_fernet(sealed)
    key_id, _, content = rest.partition(".")
    for key in _keys():
        if key.key_id == key_id:
            return _decrypted(key, content, purpose)
    raise CannotBeOpened(f"DATA_ENCRYPTION_KEY lacks the key {key_id} that this was sealed with")


def is_current(sealed: str | None) -> bool:
    """Whether a sealed value (or none) is sealed with the first key."""
    return sealed is None or sealed.startswith(_keys()[0].prefix)


def key_ids() -> tuple[str, ...]:
    """The names of the keys that this process has, the one that seals first. A name tells nothing about its key."""
    return tuple(key.key_id for key in _keys())


def indexes(text: str, purpose: str) -> list[str]:
    """What a text is found by where it is sealed (HMAC-SHA256), under each key; the first is the one to store."""
    return [_index(key, f"{purpose}:{text}") for key in _keys()]


def sealed_row(table: str, values: Mapping[str, Any]) -> Row:
    """The values as they are stored: each sensitive field among them sealed, and its open column emptied."""
    stored = dict(values)
    for name in SEALED[table]:
        if name in values:
            stored |= _sealed_field(name, values[name])
    if table == "members" and "date_of_birth" in values:
        born = values["date_of_birth"]
        stored["birthday"] = None if born is None else _as_date(born).month * 100 + _as_date(born).day
    return stored


def opened(row: Mapping[str, Any]) -> Row:
    """A stored row as the portal uses it: what is sealed opened under its plain name. Raises CannotBeOpened."""
    plain = {name: value for name, value in row.items() if not name.endswith(("_sealed", "_index"))}
    for column, sealed in row.items():
        name = column.removesuffix("_sealed")
        if name == column:
            continue
        plain.setdefault(name, None)
        if sealed is not None:
            text = unseal(sealed, name)
            plain[name] = date.fromisoformat(text) if name in DATES else text
    return plain


def all_opened(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """`opened` of each row."""
    return [opened(row) for row in rows]


def sealed_columns(table: str) -> tuple[str, ...]:
    """What has to be asked of a table so that its sensitive fields can be opened."""
    return tuple(column for name in SEALED[table] for column in (name, f"{name}_sealed"))


def _sealed_field(name: str, value: Any) -> Row:
    text = None if value is None else value.isoformat() if isinstance(value, date) else str(value)
    stored: Row = {name: None, f"{name}_sealed": None if text is None else seal(text, name)}
    if name in LOOKED_UP:
        stored[f"{name}_index"] = None if text is None else _index(_keys()[0], f"{name}:{text}")
    return stored


def _index(key: _Key, text: str) -> str:
    code = key.index.copy()
    code.update(text.encode())
    return code.hexdigest()[:40]


def _as_date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)


def _decrypted(key: _Key, content: str, purpose: str) -> str:
    try:
        raw = binascii.a2b_base64(content, strict_mode=True)
        return key.cipher.decrypt(raw[:NONCE], raw[NONCE:], purpose.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise CannotBeOpened(f"this was changed since it was sealed with the key {key.key_id}") from error


def _unseal_fernet(sealed: str) -> str:
    for key in _keys():
        try:
            return key.fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            continue
    raise CannotBeOpened("DATA_ENCRYPTION_KEY is not the key that this was sealed with")


def _keys() -> tuple[_Key, ...]:
    settings = config.settings()
    return _made(settings.secret_key, settings.data_encryption_key)


@functools.lru_cache(maxsize=8)
def _made(secret_key: str, given: tuple[str, ...]) -> tuple[_Key, ...]:
    own = base64.urlsafe_b64encode(_derived(secret_key.encode(), b"insurance portal: secrets at rest")).decode()
    # What was sealed before the setting existed opens as well.
    return tuple(_key(text) for text in (*given, own))


def _key(text: str) -> _Key:
    raw = base64.urlsafe_b64decode(text)
    cipher = _derived(raw, b"insurance portal: sealed fields")
    key_id = hashlib.sha256(b"key id" + cipher).hexdigest()[:8]
    return _Key(
        key_id=key_id,
        prefix=f"{FORMAT}.{key_id}.",
        cipher=AESGCM(cipher),
        index=hmac.new(_derived(raw, b"insurance portal: look-up of sealed fields"), digestmod="sha256"),
        fernet=Fernet(text),
    )


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret)
