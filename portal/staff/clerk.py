"""People who sign in through Clerk: who they are here, and what Clerk's news about them change.

Clerk proves who somebody is; who may come in is decided here. A confirmed address opens an account only for those whom
an administrator has invited or ADMIN_EMAILS names; everybody else waits, kept out, under Users.
"""

import datetime
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from database_pool import Transaction, new_id
from portal import audit, formats
from portal.audit import Actor
from portal.errors import Refused
from portal.staff import queries, service, sessions, tokens
from portal.staff.clerk_tokens import Claims

Row = dict[str, Any]
LONGEST_NAME = 120
LONGEST_EMAIL = 254
LATEST = 10**14   # milliseconds since 1970, the year 5138
KEPT_FOR = datetime.timedelta(days=30)   # Svix gives up repeating an event after three days
ENDS = frozenset({"session.ended", "session.removed", "session.revoked"})

NO_ADDRESS = "Your Clerk account has no confirmed e-mail address. Confirm one there, then sign in again."
WAITING = "An administrator has to let you in first. Ask one, then sign in again."
OVER = "You signed out. Please sign in again."
NEEDS_SECOND_FACTOR = ("The office asks for two-step sign-in. Turn it on in your Clerk account, then sign out and sign "
                       "in again.")


@dataclass(frozen=True)
class ClerkUser:
    """What Clerk says about a person. `email` is the primary address, and None unless Clerk has confirmed it."""

    clerk_user_id: str
    email: str | None
    name: str
    is_banned: bool
    changed_at: datetime.datetime


def is_genuine(body: bytes, headers: Mapping[str, str], secret: str | None) -> bool:
    """Whether Clerk signed these bytes within the last five minutes (Svix's scheme: id, time and body).

    `headers` by their names in small letters.
    """
    if not secret:
        return False
    named = {f"webhook-{part}": headers.get(f"svix-{part}", "") for part in ("id", "timestamp", "signature")}
    try:
        Webhook(secret).verify(body, named, json_parse=False)
    except (WebhookVerificationError, ValueError):   # ValueError: a signature or a body that is no text of its kind
        return False
    return True


def person_in(data: Mapping[str, Any]) -> ClerkUser | None:
    """The person in Clerk's user object; None when it has no id or no time."""
    clerk_user_id, changed = data.get("id"), data.get("updated_at")
    if not isinstance(clerk_user_id, str) or not clerk_user_id or not isinstance(changed, int):
        return None
    if not 0 < changed < LATEST:
        return None
    parts = (data.get("first_name"), data.get("last_name"))
    name = " ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
    return ClerkUser(
        clerk_user_id[:200], _confirmed_address(data), name[:LONGEST_NAME], data.get("banned") is True,
        datetime.datetime.fromtimestamp(changed / 1000, datetime.UTC))


def note_event(
    tx: Transaction, actor: Actor, event_id: str, payload: Mapping[str, Any], administrators: Collection[str],
) -> None:
    """Does what an event of Clerk's asks for, once. The end of `tx` raises Duplicate or Conflict for a rival's work."""
    kind, data = payload.get("type"), payload.get("data")
    tx.insert("clerk_events", {"event_id": event_id[:200], "kind": str(kind)[:100]}, returning=False)
    if not isinstance(data, dict):
        return
    named = data.get("id")
    if kind in ("user.created", "user.updated") and (person := person_in(data)) is not None:
        note_person(tx, actor, person, administrators)
    elif kind == "user.deleted" and isinstance(named, str):
        note_deleted(tx, actor, named)
    elif kind in ENDS and isinstance(named, str):
        end_clerk_session(tx, named)


def note_person(tx: Transaction, actor: Actor, person: ClerkUser, administrators: Collection[str]) -> None:
    """Stores what Clerk says, unless something newer is stored, and brings the account here up to date with it."""
    known = queries.clerk_user(person.clerk_user_id)
    if known is not None and (known["deleted_at"] is not None or known["changed_at"] >= person.changed_at):
        return
    account = queries.colleague(known["user_id"]) if known and known["user_id"] else None
    if account is None:
        account = _account_for(tx, actor, person, administrators)
    values = {"user_id": account and account["user_id"], "email": person.email, "name": person.name,
              "is_banned": person.is_banned, "changed_at": person.changed_at}
    if known is None:
        tx.insert("clerk_users", {"clerk_user_id": person.clerk_user_id, **values}, returning=False)
    else:
        tx.update("clerk_users", values, expect=1, filters={
            "clerk_user_id_eq": person.clerk_user_id, "changed_at_eq": known["changed_at"], "deleted_at_is": None})
    if account is not None:
        _bring_up_to_date(tx, actor, account, person, known)


def note_deleted(tx: Transaction, actor: Actor, clerk_user_id: str) -> None:
    """Keeps a person out for good whom Clerk has removed, even when it is the first that is heard of the person."""
    known, now = queries.clerk_user(clerk_user_id), formats.now()
    if known is None:
        tx.insert("clerk_users", {"clerk_user_id": clerk_user_id, "changed_at": now, "deleted_at": now},
                  returning=False)
    elif known["deleted_at"] is None:
        tx.update("clerk_users", {"deleted_at": now, "user_id": None}, expect=1, filters={
            "clerk_user_id_eq": clerk_user_id, "changed_at_eq": known["changed_at"], "deleted_at_is": None})
        if known["user_id"] is not None:
            # Another person may get this address at Clerk some day: the invitation ends with the account there.
            _keep_out(tx, actor, known["user_id"], "deleted at Clerk", clerk_invited=False)


def end_clerk_session(tx: Transaction, clerk_session_id: str) -> None:
    """Ends every session that was opened through a session of Clerk's; none is opened through it any more."""
    now = formats.now()
    tx.upsert("clerk_sessions", {"clerk_session_id": clerk_session_id, "ended_at": now})
    tx.update("sessions", {"revoked_at": now}, filters={"clerk_session_id_eq": clerk_session_id, "revoked_at_is": None})


def account_of(claims: Claims, known: Row, *, must_have_two_steps: Collection[str]) -> Row:
    """The account that a good token opens. `must_have_two_steps` are roles that need Clerk's second factor.

    Raises Refused with what to do when there is none, or not yet.
    """
    account = queries.colleague(known["user_id"]) if known["user_id"] else None
    if account is None:
        raise Refused(WAITING if known["email"] else NO_ADDRESS)
    if not account["is_active"] or known["is_banned"] or known["deleted_at"] is not None:
        raise Refused(WAITING)
    if account["role"] in must_have_two_steps and not claims.has_second_factor:
        raise Refused(NEEDS_SECOND_FACTOR)
    return account


def is_over(claims: Claims) -> bool:
    """Whether Clerk's session behind the token was ended, by Clerk or by signing out here."""
    return queries.clerk_session_is_over(claims.clerk_session_id)


def sign_in(tx: Transaction, actor: Actor, claims: Claims, account: Row, *, user_agent: str | None) -> str:
    """Opens a session of ours for a good token, once, and answers its own token.

    The end of `tx` raises Duplicate for a token that was handed in before, and Conflict when the account was changed or
    Clerk's session ended meanwhile.
    """
    tx.upsert("clerk_sessions", {"clerk_session_id": claims.clerk_session_id, "clerk_user_id": claims.clerk_user_id})
    tx.update("clerk_sessions", {"seen_at": formats.now()}, expect=1,
              filters={"clerk_session_id_eq": claims.clerk_session_id, "ended_at_is": None})
    service.note_signed_in(tx, account)
    audit.record(tx, actor, "signed in", "user", account["user_id"])
    return sessions.begin(tx, account["user_id"], ip=actor.ip, user_agent=user_agent,
                          clerk_session_id=claims.clerk_session_id, clerk_token=claims.fingerprint)


def invite(tx: Transaction, actor: Actor, account: Row, *, version: int) -> None:
    """Lets whoever proves this account's address at Clerk use it; at once, where that person has been seen already."""
    tx.update("users", {"clerk_invited": True}, expect=1,
                        filters={"user_id_eq": account["user_id"], "version_eq": version})
    waiting = queries.clerk_users_waiting(account["email"])
    if waiting and queries.clerk_user_of(account["user_id"]) is None:
        tx.update("clerk_users", {"user_id": account["user_id"]}, expect=1, filters={
            "clerk_user_id_eq": waiting[0]["clerk_user_id"], "user_id_is": None, "deleted_at_is": None})
    audit.record(tx, actor, "invited through Clerk", "user", account["user_id"])


def sweep(tx: Transaction) -> None:
    """Forgets events and sessions of Clerk's that are too old to come again."""
    before = formats.now() - KEPT_FOR
    tx.delete("clerk_events", filters={"received_at_lt": before})
    tx.delete("clerk_sessions", filters={"seen_at_lt": before})


def _account_for(tx: Transaction, actor: Actor, person: ClerkUser, administrators: Collection[str]) -> Row | None:
    """The account that a new person gets: the invited one with this address, a new one, or none."""
    if person.email is None:
        return None
    is_first = person.email in administrators
    account = queries.colleague_by_email(person.email)
    if account is None:
        account = {"user_id": new_id("users"), "email": person.email, "name": person.name or person.email,
                   "role": "administrator" if is_first else "read-only", "is_active": is_first, "clerk_invited": True}
        tx.insert("users", account, returning=False)
        audit.record(tx, actor, "arrived through Clerk", "user", account["user_id"], after=account)
        return account
    if not (account["clerk_invited"] or is_first) or queries.clerk_user_of(account["user_id"]) is not None:
        return None
    if is_first and account["role"] != "administrator":
        tx.update("users", {"role": "administrator"}, expect=1,
                            filters={"user_id_eq": account["user_id"], "version_eq": account["version"]})
        tokens.revoke_all(tx, account["user_id"])
    audit.record(tx, actor, "joined with Clerk", "user", account["user_id"])
    return account


def _bring_up_to_date(tx: Transaction, actor: Actor, account: Row, person: ClerkUser, known: Row | None) -> None:
    if person.is_banned and account["is_active"]:
        _keep_out(tx, actor, account["user_id"], "disabled at Clerk")
    changes: Row = {}
    # A name that a colleague wrote here stays until it is changed at Clerk.
    if known is not None and person.name and person.name != known["name"] and person.name != account["name"]:
        changes["name"] = person.name
    if person.email and person.email != account["email"] and queries.colleague_by_email(person.email) is None:
        changes["email"] = person.email
    if changes:
        tx.update("users", changes, expect=1, filters={"user_id_eq": account["user_id"]})
        audit.record(tx, actor, "changed at Clerk", "user", account["user_id"], before=account, after=changes)


def _keep_out(tx: Transaction, actor: Actor, user_id: int, why: str, **changes: Any) -> None:
    tx.update("users", {"is_active": False, **changes}, expect=1, filters={"user_id_eq": user_id})
    sessions.end_all(tx, user_id)
    tokens.revoke_all(tx, user_id)
    audit.record(tx, actor, why, "user", user_id)


def _confirmed_address(data: Mapping[str, Any]) -> str | None:
    addresses, primary = data.get("email_addresses"), data.get("primary_email_address_id")
    for entry in addresses if isinstance(addresses, list) else []:
        if not isinstance(entry, dict) or entry.get("id") != primary:
            continue
        verification, address = entry.get("verification"), entry.get("email_address")
        if isinstance(verification, dict) and verification.get("status") == "verified" and isinstance(address, str):
            return address.strip().lower()[:LONGEST_EMAIL] or None
    return None
