"""Sessions: the browser holds a random token, the row its SHA-256. Revoked in the row, a session is over at once.

The row is the truth. What a process has read of it holds until the database counts a change of sessions or colleagues,
so what another process revokes is over at the next click. That a session was used is no such change: see `seen`.
"""

import datetime
import hashlib
import secrets
from functools import partial
from typing import Any

from database_pool import Transaction
from portal import formats
from portal.freshness import Fresh
from portal.staff import queries, seen

LONGEST = datetime.timedelta(hours=12)   # a working day, and the next one begins with signing in
LONGEST_IDLE = datetime.timedelta(hours=2)
KEPT_AFTER_END = datetime.timedelta(days=30)
ACTIVE_WITHIN = datetime.timedelta(minutes=5)


def begin(
    tx: Transaction, user_id: int, *, ip: str | None, user_agent: str | None, clerk_session_id: str | None = None,
    clerk_token: str | None = None,
) -> str:
    """Opens a session and answers its token, which is stored nowhere but in the browser. Sweeps away very old ones.

    `clerk_session_id` is the session of Clerk's behind it, `clerk_token` what its token is known by.
    """
    token = secrets.token_urlsafe(32)
    now = formats.now()
    tx.insert("sessions", {
        "token_hash": key_of(token), "user_id": user_id, "created_at": now, "last_seen_at": now,
        "expires_at": now + LONGEST, "ip": ip, "user_agent": (user_agent or "")[:300] or None,
        "clerk_session_id": clerk_session_id, "clerk_token": clerk_token})
    tx.delete("sessions", filters={"user_id_eq": user_id, "expires_at_lt": now - KEPT_AFTER_END})
    return token


def key_of(token: str) -> str:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode()).hexdigest()


def find(token: str, fresh: Fresh) -> dict[str, Any] | None:
    """The live session of a token with its colleague: not revoked, not disabled, neither too old nor idle too long."""
    key = key_of(token)
    read = partial(queries.session_of, key)
    row = fresh.value("sessions", key, read)
    if row is not None and _is_idle(row):   # perhaps it was used, and another process noted it
        row = fresh.value("sessions", key, read, anew=True)
    if row is None or row["expires_at"] <= formats.now() or _is_idle(row):
        return None
    return row


def _is_idle(row: dict[str, Any]) -> bool:
    return seen.of_this_process.last(row) <= formats.now() - LONGEST_IDLE


def end(tx: Transaction, session_key: str) -> None:
    """Ends one session; its cookie is worth nothing from now on."""
    tx.update("sessions", {"revoked_at": formats.now()}, filters={"token_hash_eq": session_key, "revoked_at_is": None})


def end_all(tx: Transaction, user_id: int, *, but: str | None = None) -> None:
    """Ends all sessions of a colleague, except the one with the key `but`."""
    filters: dict[str, Any] = {"user_id_eq": user_id, "revoked_at_is": None}
    if but:
        filters["token_hash_neq"] = but
    tx.update("sessions", {"revoked_at": formats.now()}, filters=filters)


def live(user_id: int) -> list[dict[str, Any]]:
    """Where a colleague is signed in."""
    now = formats.now()
    return queries.live_sessions(user_id, now=now, idle_since=now - LONGEST_IDLE)


def active_users() -> int:
    """How many colleagues used the portal within the last five minutes."""
    return len(queries.users_seen_since(formats.now() - ACTIVE_WITHIN))
