"""Questions about messages, the addresses they go to, and the consent to send them."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from database_pool import call_function, execute_query
from portal.formats import compact, now
from portal.freshness import Fresh
from portal.inputs import LARGEST_ID
from portal.outbox.inputs import Channel, LogFilter, ThreadFilter
from portal.paging import Listing, Page, Sort, read_page
from portal.settings.queries import escape_pattern

Row = dict[str, Any]

THREAD_SORTS = (Sort("newest", "last_inbound_at", "contact_id", "time", "whole", descending=True),)
SORTS = (
    Sort("newest", "created_at", "message_id", "time", "whole", descending=True),
    Sort("due", "not_before", "message_id", "time", "whole"),
    Sort("changed", "state_at", "message_id", "time", "whole", descending=True),
)
CHANNELS: tuple[Channel, ...] = get_args(Channel)
WAITING = ["queued", "sending", "unclear", "accepted"]

# WhatsApp lets a business write freely for 24 hours after the customer's last message; the ten minutes are for clocks
# that differ and for the way of the message.
WINDOW = timedelta(hours=23, minutes=50)
MOST_OF_ONE_RECORD = 200
MOST_EVENTS = 200
MOST_KEYS = 1000
LISTED = (
    "message_id, key, channel, purpose, recipient, client_id, client_name, policy_id, language, template_key, subject, "
    "beginning, document_ids, batch_id, state, not_before, expires_at, attempts, error_code, reason, sent_at, "
    "delivered_at, read_at, state_at, created_by_name, created_at"
)


@dataclass(frozen=True)
class Consent:
    """Whether one client may be written to over one channel. `why_not` is a sentence, or "" when they may."""

    service: bool
    marketing: bool
    why_not: str


def message(message_id: int) -> Row | None:
    """One message with everything that decides whether and how it goes out; None when there is none."""
    return messages([message_id])[0]


def messages(message_ids: Sequence[int]) -> list[Row | None]:
    """Several messages as `message` answers them, in the order of their ids here."""
    rows = call_function("messages_to_send", {"wanted": json.dumps(list(message_ids))}, read_only=True)
    found = {row["message_id"]: row for row in rows}
    return [found.get(message_id) for message_id in message_ids]


def known_keys(keys: Iterable[str]) -> set[str]:
    """Which of these idempotency keys have a message already."""
    wanted = sorted(set(keys))
    found: set[str] = set()
    for start in range(0, len(wanted), MOST_KEYS):
        part = wanted[start : start + MOST_KEYS]
        found |= {row["key"] for row in execute_query("messages", columns="key", filters={"key_in": part}).data}
    return found


def messages_of_client(client_id: str, *, limit: int = MOST_OF_ONE_RECORD) -> list[Row]:
    """What was written to a client, the latest first."""
    filters = {"client_id_eq": client_id}
    return execute_query(
        "message_list", columns=LISTED, filters=filters, order="message_id desc", limit=limit
    ).data


def messages_of_policy(policy_id: int, *, limit: int = MOST_OF_ONE_RECORD) -> list[Row]:
    """What was written about a policy, the latest first."""
    filters = {"policy_id_eq": policy_id}
    return execute_query(
        "message_list", columns=LISTED, filters=filters, order="message_id desc", limit=limit
    ).data


def known_provider_ids(provider_ids: Iterable[str]) -> set[str]:
    """Which of a provider's ids belong to a message already."""
    wanted = sorted(set(provider_ids))
    if not wanted:
        return set()
    rows = execute_query("messages", columns="provider_id", filters={"provider_id_in": wanted}).data
    return {row["provider_id"] for row in rows}


def heard_of(provider: str, since: datetime) -> bool:
    """Whether a provider reported anything about any message since a moment: its reports reach us."""
    filters = {"source_eq": provider, "stored_at_gt": since}
    return bool(execute_query("message_events", columns="event_id", filters=filters, limit=1).data)


def stored_inbound(provider_ids: Iterable[str]) -> set[tuple[str, str]]:
    """Which of these messages from outside are stored: (provider, its id)."""
    wanted = sorted(provider_ids)
    if not wanted:
        return set()
    rows = execute_query(
        "inbound_messages", columns="provider, provider_id", filters={"provider_id_in": wanted}
    ).data
    return {(row["provider"], row["provider_id"]) for row in rows}


def stored_events(provider_ids: Iterable[str]) -> set[tuple[str, str, str]]:
    """Which reports about these messages are stored: (provider, its id, status)."""
    wanted = sorted(provider_ids)
    if not wanted:
        return set()
    columns = "source, provider_id, status"
    rows = execute_query("message_events", columns=columns, filters={"provider_id_in": wanted}).data
    return {(row["source"], row["provider_id"], row["status"]) for row in rows}


def messages_behind(message_ids: Iterable[int], provider_ids: Iterable[str]) -> tuple[set[int], dict[str, int]]:
    """Which of these message ids exist, and which message has which of these providers' ids."""
    ways = [{"message_id_in": sorted(message_ids)}, {"provider_id_in": sorted(provider_ids)}]
    rows = execute_query("messages", columns="message_id, provider_id", filters={"or": ways}).data
    return {row["message_id"] for row in rows}, {row["provider_id"]: row["message_id"] for row in rows
                                                 if row["provider_id"]}  # fmt: skip


def inbound(inbound_id: int) -> Row | None:
    """One message from outside, or None."""
    rows = execute_query("inbound_messages", filters={"inbound_id_eq": inbound_id}, limit=1).data
    return rows[0] if rows else None


def left_behind(before: datetime, *, limit: int = MOST_KEYS) -> list[int]:
    """Messages that should have been looked at before this moment and may have lost their task."""
    ways = [
        {"state_eq": "queued", "not_before_lt": before},
        {"state_in": ["sending", "unclear"], "state_at_lt": before, "left_to_staff_eq": False},
    ]
    rows = execute_query(
        "messages", columns="message_id", filters={"or": ways}, order="not_before, message_id", limit=limit
    ).data
    return [row["message_id"] for row in rows]


def unjudged(before: datetime, *, limit: int = MOST_KEYS) -> list[int]:
    """Failures that were reported before this moment and that nobody has judged."""
    filters = {"settled_eq": False, "state_at_lt": before}
    rows = execute_query("messages", columns="message_id", filters=filters, order="state_at", limit=limit).data
    return [row["message_id"] for row in rows]


def silent(channel: str, provider: str, before: datetime, *, limit: int) -> list[Row]:
    """Messages on their way of which no report came since a moment, and that were not asked for since; not older than
    three days, after which no provider knows more."""
    filters = {
        "channel_eq": channel, "provider_eq": provider, "state_in": ["accepted", "sent"], "state_at_lt": before,
        "created_at_gt": now() - timedelta(days=3), "provider_id_not_is": None,
        "or": [{"asked_at_is": None}, {"asked_at_lt": before}],
    }  # fmt: skip
    columns = "message_id, provider_id, state, open_attempt"
    return execute_query("messages", columns=columns, filters=filters, order="state_at", limit=limit).data


def task_priority(task_id: int) -> int:
    """How urgent a task is, from 1 (high) to 3."""
    rows = execute_query("tasks", columns="priority", filters={"task_id_eq": task_id}, limit=1).data
    return int(rows[0]["priority"]) if rows else 2


def events_of(message_id: int) -> list[Row]:
    """What happened to a message, in the order it came in."""
    columns = "event_id, attempt, source, provider_id, status, error_code, detail, happened_at, stored_at"
    filters = {"message_id_eq": message_id}
    return execute_query(
        "message_events", columns=columns, filters=filters, order="event_id", limit=MOST_EVENTS
    ).data


def refusals(message_id: int, code: str, *, limit: int) -> list[datetime]:
    """When a message was last refused with this error, the latest first, since a colleague last sent it."""
    filters = {"message_id_eq": message_id, "source_eq": "portal", "status_in": ["refused", "queued"]}
    columns, order = "status, error_code, stored_at", "event_id desc"
    rows = execute_query("message_events", columns=columns, filters=filters, order=order, limit=MOST_EVENTS).data
    since = itertools.takewhile(lambda row: row["status"] == "refused", rows)
    return [row["stored_at"] for row in since if row["error_code"] == code][:limit]


def went_out(provider: str, since: datetime) -> bool:
    """Whether a provider took any message since a moment."""
    filters = {"source_eq": "portal", "stored_at_gt": since, "status_in": ["accepted", "sent"],
               "detail_eq": f"[{provider}]"}  # fmt: skip
    return bool(execute_query("message_events", columns="event_id", filters=filters, limit=1).data)


def contact(channel: str, address: str) -> Row | None:
    """What is known of an address, or None when nothing ever went to it or came from it."""
    rows = execute_query("contacts", filters={"channel_eq": channel, "address_eq": address}, limit=1).data
    return rows[0] if rows else None


def is_open(last_inbound_at: datetime | None, *, at: datetime | None = None) -> bool:
    """Whether WhatsApp allows free text, now or at a moment to come, to somebody who last wrote at this moment."""
    return last_inbound_at is not None and (at or now()) - last_inbound_at < WINDOW


def window_open(phone: str) -> bool:
    """Whether WhatsApp allows free text to this phone (E.164) or user id at this moment."""
    known = contact("whatsapp", phone)
    return is_open(known["last_inbound_at"] if known else None)


def consent_of(client_id: str, channel: str) -> Consent:
    """Whether a client agreed to messages over "whatsapp" or "email", and has not asked to stop since."""
    return consents_of([client_id])[client_id][channel]


def consents_of(client_ids: Iterable[str]) -> dict[str, dict[str, Consent]]:
    """The consent of several clients by channel, in one question. Who is not known has given none."""
    wanted = sorted(set(client_ids))
    rows = execute_query(
        "client_consent", filters={"client_id_in": wanted}, limit=len(wanted) * len(CHANNELS)
    ).data if wanted else []  # fmt: skip
    found = {(row["client_id"], row["channel"]): Consent(
        row["service"] and not row["why_not"], row["marketing"] and not row["why_not"], row["why_not"] or "")
        for row in rows}  # fmt: skip
    unknown = Consent(False, False, "There is no such client.")
    return {client_id: {channel: found.get((client_id, channel), unknown) for channel in CHANNELS}
            for client_id in wanted}  # fmt: skip


def template(key: str, channel: str, language: str) -> Row | None:
    """The active template of that key in a language, else in English, else None."""
    filters = {"key_eq": key, "channel_eq": channel, "language_in": [language, "en"], "is_active_eq": True}
    rows = execute_query("message_templates", filters=filters, limit=2).data
    return next((row for row in rows if row["language"] == language), rows[0] if rows else None)


def page_of_threads(wanted: Listing, narrowed: ThreadFilter, fresh: Fresh) -> Page:
    """One page of the people who wrote to us."""
    filters: dict[str, Any] = {"last_inbound_at_not_is": None}
    if narrowed.show == "unread":
        filters["unread_gt"] = 0
    if narrowed.show == "staff":
        filters["waits_for_staff_since_not_is"] = None
    if narrowed.q:
        pattern = f"%{escape_pattern(narrowed.q)}%"
        digits = f"%{escape_pattern(compact(narrowed.q))}%"
        filters["or"] = [{"address_ilike": digits}, {"profile_name_ilike": pattern}, {"client_name_ilike": pattern}]
        return read_page("message_threads", wanted, filters=filters)
    if narrowed.show == "all":
        total = fresh.value("threads", "everybody", lambda: _people(filters))
    else:
        total = _people(filters)
    return read_page("message_threads", wanted, filters=filters, total=total)


def _people(filters: dict[str, Any]) -> int:
    """How many addresses fit, counted without the messages and clients that belong to them."""
    return execute_query("contacts", columns="contact_id", filters=filters, limit=1, count=True).count or 0


def thread(contact_id: int) -> Row | None:
    """One of the people who wrote to us or whom we wrote to, or None."""
    rows = execute_query("message_threads", filters={"contact_id_eq": contact_id}, limit=1).data
    return rows[0] if rows else None


def thread_of(channel: str, address: str) -> Row | None:
    """The thread of an address, or None when nothing ever went to it or came from it."""
    rows = execute_query("message_threads", filters={"channel_eq": channel, "address_eq": address}, limit=1).data
    return rows[0] if rows else None


def conversation(channel: str, address: str, *, limit: int = MOST_OF_ONE_RECORD) -> list[Row]:
    """The last messages of a thread in both directions, oldest first."""
    rows = execute_query(
        "conversation", filters={"channel_eq": channel, "address_eq": address}, order="happened_at desc, id desc",
        limit=limit,
    ).data  # fmt: skip
    return rows[::-1]


def page_of_messages(wanted: Listing, narrowed: LogFilter) -> Page:
    """One page of the messages that match."""
    filters: dict[str, Any] = {}
    if narrowed.state:
        filters["state_in"] = WAITING if narrowed.state == "waiting" else [narrowed.state]
    exact = {
        "channel": narrowed.channel, "client_id": narrowed.client_id, "policy_id": narrowed.policy_id,
        "template_key": narrowed.template, "batch_id": narrowed.batch_id,
    }  # fmt: skip
    filters |= {f"{column}_eq": value for column, value in exact.items() if value is not None}
    if narrowed.recipient:
        filters["recipient_ilike"] = f"%{escape_pattern(narrowed.recipient.replace(' ', ''))}%"
    return read_page("message_list", wanted, filters=filters, columns=LISTED)


def message_page(message_id: int) -> Row | None:
    """One message as its page shows it, or None."""
    rows = execute_query("message_list", columns=LISTED, filters={"message_id_eq": message_id}, limit=1).data
    return rows[0] if rows else None


def template_choices() -> list[tuple[str, str]]:
    """Keys and titles of the templates, for a filter."""
    rows = execute_query("message_templates", columns="key, title", order="key", limit=MOST_KEYS, may_lag=True).data
    return sorted({row["key"]: row["title"] for row in rows}.items(), key=lambda pair: pair[1])


def pauses() -> list[Row]:
    """Channels that rest because their provider refuses the account."""
    return execute_query("channel_pauses", filters={"paused_until_gt": now()}, order="channel", limit=10).data


def last_report(provider: str) -> datetime | None:
    """When a provider last reported anything."""
    rows = execute_query(
        "message_events", columns="stored_at", filters={"source_eq": provider}, order="stored_at desc", limit=1
    ).data
    return rows[0]["stored_at"] if rows else None


def consents(client_id: str) -> list[Row]:
    """Everything a client agreed to or took back, the latest first."""
    filters = {"client_id_eq": client_id}
    return execute_query("consents", filters=filters, order="consent_id desc", limit=MOST_OF_ONE_RECORD).data


def templates() -> list[Row]:
    """Every message template with what it was at first, by key, channel and language."""
    columns = "template_id, key, channel, language, title, is_active, is_changed, updated_at, updated_by_name"
    return execute_query(
        "message_template_page", columns=columns, order="key, channel desc, language", limit=MOST_KEYS
    ).data


def template_page(template_id: int) -> Row | None:
    """One message template with what it was at first; None when there is none."""
    if not 0 < template_id <= LARGEST_ID:
        return None
    rows = execute_query("message_template_page", filters={"template_id_eq": template_id}, limit=1).data
    return rows[0] if rows else None


def changes_of_template(template_id: int) -> list[Row]:
    """What was changed in a template, the latest first: before and after hold the fields that differ."""
    filters = {"record_type_eq": "message template", "record_id_eq": str(template_id)}
    return execute_query("audit_trail", filters=filters, order="audit_id desc", limit=20).data
