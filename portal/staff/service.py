"""Who may do what, and the rules of signing in and of looking after colleagues' accounts."""

import datetime
import logging
from collections.abc import Mapping
from typing import Any

from database_pool import Transaction, new_id
from portal import audit, formats
from portal.audit import Actor
from portal.errors import NotFound, Refused, TooManyAttempts
from portal.staff import brakes, passwords, queries, sessions, tokens
from portal.staff.inputs import Account, Colleague, Invitation, PasswordChange

logger = logging.getLogger(__name__)
Row = dict[str, Any]

# Everything that can be allowed. What a role does not list, it may not.
PERMISSIONS = frozenset({
    "clients.read", "clients.write", "clients.delete", "policies.read", "policies.write", "policies.delete",
    "documents.read", "documents.write", "documents.delete",
    "commission.read", "staff.manage", "settings.manage", "audit.read", "audit.personal", "monitoring.read",
    "trash.erase", "privacy.export", "messages.read", "messages.write", "jobs.manage", "queue.manage"})
MATRIX: Mapping[str, frozenset[str]] = {
    "administrator": PERMISSIONS,
    "manager": PERMISSIONS - {"staff.manage", "settings.manage", "audit.personal", "trash.erase", "queue.manage"},
    "staff": frozenset({"clients.read", "clients.write", "policies.read", "policies.write", "documents.read",
                        "documents.write", "messages.read", "messages.write"}),
    "accounts": frozenset({"clients.read", "policies.read", "policies.write", "commission.read", "documents.read",
                           "documents.write", "messages.read"}),
    "read-only": frozenset({"clients.read", "policies.read", "documents.read", "messages.read"}),
}
ROLES: Mapping[str, str] = {
    "administrator": "Everything, with users and settings",
    "manager": "Everything except users and settings",
    "staff": "Clients and policies, without commission",
    "accounts": "Policies, payments and commission",
    "read-only": "May look, not change",
}
LONGEST_SESSION = sessions.LONGEST
FORGOTTEN_AFTER = datetime.timedelta(days=2)   # longer than any pause
WRONG = "E-mail or password is not right."


def permissions_of(role: str) -> frozenset[str]:
    """What a role may do; nothing for a role that is not in the matrix."""
    return MATRIX.get(role, frozenset())


def check_sign_in(email: str, password: str, *, ip: str | None, device: str = "") -> Row:
    """The colleague with this e-mail and password.

    Raises Refused with one and the same sentence for an unknown address, a wrong password and a disabled account, and
    TooManyAttempts while the account (from this place), the place, or the account (from everywhere) has to wait.
    `device` is what proves that the colleague signed in with this browser before ("" when nothing does): its failures
    are counted apart, so that strangers who guess from all over the world shut out each other and not the colleague.
    """
    email = email.strip().lower()
    subjects = brakes.subjects(email, ip, device)
    counted = {subject: brakes.FREE_FAILURES[kind] for kind, subject in subjects.items()}
    user = queries.credentials_of(email)
    right = _is_right(user["password_hash"] if user else None, password, counted)
    if user is None or not right or not user["is_active"]:
        logger.warning("sign-in failed", extra={"subject": subjects["pair"][:20], "user_id": user and user["user_id"]})
        raise Refused(WRONG)
    brakes.take_back(counted)
    return user


def sign_in(
    tx: Transaction, user: Row, actor: Actor, *, user_agent: str | None, administrators: tuple[str, ...] = (),
    password: str = "", device: str = "",
) -> str:
    """Opens a session for a colleague whose password was right, and answers its token.

    Whoever is among `administrators` (addresses) becomes one at the first sign-in. A hash of an older make is renewed.
    The end of `tx` raises Conflict when the account is another than the one that was checked: a password that was reset
    or an access that was taken away meanwhile must not be undone.
    """
    changes: Row = {"last_sign_in_at": formats.now()}
    if user["last_sign_in_at"] is None and user["email"] in administrators and user["role"] != "administrator":
        changes["role"] = "administrator"
    if password and passwords.is_outdated(user["password_hash"]):
        changes["password_hash"] = passwords.hashed(password)
    tx.update("users", changes, expect=1,
                filters={"user_id_eq": user["user_id"], "version_eq": user["version"], "is_active_eq": True})
    subjects = brakes.subjects(user["email"], actor.ip)
    forgiven = {subjects["pair"], subjects["email"], brakes.subjects(user["email"], actor.ip, device)["pair"]}
    tx.delete("sign_in_brakes", filters={"subject_in": sorted(forgiven)})
    tx.delete("sign_in_brakes", filters={"counted_at_lt": formats.now() - FORGOTTEN_AFTER})
    audit.record(tx, actor, "signed in", "user", user["user_id"],
                 after={"role": changes["role"]} if "role" in changes else None)
    return sessions.begin(tx, user["user_id"], ip=actor.ip, user_agent=user_agent)


def note_signed_in(tx: Transaction, user: Row) -> None:
    """Notes a sign-in that somebody else has proven. The end of `tx` raises Conflict when the account was changed."""
    tx.update("users", {"last_sign_in_at": formats.now()}, expect=1,
                filters={"user_id_eq": user["user_id"], "version_eq": user["version"], "is_active_eq": True})


def sign_out(tx: Transaction, actor: Actor, session_key: str) -> None:
    """Ends this session."""
    sessions.end(tx, session_key)
    audit.record(tx, actor, "signed out", "user", actor.user_id or "")


def check_own_password(user_id: int, password: str, *, field: str) -> Row:
    """The account of a colleague who is signed in and typed the password again. Raises Refused beside `field`."""
    user = queries.credentials_by_id(user_id)
    if user is None:
        raise NotFound("This account no longer exists.")
    brake = {f"password:{user_id}": brakes.FREE_FAILURES["pair"]}
    try:
        right = _is_right(user["password_hash"], password, brake)
    except TooManyAttempts as refusal:
        raise Refused(refusal.sentence, field=field) from refusal
    if not right:
        raise Refused("This is not your present password.", field=field)
    brakes.take_back(brake)
    return user


def change_own_password(tx: Transaction, actor: Actor, change: PasswordChange, *, session_key: str) -> None:
    """Sets a new password, ends all other sessions and the API tokens. Raises Refused for a wrong old one or a poor new
    one.

    The end of `tx` raises Conflict when somebody reset the password meanwhile.
    """
    user = check_own_password(actor.user_id or 0, change.current_password, field="current_password")
    if change.new_password != change.new_password_again:
        raise Refused("The two new passwords differ. Type the new one twice.", field="new_password_again")
    if change.new_password == change.current_password:
        raise Refused("This is the password you have already. Choose another one.", field="new_password")
    passwords.check_rules(change.new_password, email=user["email"], name=user["name"])
    tx.update("users", {"password_hash": passwords.hashed(change.new_password), "must_change_password": False},
                filters={"user_id_eq": user["user_id"], "version_eq": user["version"]}, expect=1)
    sessions.end_all(tx, user["user_id"], but=session_key)
    tokens.revoke_all(tx, user["user_id"])
    tx.delete("sign_in_brakes", filters={"subject_eq": f"password:{user['user_id']}"})
    audit.record(tx, actor, "changed own password", "user", user["user_id"])


def change_own_account(tx: Transaction, actor: Actor, before: Row, account: Account) -> None:
    """Saves name, phone and how the pages look. The end of `tx` raises Conflict when someone changed it meanwhile."""
    changes = account.model_dump(exclude={"version"})
    tx.update("users", changes, filters={"user_id_eq": before["user_id"], "version_eq": account.version}, expect=1)
    audit.record(tx, actor, "changed own account", "user", before["user_id"], before=before, after=changes)


def choose_theme(tx: Transaction, actor: Actor, theme: str) -> None:
    """Saves the colours alone, from the menu of every page. Raises Refused for colours that do not exist.

    Not in the audit trail: it changes how the pages look to one colleague, and nothing in the book or in the account.
    """
    if theme not in ("system", "light", "dark"):
        raise Refused("There are three ways to show the pages: as the device has it, light, dark.")
    tx.update("users", {"theme": theme}, filters={"user_id_eq": actor.user_id}, expect=1)


def end_own_other_sessions(tx: Transaction, actor: Actor, *, session_key: str) -> None:
    """Signs the colleague out everywhere but here, programs included."""
    sessions.end_all(tx, actor.user_id or 0, but=session_key)
    tokens.revoke_all(tx, actor.user_id or 0)
    audit.record(tx, actor, "ended own other sessions", "user", actor.user_id or "")


def invite(
    tx: Transaction, actor: Actor, invitation: Invitation, *, password: str | None = None, through_clerk: bool = False,
) -> tuple[int, str]:
    """Makes an account and answers its id and password: the given one, or a one-time password to be replaced at once.

    `through_clerk` makes one without a password ("") for whoever proves the address at Clerk. The end of `tx` raises
    Duplicate for a known address.
    """
    user_id, account = new_id("users"), invitation.model_dump()
    if through_clerk:
        tx.insert("users", {"user_id": user_id, **account, "clerk_invited": True})
        audit.record(tx, actor, "invited", "user", user_id, after=account)
        return user_id, ""
    chosen = password or passwords.one_time_password()
    tx.insert("users", {"user_id": user_id, **account, "password_hash": passwords.hashed(chosen),
                        "must_change_password": password is None})
    audit.record(tx, actor, "invited", "user", user_id, after=account)
    return user_id, chosen


def change_colleague(tx: Transaction, actor: Actor, before: Row, change: Colleague) -> None:
    """Saves name, phone and role. A new role begins with a new sign-in, and with new API tokens: what a program was
    given under one role is not widened by another. Raises Refused for one's own role.
    """
    changes = change.model_dump(exclude={"version"})
    if change.role != before["role"]:
        if before["user_id"] == actor.user_id:
            raise Refused("You cannot change your own role. Another administrator can.", field="role")
        _keep_an_administrator(tx, actor, before)
        sessions.end_all(tx, before["user_id"])
        tokens.revoke_all(tx, before["user_id"])
    tx.update("users", changes, filters={"user_id_eq": before["user_id"], "version_eq": change.version}, expect=1)
    audit.record(tx, actor, "changed", "user", before["user_id"], before=before, after=changes)


def set_access(tx: Transaction, actor: Actor, before: Row, *, active: bool, version: int) -> None:
    """Lets a colleague in again, or keeps the colleague out from this moment. Raises Refused for oneself."""
    if not active:
        if before["user_id"] == actor.user_id:
            raise Refused("You cannot disable your own account. Another administrator can.")
        _keep_an_administrator(tx, actor, before)
        sessions.end_all(tx, before["user_id"])
        tokens.revoke_all(tx, before["user_id"])
    tx.update("users", {"is_active": active}, expect=1,
                filters={"user_id_eq": before["user_id"], "version_eq": version})
    audit.record(tx, actor, "enabled" if active else "disabled", "user", before["user_id"])


def reset_password(tx: Transaction, actor: Actor, before: Row, *, version: int) -> str:
    """Replaces a forgotten password by a one-time password, which it answers, and ends all the colleague's sessions."""
    if before["user_id"] == actor.user_id:
        raise Refused("Change your own password under Your account.")
    password = passwords.one_time_password()
    tx.update("users", {"password_hash": passwords.hashed(password), "must_change_password": True},
                filters={"user_id_eq": before["user_id"], "version_eq": version}, expect=1)
    sessions.end_all(tx, before["user_id"])
    tokens.revoke_all(tx, before["user_id"])
    tx.delete("sign_in_brakes", filters={"subject_eq": brakes.subjects(before["email"], None)["email"]})
    audit.record(tx, actor, "reset password", "user", before["user_id"])
    return password


def end_sessions_of(tx: Transaction, actor: Actor, user_id: int) -> None:
    """Signs a colleague out everywhere, programs included."""
    sessions.end_all(tx, user_id)
    tokens.revoke_all(tx, user_id)
    audit.record(tx, actor, "ended sessions", "user", user_id)


def _keep_an_administrator(tx: Transaction, actor: Actor, target: Row) -> None:
    """Taking the rights of an administrator needs another one who keeps them: the one who does it.

    Checked by writing that row in the same transaction, so that two administrators who remove each other at the same
    moment meet: one of them gets a Conflict.
    """
    if target["role"] == "administrator" and target["is_active"]:
        tx.update("users", {"role": "administrator"}, expect=1,
                  filters={"user_id_eq": actor.user_id, "role_eq": "administrator", "is_active_eq": True})


def _is_right(stored: str | None, password: str, counted: Mapping[str, int]) -> bool:
    """Whether it is the stored password. The attempt is counted before anybody looks, for each subject of `counted`.

    Raises TooManyAttempts, without looking, while one of the subjects has used up its free attempts (the value).
    """
    brakes.count(counted)
    try:
        return passwords.matches(stored, password)
    except TooManyAttempts:   # the machine is busy: nobody looked
        brakes.take_back(counted)
        raise
