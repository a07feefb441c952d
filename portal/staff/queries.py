"""Questions about colleagues and their sessions. Hashes of passwords are asked for in one place only."""

import datetime
from typing import Any

from database_pool import execute_query

Row = dict[str, Any]
SHOWN = ("user_id", "email", "name", "role", "must_change_password", "is_active", "phone", "theme", "density",
         "shortcuts", "language", "last_sign_in_at", "clerk_invited", "version", "created_at")
MOST_COLLEAGUES = 500
MOST_SESSIONS = 50


def session_of(token_hash: str) -> Row | None:
    """The session with its colleague; None when it is revoked or the colleague is disabled."""
    return _one(execute_query("session_users", filters={"token_hash": token_hash}, limit=1).data)


def credentials_of(email: str) -> Row | None:
    """What signing in needs of the colleague with this address."""
    return _one(execute_query("users", columns=(*SHOWN, "password_hash"), filters={"email": email}, limit=1).data)


def credentials_by_id(user_id: int) -> Row | None:
    """The same for a colleague who is signed in and types the password again."""
    return _one(execute_query("users", columns=(*SHOWN, "password_hash"), filters={"user_id": user_id}, limit=1).data)


def colleague(user_id: int) -> Row | None:
    """One colleague, active or not."""
    return _one(execute_query("users", columns=SHOWN, filters={"user_id": user_id}, limit=1).data)


def colleague_by_email(email: str) -> Row | None:
    """The colleague with this address, active or not."""
    return _one(execute_query("users", columns=SHOWN, filters={"email": email}, limit=1).data)


def colleagues() -> list[Row]:
    """Everybody, those who may sign in first."""
    return execute_query("users", columns=SHOWN, order="is_active desc, name, user_id", limit=MOST_COLLEAGUES).data


def there_is_nobody() -> bool:
    """Whether the portal has no user yet."""
    return not execute_query("users", columns="user_id", limit=1).data


def live_sessions(user_id: int, *, now: datetime.datetime, idle_since: datetime.datetime) -> list[Row]:
    """Where a colleague is signed in, the most recent first."""
    return execute_query(
        "sessions", columns=("token_hash", "created_at", "last_seen_at", "ip", "user_agent"),
        filters={"user_id": user_id, "revoked_at_is": None, "expires_at_gt": now, "last_seen_at_gt": idle_since},
        order="last_seen_at desc, token_hash", limit=MOST_SESSIONS).data


def program_of(token_hash: str) -> Row | None:
    """The API token with the colleague it acts for; None when it is revoked or the colleague is disabled."""
    return _one(execute_query("token_users", filters={"token_hash": token_hash}, limit=1).data)


def tokens_of(user_id: int) -> list[Row]:
    """A colleague's API tokens, the newest first, revoked and expired ones too; never what they are known by."""
    columns = ("token_id", "name", "shown_as", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    return execute_query("api_tokens", columns=columns, filters={"user_id": user_id}, order="token_id desc",
                         limit=MOST_SESSIONS).data


def users_seen_since(moment: datetime.datetime) -> set[int]:
    """Who has used the portal since, in a session that is not over."""
    rows = execute_query("session_users", columns="user_id", filters={"last_seen_at_gt": moment}, limit=5000).data
    return {row["user_id"] for row in rows}


def clerk_user(clerk_user_id: str) -> Row | None:
    """What Clerk has told about one of its people."""
    return _one(execute_query("clerk_users", filters={"clerk_user_id": clerk_user_id}, limit=1).data)


def clerk_user_of(user_id: int) -> Row | None:
    """The person at Clerk who signs in with this account."""
    return _one(execute_query("clerk_users", filters={"user_id": user_id, "deleted_at_is": None}, limit=1).data)


def clerk_users_waiting(email: str) -> list[Row]:
    """People at Clerk with this confirmed address who have no account here, the newest news first."""
    return execute_query("clerk_users", filters={"email": email, "user_id_is": None, "deleted_at_is": None},
                         order="changed_at desc, clerk_user_id", limit=MOST_SESSIONS).data


def clerk_session_is_over(clerk_session_id: str) -> bool:
    """Whether a session of Clerk's was ended, there or here."""
    return bool(execute_query("clerk_sessions", columns="clerk_session_id", limit=1, filters={
        "clerk_session_id": clerk_session_id, "ended_at_neq": None}).data)


def is_known_clerk_event(event_id: str) -> bool:
    """Whether an event of Clerk's has had its effect already."""
    return bool(execute_query("clerk_events", columns="event_id", filters={"event_id": event_id}, limit=1).data)


def recent_changes(user_id: int) -> list[Row]:
    """The newest entries of the audit trail about one colleague."""
    return execute_query("audit_trail", filters={"record_type": "user", "record_id": str(user_id)},
                         order="audit_id desc", limit=20).data


def _one(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None
