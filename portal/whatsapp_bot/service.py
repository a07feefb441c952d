"""Answering one message: the turn of the conversation, and everything it changes, in one transaction."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from database_pool import Transaction
from portal import audit
from portal.errors import Refused
from portal.formats import now, today
from portal.outbox import consent, conversations
from portal.outbox.service import NewMessage, queue_messages
from portal.policies.notices import agency_name
from portal.settings.queries import setting
from portal.whatsapp_bot import conversation, queries
from portal.whatsapp_bot.conversation import Reply, Said, Sender, Talk, Turn

Row = dict[str, Any]
# WhatsApp takes free text for 24 hours after the message it answers.
ANSWERABLE_FOR = timedelta(hours=23, minutes=50)
REPLY_PRIORITY = 1


def answer(tx: Transaction, inbound: Row) -> Turn:
    """Answers one inbound message and notes that it is answered.

    The end of `tx` raises Conflict when another worker answered it, or another message of this sender, meanwhile:
    nothing was written then, and the conversation is to be read again.
    """
    stored, known = queries.session(inbound["address"]), queries.contact(inbound["address"]) or {}
    sender = Sender(
        inbound["address"],
        inbound["phone"],
        opted_out=known.get("opted_out_at") is not None or known.get("marketing_opted_out_at") is not None,
        waits_for_staff=known.get("waits_for_staff_since") is not None,
    )
    said = Said(inbound["payload"] or inbound["body"], inbound["kind"], inbound["received_at"], today())
    last_at = stored["last_at"] if stored else None
    turn = conversation.answer(_talk(stored, inbound["phone"]), sender, said, last_at=last_at)
    _write_answer(tx, inbound, stored, turn)
    _write_contact(tx, inbound, turn)
    try:
        _reply(tx, inbound, turn)
    except Refused:
        # A template was switched off, or names what the bot does not have: people answer then.
        conversations.hand_over(tx, "whatsapp", inbound["address"])
    return turn


def hand_back(tx: Transaction, actor: audit.Actor, stored: Row) -> None:
    """Lets the bot answer a sender again who was left to colleagues."""
    tx.update(
        "bot_sessions",
        {"step": "start", "choices": [], "misses": 0, "tries": 0, "locked_until": None},
        filters={"address_eq": stored["address"], "version_eq": stored["version"]},
        expect=1,
    )
    conversations.hand_back(tx, actor, "whatsapp", stored["address"])
    audit.record(tx, actor, "hand back", "conversation", stored["contact_id"] or "-", client_id=stored["client_id"])


def _talk(stored: Row | None, phone: str | None) -> Talk:
    if stored is None:
        clients = queries.clients_of_phone(phone) if phone else []
        return Talk(language=clients[0]["language"] if clients else "en")
    columns = {name: stored[name] for name in Talk.__dataclass_fields__}
    return Talk(**{**columns, "choices": tuple(stored["choices"])})


def _write_answer(tx: Transaction, inbound: Row, stored: Row | None, turn: Turn) -> None:
    values = {**asdict(turn.talk), "choices": list(turn.talk.choices), "last_at": inbound["received_at"]}
    if stored is None:
        tx.insert("bot_sessions", {"address": inbound["address"], **values}, returning=False)
    else:
        guard = {"address_eq": inbound["address"], "version_eq": stored["version"]}
        tx.update("bot_sessions", values, filters=guard, expect=1)
    note = {"inbound_id": inbound["inbound_id"], "address": inbound["address"], "understood": turn.understood}
    tx.insert("bot_answers", note, returning=False)


def _write_contact(tx: Transaction, inbound: Row, turn: Turn) -> None:
    """Colleagues see as unread what waits for them, not what the bot has answered."""
    address = inbound["address"]
    if turn.consent == "start":
        consent.opt_in(tx, audit.THE_PORTAL, channel="whatsapp", address=address)
    elif turn.consent:
        scope: consent.Scope = "all" if turn.consent == "stop" else "marketing"
        for one in (address, *turn.numbers):
            consent.opt_out(tx, audit.THE_PORTAL, channel="whatsapp", address=one, scope=scope)
    if turn.calls_staff:
        conversations.hand_over(tx, "whatsapp", address)
    else:
        where = {"channel_eq": "whatsapp", "address_eq": address}
        tx.update("contacts", {"unread": 0, "waits_for_staff_since": None}, filters=where)
        tx.update("inbound_messages", {"seen_at": now()}, filters={"inbound_id_eq": inbound["inbound_id"]})


def _reply(tx: Transaction, inbound: Row, turn: Turn) -> None:
    company = setting("company")
    queue_messages(
        tx,
        audit.THE_PORTAL,
        [_message(inbound, turn, number, reply, agency_name(company)) for number, reply in enumerate(turn.replies, 1)],
    )


def _message(inbound: Row, turn: Turn, number: int, reply: Reply, agency: str) -> NewMessage:
    return NewMessage(
        channel="whatsapp",
        purpose="reply",
        key=f"bot:{inbound['inbound_id']}:{number}",
        to=inbound["address"],
        client_id=turn.talk.client_id,
        policy_id=reply.policy_id,
        language=turn.talk.language,
        template=reply.template,
        variables={"agency": agency, **reply.variables},
        document_ids=reply.document_ids,
        expires_at=inbound["received_at"] + ANSWERABLE_FOR,
        priority=REPLY_PRIORITY,
    )
