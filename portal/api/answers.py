"""Idempotency-Key: what a request with such a key created is remembered in the transaction that created it."""

import datetime
import hashlib
from typing import Any

from database_pool import Transaction, execute_query
from portal.formats import now

Row = dict[str, Any]
KEPT = datetime.timedelta(days=1)


def key_of(user_id: int, idempotency_key: str) -> str:
    """What the database knows a colleague's key by: two colleagues may use the same one."""
    return hashlib.sha256(f"{user_id}\0{idempotency_key}".encode()).hexdigest()


def hash_of(method: str, path: str, body: bytes) -> str:
    """The same for the same request and no other."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


def remembered(answer_key: str) -> Row | None:
    """What was answered under this key within a day, or None. `body` is None when the answer was lost on its way."""
    rows = execute_query("api_answers", filters={"answer_key_eq": answer_key}, limit=1).data
    return rows[0] if rows else None


def remember(tx: Transaction, answer_key: str, request_hash: str, location: str) -> None:
    """Notes what this transaction creates under the key. Duplicate when somebody was faster with it."""
    tx.delete("api_answers", filters={"created_at_lt": now() - KEPT})
    row = {"answer_key": answer_key, "request_hash": request_hash, "location": location}
    tx.insert("api_answers", row, returning=False)


def keep_body(tx: Transaction, answer_key: str, body: Row) -> None:
    """Keeps the answer itself, word by word: the record may change before the request is repeated."""
    tx.update("api_answers", {"body": body}, filters={"answer_key_eq": answer_key})
