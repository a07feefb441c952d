"""Secrets at rest: sealed with DATA_ENCRYPTION_KEY, so that a copy of the database alone opens nothing.

Of several keys the first seals and all of them open: a new key is put in front, and the old one stays until everything
was sealed anew. Without the setting the key is derived from SECRET_KEY.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import config


class CannotBeOpened(Exception):
    """It was sealed with a key that the portal does not have (any more)."""


def seal(text: str) -> str:
    """The text, encrypted and authenticated (Fernet: AES-128-CBC, HMAC-SHA256)."""
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What was sealed. Raises CannotBeOpened."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise CannotBeOpened("DATA_ENCRYPTION_KEY is not the key that this was sealed with") from error


def _keys() -> MultiFernet:
    settings = config.settings()
    derived = HKDF(SHA256(), 32, salt=None, info=b"insurance portal: secrets at rest").derive(
        settings.secret_key.encode())
    own = base64.urlsafe_b64encode(derived).decode()
    # What was sealed before the setting existed opens as well.
    return MultiFernet([Fernet(key) for key in (*settings.data_encryption_key, own)])
