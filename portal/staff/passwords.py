"""Passwords: how they are kept, which are refused, and the ones made up for a first sign-in."""

import secrets
import threading
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from gevent import get_hub, monkey

from portal.errors import Refused, TooManyAttempts

SHORTEST = 12
# Argon2id, twice the work of OWASP's first recommendation (46 MiB, one pass, one lane).
_hasher = PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1)
_hash_of_nobody = ""
# Each hash takes 46 MiB and a processor; more at once would only be slower for everybody.
_at_work = threading.BoundedSemaphore(2)
LONGEST_WAIT = 15.0   # seconds
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"   # nothing that is misread from paper

COMMON = frozenset("""
    123456789012 1234567890123 12345678901234 password1234 password12345 password@123 passwordpassword qwertyuiop12
    qwertyuiop123 qwertyuiop[] 1q2w3e4r5t6y qwerty123456 administrator administrator1 admin1234567 welcome12345
    welcome@1234 letmein12345 iloveyou1234 changeme1234 changeme123! insurance123 insurance1234 insurance@123
    insuranceportal portal123456 india1234567 india@123456 mumbai123456 password2026 password@2026 password2025
    abcdefghijkl abcd12345678 abc123456789 aaaaaaaaaaaa 111111111111 000000000000 987654321098 asdfghjkl123
    zaq12wsxcde3 1qaz2wsx3edc p@ssw0rd1234 p@ssword1234 passw0rd1234 correcthorse trustno1trustno1
    """.split())  # noqa: SIM905 - readable as a list of words


def use_hasher(hasher: PasswordHasher) -> PasswordHasher:
    """Makes `hasher` the one that hashes from now on, and answers the one before. For tests, which need a fast one."""
    global _hasher, _hash_of_nobody
    before, _hasher, _hash_of_nobody = _hasher, hasher, ""
    return before


def hashed(password: str) -> str:
    """What is stored of a password."""
    return _elsewhere(lambda: _hasher.hash(password))


def matches(stored: str | None, password: str) -> bool:
    """Whether it is the stored password. Takes as long when there is none: time must not tell who has an account."""
    global _hash_of_nobody  # noqa: PLW0603 - made once, at the first need
    if not _hash_of_nobody:
        _hash_of_nobody = hashed(secrets.token_urlsafe())

    def verify() -> bool:
        try:
            return _hasher.verify(stored or _hash_of_nobody, password) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    return _elsewhere(verify)


def is_outdated(stored: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def one_time_password() -> str:
    """A password to read out once: four groups of four, 78 bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def check_rules(password: str, *, email: str, name: str) -> None:
    """Raises Refused with the reason. No rules of composition: length is what counts (NIST SP 800-63B, 3.1.1.2)."""
    if len(password) < SHORTEST:
        raise Refused(f"The password needs at least {SHORTEST} characters. Three or four words do well.",
                      field="new_password")
    plain = password.casefold()
    known = [email.casefold(), email.split("@")[0].casefold(), *name.casefold().split()]
    rest = plain
    for word in known:
        if len(word) >= 3:
            rest = rest.replace(word, "")
    if len(rest) < SHORTEST // 2:
        raise Refused("The password is mostly your name or e-mail address. Choose other words.", field="new_password")
    if plain in COMMON or len(set(plain)) < 5:
        raise Refused("Many people use this password, so it is tried first. Choose another one.", field="new_password")


Answer = TypeVar("Answer")


def _elsewhere(work: Callable[[], Answer]) -> Answer:
    """Does `work` in a native thread where gevent runs the process: in its loop, everybody waits for each sign-in."""
    if not _at_work.acquire(timeout=LONGEST_WAIT):
        raise TooManyAttempts("Very many people are signing in just now. Please try again shortly.", seconds=10)
    try:
        if monkey.is_module_patched("threading"):
            return get_hub().threadpool.apply(work)  # type: ignore[no-any-return]
        return work()
    finally:
        _at_work.release()
