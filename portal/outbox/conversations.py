"""The rules of a conversation: when it may be answered, who deals with it, what counts as read."""

from datetime import datetime
from typing import Any

from database_pool import Transaction
from portal import audit
from portal.errors import Refused
from portal.formats import now
from portal.outbox import queries
from portal.outbox.inputs import ReplyInput
from portal.outbox.service import NewMessage, queue_message

Row = dict[str, Any]


def open_until(last_inbound_at: datetime | None) -> datetime | None:
    """Until when free text may be sent to somebody who last wrote at this moment; None when that is over."""
    return last_inbound_at + queries.WINDOW if queries.is_open(last_inbound_at) and last_inbound_at else None


def why_no_answer(thread: Row) -> str:
    """Why this conversation cannot be answered now, or ""."""
    if thread["channel"] != "whatsapp":
        return "Answer e-mails from your mail program."
    if thread["opted_out_at"] and (thread["last_inbound_at"] or thread["opted_out_at"]) <= thread["opted_out_at"]:
        return "This person asked to stop. You can answer when they write again."
    if open_until(thread["last_inbound_at"]) is None:
        return ("The last message is older than 24 hours. WhatsApp now delivers approved templates only, for example "
                "a reminder from the policy's page.")  # fmt: skip
    return ""


def answer(tx: Transaction, actor: audit.Actor, thread: Row, data: ReplyInput) -> int | None:
    """Queues a colleague's answer, ahead of everything else; from then on the conversation is staff's.

    Raises Refused when it cannot be answered now.
    """
    if refusal := why_no_answer(thread):
        raise Refused(refusal, field="text")
    message_id = queue_message(tx, actor, NewMessage(
        channel="whatsapp", purpose="reply", key=f"answer:{thread['contact_id']}:{data.form_key}", to=thread["address"],
        client_id=thread["client_id"] if thread["clients"] == 1 else None, text=data.text, priority=1))  # fmt: skip
    if message_id is not None:
        audit.record(tx, actor, "answer", "message", message_id, client_id=thread["client_id"])
        hand_over(tx, thread["channel"], thread["address"])
    return message_id


def hand_over(tx: Transaction, channel: str, address: str) -> None:
    """The conversation waits for staff: it is marked in the inbox, and the bot keeps quiet."""
    tx.upsert("contacts", {"channel": channel, "address": address, "waits_for_staff_since": now()},
              on_conflict="channel, address")  # fmt: skip


def hand_back(tx: Transaction, actor: audit.Actor, channel: str, address: str) -> None:
    """Staff has dealt with the conversation."""
    tx.update("contacts", {"waits_for_staff_since": None, "unread": 0},
              filters={"channel_eq": channel, "address_eq": address})  # fmt: skip


def mark_read(tx: Transaction, thread: Row) -> None:
    """Somebody who may answer has seen it; what came in meanwhile stays unread."""
    tx.update("contacts", {"unread": 0}, filters={"contact_id_eq": thread["contact_id"], "unread_eq": thread["unread"]})
    unseen = {"channel_eq": thread["channel"], "address_eq": thread["address"], "seen_at_is": None}
    tx.update("inbound_messages", {"seen_at": now()}, filters=unseen)
