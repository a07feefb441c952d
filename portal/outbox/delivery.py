"""May this message go out now, and in which form? Pure rules over one row of the view message_to_send."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Literal

from portal.formats import OFFICE_ZONE, office_time
from portal.outbox import queries

Row = dict[str, Any]

# TRAI's hours for promotions, which the office keeps for reminders as well.
QUIET_FROM = time(21)
QUIET_UNTIL = time(9)
# A channel that the provider refuses as a whole. A rest that ends later than this was counted from a clock that was
# ahead and has been set back; the minute is for clocks of machines that differ.
CHANNEL_RESTS = timedelta(minutes=15)
LONGEST_REST = CHANNEL_RESTS + timedelta(minutes=1)

NO_CONSENT = {
    "whatsapp": "The client has not agreed to WhatsApp messages.",
    "email": "The client has not agreed to e-mails.",
}
OPTED_OUT = "The recipient asked to stop."
NO_PROMOTIONS = "The recipient has not agreed to promotions."
IN_THE_TRASH = "The client is in the trash."
JOB_STOPPED = "The job was stopped."
WINDOW_OVER = "The recipient has not written for 24 hours: only an approved template goes out, and there is none."


@dataclass(frozen=True)
class Send:
    """Now, as the provider's approved template or as free text."""

    as_template: bool


@dataclass(frozen=True)
class Wait:
    """Not before this moment."""

    until: datetime
    reason: str


@dataclass(frozen=True)
class Drop:
    """Not at all, for a reason that staff can read."""

    state: Literal["suppressed", "expired", "failed", "cancelled"]
    reason: str


Decision = Send | Wait | Drop


def decide(message: Row, moment: datetime, *, window: bool) -> Decision:
    """What to do with a message that waits. `window`: its channel has WhatsApp's rule of 24 hours."""
    if message["stopped"]:
        return Drop("cancelled", JOB_STOPPED)
    if message["expires_at"] and message["expires_at"] <= moment:
        return Drop("expired", f"It made sense until {office_time(message['expires_at'])} and could not go out before.")
    if refusal := why_not(message):
        return Drop("suppressed", refusal)
    # Somebody who presses a button (priority 1) or who wrote to us waits for the message.
    if message["purpose"] != "reply" and message["priority"] > 1 and (morning := end_of_quiet_hours(moment)):
        return Wait(morning, "Waits for the morning: nothing is sent from 21:00 to 09:00.")
    if message["paused_until"] and moment < message["paused_until"] <= moment + LONGEST_REST:
        return Wait(message["paused_until"], message["pause_reason"])
    return _form(message) if window else Send(as_template=False)


def why_not(message: Row) -> str:
    """The sentence that forbids writing to this recipient at all, or ""."""
    if message["client_deleted_at"]:
        return IN_THE_TRASH
    if message["unreachable_at"]:
        return message["unreachable_reason"] or "The address cannot be reached."
    if message["purpose"] == "reply":
        return ""
    if message["opted_out_at"]:
        return OPTED_OUT
    if message["client_opted_in"] is False or message["address_opted_in"] is False:
        return NO_CONSENT[message["channel"]]
    if message["purpose"] == "marketing" and (message["marketing_opted_out_at"] or not message["marketing_consent"]):
        return NO_PROMOTIONS
    return ""


def end_of_quiet_hours(moment: datetime) -> datetime | None:
    """When the quiet hours end in which a moment lies, on the office's clock; None outside them."""
    local = moment.astimezone(OFFICE_ZONE)
    if QUIET_UNTIL <= local.time() < QUIET_FROM:
        return None
    day = local.date() + timedelta(days=1 if local.time() >= QUIET_FROM else 0)
    return datetime.combine(day, QUIET_UNTIL, OFFICE_ZONE)


def pause_before(attempt: int, wait: float, retry_after: float | None, chance: float) -> timedelta:
    """How long to wait after a failed attempt: doubled each time up to ten times `wait`, with jitter; Retry-After wins.

    `chance` is a random number from 0 to 1: thousands that failed together must not come back together.
    """
    longest = max(10 * wait, 600.0)
    seconds = min(wait * 2 ** min(attempt - 1, 16), longest) * (0.75 + chance / 2)
    return timedelta(seconds=max(seconds, (retry_after or 0.0) * (1 + chance / 10)))


def _form(message: Row) -> Decision:
    approved = bool(message["provider_template_id"])
    if queries.is_open(message["last_inbound_at"]) and not (message["as_template"] and approved):
        return Send(as_template=False)
    return Send(as_template=True) if approved else Drop("failed", WINDOW_OVER)
