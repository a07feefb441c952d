"""API tokens: a program that holds one acts for the colleague who made it, within the token's scopes and the role."""

import datetime
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from database_pool import Transaction, new_id
from portal import audit, formats
from portal.staff import queries
from portal.staff.inputs import TokenInput

Row = dict[str, Any]

BEGINNING = "ipt_"   # lets scanners of source code find a token that was published by mistake
SEEN_EVERY = datetime.timedelta(minutes=1)
SCOPES: Mapping[str, tuple[str, frozenset[str]]] = {
    "clients:read": ("Read clients and members", frozenset({"clients.read"})),
    "clients:write": ("Add, change and delete clients and members",
                      frozenset({"clients.read", "clients.write", "clients.delete"})),
    "policies:read": ("Read policies and masters", frozenset({"policies.read", "commission.read"})),
    "policies:write": ("Add, change and end policies, add masters", frozenset({
        "policies.read", "policies.write", "policies.delete", "commission.read"})),
    "documents:read": ("Read documents", frozenset({"documents.read"})),
    "documents:write": ("Upload, file and delete documents",
                        frozenset({"documents.read", "documents.write", "documents.delete"})),
    "settings:write": ("Change and merge masters", frozenset({"policies.read", "policies.write", "settings.manage"})),
    "users:write": ("Look after users", frozenset({"staff.manage"})),
    "audit:read": ("Read the audit trail", frozenset({"audit.read", "audit.personal"})),
    "everything": ("Everything the role allows", frozenset()),
}  # fmt: skip


def make(tx: Transaction, actor: audit.Actor, data: TokenInput) -> str:
    """Makes a token for the colleague and answers it; it is stored nowhere and cannot be shown again."""
    token = BEGINNING + secrets.token_urlsafe(32)
    token_id, now = new_id("api_tokens"), formats.now()
    expires_at = now + datetime.timedelta(days=data.days)
    shown = {"name": data.name, "scopes": sorted(set(data.scopes)), "expires_at": expires_at}
    tx.insert("api_tokens", {"token_id": token_id, "user_id": actor.user_id, "token_hash": key_of(token),
                             "shown_as": f"{token[:8]}…", "created_at": now, **shown}, returning=False)
    audit.record(tx, actor, "add", "token", token_id, after=shown)
    return token


def revoke(tx: Transaction, actor: audit.Actor, token_id: int) -> None:
    """Ends one of the colleague's own tokens at once. Conflict when it is not theirs or was revoked already."""
    tx.update("api_tokens", {"revoked_at": formats.now()}, expect=1,
              filters={"token_id_eq": token_id, "user_id_eq": actor.user_id, "revoked_at_is": None})
    audit.record(tx, actor, "revoke", "token", token_id)


def revoke_all(tx: Transaction, user_id: int) -> None:
    """Ends all tokens of a colleague: whoever may not come in may not send a program either."""
    tx.update("api_tokens", {"revoked_at": formats.now()}, filters={"user_id_eq": user_id, "revoked_at_is": None})


def find(token: str) -> Row | None:
    """The token's row with its colleague: neither revoked nor expired, the colleague not disabled."""
    if not token.startswith(BEGINNING) or len(token) > 200:
        return None
    row = queries.program_of(key_of(token))
    return row if row is not None and row["expires_at"] > formats.now() else None


def key_of(token: str) -> str:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_due_to_be_seen(row: Row) -> bool:
    """Whether the token was last noted as used more than a minute ago."""
    return row["last_used_at"] is None or row["last_used_at"] < formats.now() - SEEN_EVERY


def note_seen(tx: Transaction, row: Row) -> None:
    """Notes that the token was used."""
    tx.update("api_tokens", {"last_used_at": formats.now()}, filters={"token_id_eq": row["token_id"]})


def narrowed(permissions: frozenset[str], scopes: list[str]) -> frozenset[str]:
    """What a role's permissions come to through a token: no scope gives more than the role has."""
    if "everything" in scopes:
        return permissions
    return permissions & frozenset().union(*(SCOPES[scope][1] for scope in scopes if scope in SCOPES))
