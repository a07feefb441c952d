"""Idempotency-Key: what a request with such a key created is remembered in the transaction that created it."""

import datetime
import hashlib
import json
from typing import Any

from database_pool import Transaction, execute_query
from portal import sealing
from portal.formats import now

Row = dict[str, Any]
PURPOSE = "answer of the API"
KEPT = datetime.timedelta(days=1)


def key_of(user_id: int, idempotency_key: str) -> str:
    """What the database knows a colleague's key by: two colleagues may use the same one."""
    return hashlib.sha256(f"{user_id}\0{idempotency_key}".encode()).hexdigest()


def hash_of(method: str, path: str, body: bytes) -> str:
    """The same for the same request and no other."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


def remembered(answer_key: str) -> Row | None:
    """What was answered under this key within a day, or None. `body` is None when the answer was lost on its way."""
    known = {"answer_key_eq": answer_key, "created_at_gte": now() - KEPT}   # older ones go with the next that is made
    rows = execute_query("api_answers", filters=known, limit=1).data
    if not rows:
        return None
    sealed = (rows[0]["body"] or {}).get("sealed")
    try:
        return {**rows[0], "body": json.loads(sealing.unseal(sealed, PURPOSE)) if sealed else None}
    except sealing.CannotBeOpened:   # its key was taken away within the day
        return {**rows[0], "body": None}


def remember(tx: Transaction, answer_key: str, request_hash: str, location: str) -> None:
    """Notes what this transaction creates under the key. Duplicate when somebody was faster with it."""
    tx.delete("api_answers", filters={"created_at_lt": now() - KEPT})
    row = {"answer_key": answer_key, "request_hash": request_hash, "location": location}
    tx.insert("api_answers", row, returning=False)


def keep_body(tx: Transaction, answer_key: str, body: Row) -> None:
    """Keeps the answer itself, word by word and sealed: the record may change before the request is repeated."""
    sealed = sealing.seal(json.dumps(body), PURPOSE)
    tx.update("api_answers", {"body": {"sealed": sealed}}, filters={"answer_key_eq": answer_key})
