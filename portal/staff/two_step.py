"""The second step of signing in: a code from the colleague's phone, or one of ten recovery codes, each good once."""

import hashlib
import hmac
import re
import secrets
import time
from typing import Any

import pyotp

import config
from database_pool import Transaction, execute_query
from portal import audit, formats, sealing
from portal.audit import Actor
from portal.errors import Refused
from portal.staff import brakes, sessions
from portal.staff.passwords import ALPHABET

Row = dict[str, Any]
STEP = 30   # seconds that a code is shown (RFC 6238)
CLOCKS_APART = 1   # steps that the clock of a phone may be early or late
RECOVERY_CODES = 10
WRONG = "This code is not right, or it was used already. Enter the one that your app shows now, or a recovery code."


def state_of(user_id: int) -> Row | None:
    """The second step of a colleague, confirmed or still being set up; None where there is none."""
    rows = execute_query("two_step", filters={"user_id": user_id}, limit=1).data
    return rows[0] if rows else None


def is_on(user_id: int) -> bool:
    """Whether signing in takes a code."""
    state = state_of(user_id)
    return state is not None and state["confirmed_at"] is not None


def is_required(role: str) -> bool:
    """Whether the office demands a second step of this role (REQUIRE_TWO_STEP)."""
    demanded = config.settings().require_two_step
    return demanded == "everybody" or (demanded == "administrators" and role == "administrator")


def unused_recovery_codes(user_id: int) -> int:
    """How many recovery codes are left."""
    return len(execute_query("recovery_codes", columns="code_hash",
                             filters={"user_id": user_id, "used_at_is": None}, limit=RECOVERY_CODES).data)


def begin(tx: Transaction, user_id: int) -> None:
    """Makes a secret that the first code has to confirm; one that was never confirmed is replaced."""
    tx.upsert("two_step", {"user_id": user_id, "secret": sealing.seal(pyotp.random_base32()), "confirmed_at": None,
                           "last_step": 0, "created_at": formats.now()})


def address_for_app(state: Row, *, email: str, portal_name: str) -> str:
    """The otpauth:// address that an authenticator app reads from a QR code."""
    return pyotp.TOTP(sealing.unseal(state["secret"])).provisioning_uri(name=email, issuer_name=portal_name)


def secret_of(state: Row) -> str:
    """The secret in groups of four, for typing where no camera is."""
    plain = sealing.unseal(state["secret"])
    return " ".join(plain[start:start + 4] for start in range(0, len(plain), 4))


def confirm(tx: Transaction, actor: Actor, state: Row, code: str) -> list[str]:
    """Turns the second step on and answers the recovery codes, to be shown once. Raises Refused for a wrong code."""
    step = _matching_step(state, code)
    if step is None:
        raise Refused("This code is not right. Wait for the next one in your app and enter that.", field="code")
    tx.update("two_step", {"confirmed_at": formats.now(), "last_step": step}, expect=1,
              filters={"user_id_eq": state["user_id"], "secret_eq": state["secret"]})
    audit.record(tx, actor, "turned on two-step sign-in", "user", state["user_id"])
    return renew_recovery_codes(tx, state["user_id"])


def replace_recovery_codes(tx: Transaction, actor: Actor, user_id: int) -> list[str]:
    """Ten new recovery codes because a colleague asked for them; answers them, to be shown once."""
    audit.record(tx, actor, "renewed recovery codes", "user", user_id)
    return renew_recovery_codes(tx, user_id)


def renew_recovery_codes(tx: Transaction, user_id: int) -> list[str]:
    """Ten new recovery codes; those before are worth nothing any more. Only their hashes are kept."""
    codes = ["-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(3))
             for _ in range(RECOVERY_CODES)]
    tx.delete("recovery_codes", filters={"user_id_eq": user_id})
    tx.insert("recovery_codes", [{"code_hash": _hash(user_id, code), "user_id": user_id} for code in codes],
              returning=False)
    return codes


def turn_off(tx: Transaction, actor: Actor, user_id: int) -> None:
    """Takes the second step away: by the colleague, or by an administrator when the phone and the codes are lost."""
    tx.delete("two_step", filters={"user_id_eq": user_id})
    tx.delete("recovery_codes", filters={"user_id_eq": user_id})
    by = "turned off" if actor.user_id == user_id else "reset"
    audit.record(tx, actor, f"{by} two-step sign-in", "user", user_id)


def reset(tx: Transaction, actor: Actor, user_id: int) -> None:
    """Lets a colleague begin anew without a second step, signed out everywhere. Raises Refused for oneself."""
    if actor.user_id == user_id:
        raise Refused("Turn off your own second step under Your account.")
    turn_off(tx, actor, user_id)
    sessions.end_all(tx, user_id)


def use(tx: Transaction, actor: Actor, state: Row, code: str) -> None:
    """Takes a code of the app or a recovery code; it is used up with `tx`, whose end raises Conflict when another
    request used it first.

    Raises Refused for a wrong or used code, TooManyAttempts after too many.
    """
    user_id = state["user_id"]
    counted = {f"code:{user_id}": brakes.FREE_FAILURES["pair"]}
    brakes.count(counted)
    step = _matching_step(state, code)
    if step is not None:
        tx.update("two_step", {"last_step": step}, expect=1,
                  filters={"user_id_eq": user_id, "last_step_eq": state["last_step"], "secret_eq": state["secret"]})
    elif (found := _recovery_code(user_id, code)) is not None:
        tx.update("recovery_codes", {"used_at": formats.now()}, expect=1,
                  filters={"code_hash_eq": found, "used_at_is": None})
        audit.record(tx, actor, "signed in with a recovery code", "user", user_id)
    else:
        raise Refused(WRONG, field="code")
    brakes.take_back(counted)


def _matching_step(state: Row, code: str) -> int | None:
    """The 30 seconds whose code this is, none that was used before: a code read over the shoulder is worth nothing."""
    plain = re.sub(r"\s", "", code)
    if not re.fullmatch(r"[0-9]{6}", plain):
        return None
    app, now = pyotp.TOTP(sealing.unseal(state["secret"])), int(time.time()) // STEP
    for step in range(now - CLOCKS_APART, now + CLOCKS_APART + 1):
        if step > state["last_step"] and hmac.compare_digest(app.at(step * STEP), plain):
            return step
    return None


def _recovery_code(user_id: int, code: str) -> str | None:
    plain = re.sub(r"[^a-z0-9]", "", code.lower())
    if len(plain) != 15:
        return None
    hashed = _hash(user_id, "-".join((plain[:5], plain[5:10], plain[10:])))
    found = execute_query("recovery_codes", columns="code_hash",
                          filters={"code_hash": hashed, "user_id": user_id, "used_at_is": None}, limit=1).data
    return hashed if found else None


def _hash(user_id: int, code: str) -> str:
    """A recovery code has 74 bits of chance: a fast hash is enough, and the row can be found by it."""
    return hashlib.sha256(f"{user_id}:{code}".encode()).hexdigest()
