"""Session tokens of Clerk: what one must hold to be worth a session here. Checked strictly, and without a network.

Clerk's own libraries for Python accept tokens of another issuer, without `exp`, without `sub` or of a session that is
still waiting for its second factor; nothing of that is let through here.
"""

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from portal.errors import Refused

LEEWAY = 5   # seconds that the clocks of Clerk and of this machine may be apart
LONGEST = 8192   # characters; a browser's cookie, where the token comes from, holds half of it
REQUIRED = ("exp", "nbf", "iat", "iss", "sub", "sid", "azp")
NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
KEYS_FROM_THE_TOKEN = frozenset({"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "crit"})
SMALLEST_KEY = 2048   # bits

NOT_CONFIRMED = "Clerk's sign-in could not be confirmed. Please sign in again."
NOT_FINISHED = "Clerk still asks something of you before you are signed in. Please finish that first."
ACTS_AS_ANOTHER = "Someone who acts for another person in Clerk cannot sign in here."


class TokenRefused(Refused):
    """The token opens nothing. `reason` names the first thing that is wrong with it, for the log."""

    def __init__(self, reason: str, sentence: str = NOT_CONFIRMED) -> None:
        super().__init__(sentence)
        self.reason = reason


class UnknownKey(Exception):
    """The token names a key that the portal does not have (yet)."""


@dataclass(frozen=True)
class Claims:
    """What a good token says. `fingerprint` is the same for every spelling of the token."""

    clerk_user_id: str
    clerk_session_id: str
    fingerprint: str
    has_second_factor: bool


def check(
    token: str, *, key_of: Callable[[str], RSAPublicKey | None], issuer: str, parties: Collection[str]
) -> Claims:
    """What the token says, if all of it is right: signed by the instance's key, for one of `parties` (origins), now.

    `key_of` knows the key of a `kid`. Raises TokenRefused, and UnknownKey before anything of the token is believed.
    """
    header = _header(token)
    key = key_of(header["kid"])
    if key is None:
        raise UnknownKey(header["kid"])
    claims = _decoded(token, key, issuer)
    _check_claims(claims, parties)
    factors = claims.get("fva")
    second = factors[1] if isinstance(factors, list) and len(factors) == 2 else -1
    return Claims(
        claims["sub"], claims["sid"],
        # The signature is left out: the spare bits of its last letter make several spellings of one token.
        hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest(),
        isinstance(second, int) and not isinstance(second, bool) and second >= 0)


def key_from_pem(text: str) -> RSAPublicKey:
    """The key of a PEM text. Raises ValueError for one that is not an RSA key of 2048 bits or more."""
    return _strong(load_pem_public_key(text.encode()))


def key_from_jwk(described: dict[str, Any]) -> RSAPublicKey:
    """The key of an entry of a JWKS. Raises ValueError likewise."""
    try:
        return _strong(jwt.PyJWK(described, algorithm="RS256").key)
    except jwt.exceptions.PyJWTError as error:
        raise ValueError(str(error)) from error


def _strong(key: object) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_KEY:
        raise ValueError(f"not an RSA key of {SMALLEST_KEY} bits or more")
    return key


def _header(token: str) -> dict[str, Any]:
    if not token or len(token) > LONGEST or not token.isascii():
        raise TokenRefused("not a token")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.exceptions.PyJWTError as error:
        raise TokenRefused("not a token") from error
    if header.get("alg") != "RS256":
        raise TokenRefused("algorithm")
    if KEYS_FROM_THE_TOKEN & header.keys():
        raise TokenRefused("brings a key")
    if not isinstance(header.get("kid"), str) or not NAME.fullmatch(header["kid"]):
        raise TokenRefused("no key id")
    return header


def _decoded(token: str, key: RSAPublicKey, issuer: str) -> dict[str, Any]:
    try:
        return jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, leeway=LEEWAY,
                          options={"require": list(REQUIRED), "verify_aud": False})
    except jwt.exceptions.MissingRequiredClaimError as error:
        raise TokenRefused(f"no {error.claim}") from error
    except jwt.exceptions.ExpiredSignatureError as error:
        raise TokenRefused("expired") from error
    except jwt.exceptions.ImmatureSignatureError as error:
        raise TokenRefused("not yet") from error
    except jwt.exceptions.InvalidIssuerError as error:
        raise TokenRefused("issuer") from error
    except jwt.exceptions.InvalidSignatureError as error:
        raise TokenRefused("signature") from error
    except jwt.exceptions.PyJWTError as error:
        raise TokenRefused("claims") from error


def _check_claims(claims: dict[str, Any], parties: Collection[str]) -> None:
    if not isinstance(claims["azp"], str) or claims["azp"] not in parties:
        raise TokenRefused("origin")
    for name in ("sub", "sid"):
        if not isinstance(claims[name], str) or not NAME.fullmatch(claims[name]):
            raise TokenRefused("claims")
    # Absent in tokens of the first version, which knew no pending sessions.
    if claims.get("sts", "active") != "active":
        raise TokenRefused("pending", NOT_FINISHED)
    if "act" in claims:
        raise TokenRefused("impersonation", ACTS_AS_ANOTHER)
