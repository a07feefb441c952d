"""Storing what providers sent, each thing once, with the task that does the work it asks for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from database_pool import Transaction, new_ids
from portal.outbox import queries
from portal.outbox.webhooks import Inbound, Status
from task_queue import enqueue, knows

Row = dict[str, Any]
# The bot comes after this area: it is asked by name where there is one.
ANSWER = "whatsapp_bot.answer"


@dataclass(frozen=True)
class News:
    """What of an arrival is not stored yet. Statuses name the message they are about, where it is known."""

    inbound: tuple[Inbound, ...]
    statuses: tuple[Status, ...]

    def __bool__(self) -> bool:
        return bool(self.inbound or self.statuses)


def news(inbound: Sequence[Inbound], statuses: Sequence[Status]) -> News:
    """Without what is stored already, and without repetitions: a provider sends everything at least once.

    Who stores the same at the same moment is told by Duplicate at the end of the transaction, and asks again.
    """
    messages = {(one.provider, one.provider_id): one for one in inbound}
    reports = {(one.provider, one.provider_id, one.status): one for one in statuses}
    stored = queries.stored_inbound({key[1] for key in messages})
    heard = queries.stored_events({key[1] for key in reports})
    fresh = [one for key, one in messages.items() if key not in stored]
    unheard = [one for key, one in reports.items() if key not in heard]
    return News(tuple(fresh), tuple(_with_message(unheard)))


def store(tx: Transaction, found: News) -> list[int]:
    """Adds messages and reports with their tasks, and answers the ids of the messages. Reports move ours forward."""
    ids = new_ids("inbound_messages", len(found.inbound)) if found.inbound else []
    if ids:
        rows = [_inbound_row(number, one) for number, one in zip(ids, found.inbound, strict=True)]
        tx.insert("inbound_messages", rows, returning=False)
    for inbound_id, one in zip(ids, found.inbound, strict=True):
        if one.kind != "system" and knows(ANSWER):
            enqueue(tx, ANSWER, inbound_id=inbound_id, priority=1)
    hear(tx, found.statuses)
    return ids


def hear(tx: Transaction, statuses: Sequence[Status]) -> None:
    """Adds reports about messages; the database moves each message forward, and a failure is judged by a task."""
    if not statuses:
        return
    # In the order of messages: two processes that store at once must not wait for each other.
    ordered = sorted(statuses, key=lambda one: (one.message_id or 0, one.provider_id, one.happened_at))
    tx.insert("message_events", [_event_row(one) for one in ordered], returning=False)
    for message_id in sorted({one.message_id for one in ordered if one.status == "failed" and one.message_id}):
        enqueue(tx, "outbox.judge", message_id=message_id, unique_key=f"outbox.judge:{message_id}")


def _with_message(statuses: Sequence[Status]) -> list[Status]:
    """Statuses with the message they are about; another portal's (a test system on the same number) name none."""
    if not statuses:
        return []
    by_id, by_provider = queries.messages_behind(
        {one.message_id for one in statuses if one.message_id}, {one.provider_id for one in statuses})
    found = []
    for one in statuses:
        known = one.message_id if one.message_id in by_id else None
        message_id = known or by_provider.get(one.provider_id)
        found.append(replace(one, message_id=message_id, attempt=one.attempt if known else None))
    return found


def _inbound_row(inbound_id: int, one: Inbound) -> Row:
    return {
        "inbound_id": inbound_id, "provider": one.provider, "provider_id": one.provider_id, "channel": "whatsapp",
        "address": one.address, "phone": one.phone, "user_id": one.user_id, "profile_name": one.profile_name,
        "user_name": one.user_name, "kind": one.kind, "body": one.body, "payload": one.payload, "media": one.media,
        "reply_to": one.reply_to, "received_at": one.received_at,
    }  # fmt: skip


def _event_row(one: Status) -> Row:
    return {
        "message_id": one.message_id, "attempt": one.attempt, "source": one.provider, "provider_id": one.provider_id,
        "status": one.status, "error_code": one.code, "detail": one.detail, "happened_at": one.happened_at,
    }  # fmt: skip
