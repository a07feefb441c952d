"""Attempts that ended in the dark: a worker died between claim and answer, or the answer was lost.

Neither provider lets a sender repeat a message safely. So nothing is sent again before it is known, or as good as
known, that the first attempt did not arrive: by its report, which carries our own id, or by asking the provider.
"""

import logging
from datetime import timedelta
from typing import Any

from database_pool import transaction
from portal.formats import now
from portal.gateways.interface import Accepted, Gateway, Report, SendFailed
from portal.outbox import queries
from portal.outbox.tasks import outcomes
from task_queue import EndsWith, Postpone

logger = logging.getLogger(__name__)
Row = dict[str, Any]

# A request is given up after 35 seconds: until then whoever claimed the message may still be at it.
STILL_SENDING = timedelta(seconds=45)
REPORTS_WITHIN = timedelta(minutes=10)
ASK_AGAIN = timedelta(seconds=60)
MOST_BLIND_ATTEMPTS = 2
NOBODY_KNOWS = "Nobody can say whether this message was sent. Ask the client or look at the phone, then decide."


def look_up(message: Row, gateway: Gateway) -> Row | EndsWith | None:
    """What the task ends with when the message is over; None when a second attempt does no harm. Raises Postpone while
    nobody knows.
    """
    if message["state"] == "sending":
        _wait_for_its_sender(message)
    since = _since_claim(message)
    _wait_for(outcomes.FIRST_LOOK - since)
    if gateway.capabilities.finds:
        return _found(message, gateway)
    _wait_for(REPORTS_WITHIN - since)
    if not _silence_tells(message, gateway) or message["attempts"] >= MOST_BLIND_ATTEMPTS:
        _leave_to_staff(message)
        return {"state": "cleared up"}
    return None


def _silence_tells(message: Row, gateway: Gateway) -> bool:
    """Whether hearing nothing of this message means that it did not leave: on WhatsApp only while reports about others
    come in. Nobody reports about mail, whose second copy a mailbox can hide.
    """
    if not gateway.capabilities.window:
        return True
    return gateway.capabilities.echoes and queries.heard_of(gateway.name, message["claimed_at"])


def _since_claim(message: Row) -> timedelta:
    """None, where the claim was written by a clock that has been set back since."""
    since: timedelta = now() - message["claimed_at"]
    return max(timedelta(), since)


def _wait_for(rest: timedelta) -> None:
    if rest > timedelta():
        raise Postpone(after=rest.total_seconds())


def _wait_for_its_sender(message: Row) -> None:
    _wait_for(STILL_SENDING - _since_claim(message))
    with transaction() as tx:
        tx.update(
            "messages",
            {"state": "unclear", "state_at": now(), "unclear_since": now(), "reason": "The sending process ended."},
            filters={"message_id_eq": message["message_id"], "state_eq": "sending",
                     "claim_token_eq": message["claim_token"]},
        )  # fmt: skip
        outcomes.note(tx, message["message_id"], "unclear", attempt=message["attempts"], detail="The sender ended.")


def _found(message: Row, gateway: Gateway) -> EndsWith | None:
    """Asks the provider for messages to this recipient since the claim; one that no other row knows is this one."""
    try:
        reports = gateway.find(message["recipient"], message["claimed_at"])
    except SendFailed as error:
        logger.warning("the provider could not be asked: %s", error.code, extra={"record": message["message_id"]})
        raise Postpone(after=ASK_AGAIN.total_seconds()) from error
    others = queries.known_provider_ids([report.provider_id for report in reports])
    mine = next((one for one in reports if one.provider_id not in others and _same(message, one)), None)
    if mine is None:
        return None
    return outcomes.accepted(message, message["claim_token"], message["attempts"], Accepted(mine.provider_id),
                             gateway.name, as_template=message["as_template"])  # fmt: skip


def _same(message: Row, report: Report) -> bool:
    """Whether the texts are the same. What a template came to is the provider's own text, which cannot be compared."""
    return message["as_template"] or " ".join(report.text.split()) == " ".join(message["body"].split())


def _leave_to_staff(message: Row) -> None:
    with transaction() as tx:
        tx.update("messages", {"reason": NOBODY_KNOWS, "left_to_staff": True},
                  filters={"message_id_eq": message["message_id"], "state_eq": "unclear"})  # fmt: skip
        outcomes.note(tx, message["message_id"], "left to staff", detail=NOBODY_KNOWS)
