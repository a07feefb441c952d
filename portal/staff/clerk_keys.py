"""The keys of Clerk's instance: CLERK_JWT_KEY, or those that a task fetched and the database keeps."""

import datetime
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from cache_manager import count_request
from config import Settings
from database_pool import Transaction, execute_query
from portal import formats
from portal.staff.clerk_tokens import key_from_jwk, key_from_pem
from task_queue import enqueue

GOOD_FOR = datetime.timedelta(hours=24)   # without being confirmed by Clerk again
FETCH_EVERY = 60   # seconds at least between two fetches that strangers' tokens ask for
MOST_KEYS = 20


def key_of(key_id: str, chosen: Settings) -> RSAPublicKey | None:
    """The key that a token names. CLERK_JWT_KEY is the instance's one key, whatever its id is."""
    if chosen.clerk_jwt_key:
        return key_from_pem(chosen.clerk_jwt_key)
    rows = execute_query("clerk_keys", limit=1, filters={
        "key_id": key_id, "confirmed_at_gt": formats.now() - GOOD_FOR}).data
    return key_from_jwk(rows[0]["key"]) if rows else None


def may_ask_for_keys() -> bool:
    """Whether a token with an unknown key is reason to ask Clerk: not more than once a minute, all processes together.

    Anybody can make up ids of keys.
    """
    return not count_request("clerk-keys", "everybody", limit=1, window=FETCH_EVERY).is_spent


def ask_for_keys(tx: Transaction) -> None:
    """Has the keys fetched by a task."""
    enqueue(tx, "staff.fetch_clerk_keys", unique_key="staff.fetch_clerk_keys")


def keep(tx: Transaction, described: Mapping[str, Any]) -> int:
    """Stores the keys of a JWKS in place of those before, and answers how many are usable.

    Without one the old ones stay: an empty or broken answer locks nobody out.
    """
    listed = described.get("keys")
    usable = [entry for entry in (listed if isinstance(listed, list) else [])[:MOST_KEYS] if _is_usable(entry)]
    if usable:
        now = formats.now()
        tx.delete("clerk_keys", filters={"key_id_neq": ""})
        tx.upsert("clerk_keys", [{"key_id": entry["kid"], "key": entry, "confirmed_at": now} for entry in
                                 {entry["kid"]: entry for entry in usable}.values()])
    return len(usable)


def _is_usable(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or not entry["kid"]:
        return False
    try:
        key_from_jwk(entry)
    except ValueError:
        return False
    return True
