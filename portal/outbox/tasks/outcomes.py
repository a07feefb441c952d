"""What came of an attempt, written into the message's row: always guarded, since a report may have been faster."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from database_pool import Transaction, transaction
from portal.formats import now
from portal.gateways.interface import Accepted, Gateway, Kind, SendFailed, Verdict
from portal.outbox import delivery, queries
from task_queue import EndsWith

Row = dict[str, Any]

FIRST_LOOK = timedelta(seconds=20)   # after which a provider knows of a message whose answer was lost
MOST_RESTS = 2   # of a channel for one message's sake, while others go out
OTHERS_WENT_OUT = " Others went out meanwhile, so this one is given up."
NO_TEMPLATE = " There is no approved template for this message."


def accepted(
    message: Row, token: str, attempt: int, answer: Accepted, provider: str, *, as_template: bool
) -> EndsWith:  # fmt: skip
    """How a task ends whose message the provider took: with the message's new state in the same trip.

    Whoever dies before it leaves the message unclear, as if the answer had been lost.
    """
    row = {
        "id": message["message_id"], "token": token, "attempt": attempt, "state": answer.state, "provider": provider,
        "provider_id": answer.provider_id or None, "as_template": as_template}  # fmt: skip
    return EndsWith("accept_messages", row, {"state": answer.state, "provider_id": answer.provider_id})


def failed(
    message: Row, token: str, attempt: int, error: SendFailed, gateway: Gateway
) -> timedelta | None:
    """An attempt failed. Answers after what pause to look at the message again, or None when it is over."""
    verdict, moment = error.verdict, now()
    pause: timedelta | None = None
    change: Row
    mine = {"message_id_eq": message["message_id"], "claim_token_eq": token, "state_eq": "sending"}
    with transaction() as tx:
        if verdict.kind == Kind.UNCLEAR:
            pause = FIRST_LOOK
            change = {"state": "unclear", "unclear_since": moment, "reason": verdict.sentence, "error_code": error.code}
        else:
            if verdict.kind == Kind.CHANNEL and _is_its_own(message, error.code, gateway.name):
                verdict = replace(verdict, kind=Kind.PERMANENT, sentence=verdict.sentence + OTHERS_WENT_OUT)
            change = _after(tx, message, attempt, verdict, error.code, moment, error.retry_after)
            pause = change["not_before"] - moment if change["state"] == "queued" else None
        tx.update("messages", {**change, "state_at": moment}, filters=mine)
        note(tx, message["message_id"], "unclear" if verdict.kind == Kind.UNCLEAR else "refused", attempt=attempt,
             provider=gateway.name, code=error.code, detail=verdict.sentence)  # fmt: skip
    return pause


def judged(tx: Transaction, message: Row, verdict: Verdict, code: str) -> Row:
    """What follows from a failure that the provider reported; the change of the row, which the caller guards."""
    return _after(tx, message, message["attempts"], verdict, code, now())


def drop(message: Row, decision: delivery.Drop) -> None:
    """The message does not go out, for a reason that staff can read."""
    with transaction() as tx:
        tx.update(
            "messages",
            {"state": decision.state, "state_at": now(), "reason": decision.reason, "error_code": None},
            filters={"message_id_eq": message["message_id"], "state_in": ["queued", "unclear"]},
        )
        note(tx, message["message_id"], decision.state, detail=decision.reason)


def wait(message: Row, decision: delivery.Wait) -> None:
    """The message waits, and its row says until when and why. An unclear one stays unclear: only its task waits."""
    with transaction() as tx:
        tx.update(
            "messages",
            {"not_before": decision.until, "reason": decision.reason},
            filters={"message_id_eq": message["message_id"], "state_eq": "queued"},
        )


def note(
    tx: Transaction, message_id: int, status: str, *, attempt: int | None = None, provider: str | None = None,
    code: str | None = None, detail: str | None = None,
) -> None:  # fmt: skip
    """One step of the portal's own, for the message's history."""
    told = " ".join(part for part in (f"[{provider}]" if provider else "", detail or "") if part)
    tx.insert(
        "message_events",
        {"message_id": message_id, "attempt": attempt, "source": "portal", "status": status, "error_code": code,
         "detail": told or None},
        returning=False,
    )  # fmt: skip


def _is_its_own(message: Row, code: str, provider: str) -> bool:
    """Whether an error that speaks of the account is this message's: it met it before, and others went out since."""
    met = queries.refusals(message["message_id"], code, limit=MOST_RESTS)
    return len(met) == MOST_RESTS and queries.went_out(provider, min(met))


def _after(
    tx: Transaction, message: Row, attempt: int, verdict: Verdict, code: str, moment: datetime,
    retry_after: float | None = None,
) -> Row:  # fmt: skip
    """The row's new state after a failure that is certain: queued again, or failed."""
    over: Row = {"state": "failed", "reason": verdict.sentence, "error_code": code, "settled": True}
    again: Row = {"state": "queued", "open_attempt": None, "reason": verdict.sentence, "error_code": code,
                  "settled": True, "unclear_since": None}  # fmt: skip
    tries = attempt - message["tries_from"]
    if verdict.kind == Kind.RETRY and tries < verdict.tries:
        pause = delivery.pause_before(tries, verdict.wait, retry_after, random.random())
        return {**again, "not_before": moment + pause}
    if verdict.kind == Kind.TEMPLATE:
        if message["provider_template_id"] and not message["as_template"]:
            return {**again, "as_template": True, "not_before": moment}
        return {**over, "reason": verdict.sentence + NO_TEMPLATE}
    if verdict.kind == Kind.CHANNEL:
        until = moment + delivery.CHANNEL_RESTS
        rest = {"channel": message["channel"], "paused_until": until, "reason": verdict.sentence, "error_code": code}
        tx.upsert("channel_pauses", rest, on_conflict="channel")
        return {**again, "not_before": until, "tries_from": attempt}
    if verdict.kind == Kind.SUPPRESS:
        _flag(tx, message, verdict)
    return over


def _flag(tx: Transaction, message: Row, verdict: Verdict) -> None:
    """Nothing more to an address that cannot be reached or asked to stop."""
    ways: dict[str, Row] = {
        "unreachable": {"unreachable_at": now(), "unreachable_reason": verdict.sentence},
        "stop": {"opted_out_at": now()},
        "promotions": {"marketing_opted_out_at": now()},
    }
    flags = ways[verdict.blocks]
    address = {"channel": message["channel"], "address": message["recipient"]}
    tx.upsert("contacts", {**address, **flags}, on_conflict="channel, address")
