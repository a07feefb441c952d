"""Putting messages into the outbox and taking them out again. What happens to them then is delivery.py's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from database_pool import Transaction, new_ids
from portal import audit
from portal.errors import Refused
from portal.formats import now
from portal.outbox import queries, wording
from portal.outbox.inputs import TestInput
from task_queue import enqueue, enqueue_many

Row = dict[str, Any]
Templates = dict[tuple[str, str, str], Row]
Channel = Literal["whatsapp", "email"]
Purpose = Literal["service", "marketing", "reply"]
CHANNELS = {"whatsapp": "WhatsApp", "email": "E-mail"}
# WhatsApp's own limit is 4,096 characters for free text, Twilio's 1,600.
LONGEST_WHATSAPP = 1600
LONGEST_EMAIL = 100_000
DELIVER = "outbox.deliver"


@dataclass(frozen=True)
class NewMessage:
    """A message to be sent.

    `key` is made of business facts ("reminder:policy 7:2026-12-31:D-7:whatsapp"): the same key is one message, however
    often it is asked for. `to` is a phone in E.164, an e-mail address, or the user id of a WhatsApp sender without a
    number. With a `template` text and subject come from it and `variables`; both are frozen in the message.
    `not_before` and `expires_at` are moments: a message that could not go out before `expires_at` is not sent at all. A
    "reply" answers what the person wrote; "service" and "marketing" need consent and keep the quiet hours, unless
    somebody waits for the message (priority 1).
    """

    channel: Channel
    purpose: Purpose
    key: str
    to: str
    client_id: str | None = None
    policy_id: int | None = None
    language: str = "en"
    template: str | None = None
    variables: dict[str, str] = field(default_factory=dict)
    text: str = ""
    subject: str = ""
    document_ids: tuple[int, ...] = ()
    not_before: datetime | None = None
    expires_at: datetime | None = None
    priority: int = 2
    batch_id: str | None = None


def queue_message(tx: Transaction, actor: audit.Actor, message: NewMessage) -> int | None:
    """Adds a message with the task that sends it, and answers its id; None when its key exists already.

    Raises Refused for a template that does not exist, a variable that is missing, a text that is empty or too long.
    Two processes with one key at the same moment: the end of one of their transactions raises Duplicate.
    """
    return queue_messages(tx, actor, [message])[0]


def queue_messages(tx: Transaction, actor: audit.Actor, messages: Sequence[NewMessage]) -> list[int | None]:
    """Like queue_message for many at once, with one question for their keys and one for each template."""
    known = queries.known_keys(message.key for message in messages)
    templates: Templates = {}
    wanted = [message for message in messages if message.key not in known]
    fresh = list({message.key: message for message in wanted}.values())
    ids = dict(zip((message.key for message in fresh), new_ids("messages", len(fresh)) if fresh else [], strict=True))
    moment = now()
    rows = [_row(message, ids[message.key], moment, actor, templates) for message in fresh]
    if rows:
        tx.insert("messages", rows, returning=False)
        _enqueue(tx, rows)
    return [ids.pop(message.key, None) for message in messages]


def cancel_waiting(tx: Transaction, actor: audit.Actor, *, policy_id: int, kind_prefix: str = "reminder:") -> None:
    """Cancels a policy's messages that wait and whose key begins with `kind_prefix`.

    The trail tells of the change of the policy that was the reason; each message says so itself.
    """
    pattern = kind_prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    tx.update(
        "messages",
        {"state": "cancelled", "state_at": now(), "reason": "The policy changed."},
        filters={"policy_id_eq": policy_id, "state_eq": "queued", "key_like": pattern},
    )


def cancel(tx: Transaction, actor: audit.Actor, message: Row) -> None:
    """Cancels one message that waits. Conflict when it is on its way meanwhile."""
    tx.update(
        "messages",
        {"state": "cancelled", "state_at": now(), "reason": "Cancelled by a colleague."},
        filters={"message_id_eq": message["message_id"], "state_eq": "queued"},
        expect=1,
    )
    _note(tx, message["message_id"], "cancelled")
    audit.record(tx, actor, "cancel", "message", message["message_id"], client_id=message["client_id"])


def retry(tx: Transaction, actor: audit.Actor, message: Row) -> None:
    """Puts a message that failed, or of which nobody knows whether it arrived, back into the queue with all its tries.

    Conflict when it moved on meanwhile. A message whose validity is over stays as it is: Refused.
    """
    if message["expires_at"] and message["expires_at"] < now():
        raise Refused("The time in which this message made sense is over. Write a new one.")
    tx.update(
        "messages",
        {"state": "queued", "state_at": now(), "not_before": now(), "open_attempt": None, "unclear_since": None,
         "error_code": None, "reason": None, "settled": True, "left_to_staff": False,
         "tries_from": message["attempts"]},
        filters={"message_id_eq": message["message_id"], "state_in": ["failed", "unclear", "suppressed", "kept"],
                 "state_at_eq": message["state_at"]},
        expect=1,
    )  # fmt: skip
    _note(tx, message["message_id"], "queued", detail="Sent again by a colleague.")
    enqueue(tx, DELIVER, message_id=message["message_id"], priority=message["priority"],
            unique_key=task_key(message["message_id"]))
    audit.record(tx, actor, "send again", "message", message["message_id"], client_id=message["client_id"])


def queue_test(tx: Transaction, actor: audit.Actor, data: TestInput, *, name: str) -> int | None:
    """Queues a test message to an address that a colleague typed; None when this form was sent before."""
    text = f"This is a test message of the insurance portal, sent by {name}."
    return queue_message(tx, actor, NewMessage(
        channel=data.channel, purpose="service", key=f"test:{data.form_key}", to=data.to, text=text,
        subject="Test message of the insurance portal", priority=1))  # fmt: skip


def resume_channel(tx: Transaction, actor: audit.Actor, channel: str) -> None:
    """Ends the rest of a channel: the next message tries it, those that wait follow within a quarter of an hour."""
    tx.delete("channel_pauses", filters={"channel_eq": channel})
    audit.record(tx, actor, "resume", "channel", channel)


def task_key(message_id: int) -> str:
    """The unique key of the task that looks after a message: there is one at a time."""
    return f"{DELIVER}:{message_id}"


def _row(
    message: NewMessage, message_id: int, moment: datetime, actor: audit.Actor, templates: Templates
) -> Row:
    subject, body, html_body, language = message.subject, message.text, None, message.language
    if message.template:
        template = _template(message, templates)
        language = template["language"]
        subject = wording.fill(template["subject"] or "", message.variables)
        body = wording.fill(template["body"], message.variables)
        if template["html_body"]:
            html_body = wording.fill(template["html_body"], message.variables, as_html=True)
    _check(message, body)
    return {
        "message_id": message_id, "key": message.key, "channel": message.channel, "purpose": message.purpose,
        "recipient": message.to, "client_id": message.client_id, "policy_id": message.policy_id, "language": language,
        "template_key": message.template, "variables": message.variables, "subject": subject or None, "body": body,
        "html_body": html_body, "document_ids": list(message.document_ids), "priority": message.priority,
        "batch_id": message.batch_id, "not_before": message.not_before or moment, "expires_at": message.expires_at,
        "created_by": actor.user_id,
    }  # fmt: skip


def _template(message: NewMessage, known: Templates) -> Row:
    wanted = (message.template or "", message.channel, message.language)
    if wanted not in known:
        found = queries.template(*wanted)
        if found is None:
            raise Refused(f"There is no {CHANNELS[message.channel]} template called {message.template}.")
        known[wanted] = found
    return known[wanted]


def _check(message: NewMessage, body: str) -> None:
    longest = LONGEST_WHATSAPP if message.channel == "whatsapp" else LONGEST_EMAIL
    if not message.to:
        raise Refused("The message has no recipient.")
    if message.channel == "whatsapp" and len(message.document_ids) > 1:
        raise Refused("One WhatsApp message carries one document. Send the others as messages of their own.")
    if not body.strip() and not message.document_ids:
        raise Refused("The message has no text.", field="text")
    if len(body) > longest:
        raise Refused(f"The message has {len(body):,} characters; at most {longest:,} fit into one.", field="text")


def _enqueue(tx: Transaction, rows: list[Row]) -> None:
    """One call for all of one moment and urgency."""
    groups: dict[tuple[int, datetime, str | None], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["priority"], row["not_before"], row["batch_id"]), []).append(row)
    for (priority, run_at, batch_id), together in groups.items():
        enqueue_many(
            tx,
            "outbox.deliver",
            [{"message_id": row["message_id"]} for row in together],
            priority=priority,
            run_at=run_at,
            batch_id=batch_id,
            unique_keys=[task_key(row["message_id"]) for row in together],
        )


def _note(tx: Transaction, message_id: int, status: str, *, detail: str | None = None) -> None:
    tx.insert(
        "message_events",
        {"message_id": message_id, "source": "portal", "status": status, "detail": detail},
        returning=False,
    )
