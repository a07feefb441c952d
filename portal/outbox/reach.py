"""Whom WhatsApp lets us write to now: who wrote within the last 24 hours, and others by an approved template alone."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from config import settings
from database_pool import execute_query
from portal.outbox import queries

Row = dict[str, Any]
NO_TEMPLATE = (
    "WhatsApp needs an approved template for this; none is set under Message templates, and the client has not written "
    "in the last 24 hours."
)
NO_WORDS = (
    "WhatsApp takes a document only within 24 hours of the client's last message, and the client has not written in "
    "that time."
)


class Words(NamedTuple):
    """What somebody is to read on WhatsApp: a template's key and language, or no key for words of our own."""

    phone: str
    key: str = ""
    language: str = "en"


def not_taken(wanted: Iterable[Words], *, at: datetime | None = None) -> set[Words]:
    """What of this WhatsApp will not take now, or at a moment to come, in two questions for all of it."""
    closed = set(wanted)
    if not closed or not (settings().uses("twilio") or settings().uses("meta")):
        return set()   # kept in the portal, where no provider has rules
    phones = sorted({one.phone for one in closed})
    rows = execute_query(
        "contacts", columns="address, last_inbound_at", filters={"channel_eq": "whatsapp", "address_in": phones},
        limit=len(phones),
    ).data  # fmt: skip
    opened = {row["address"] for row in rows if queries.is_open(row["last_inbound_at"], at=at)}
    closed = {one for one in closed if one.phone not in opened}
    approved = _approved({one.key for one in closed if one.key})
    # As the outbox chooses its words: those of the language, else the English ones.
    return {one for one in closed if not approved.get((one.key, one.language), approved.get((one.key, "en"), False))}


def _approved(keys: set[str]) -> dict[tuple[str, str], bool]:
    """By key and language of the WhatsApp texts in use: whether the provider approved a template."""
    if not keys:
        return {}
    columns = "key, language, provider_template_id"
    filters = {"key_in": sorted(keys), "channel_eq": "whatsapp", "is_active_eq": True}
    rows = execute_query("message_templates", columns=columns, filters=filters, limit=queries.MOST_KEYS).data
    return {(row["key"], row["language"]): bool(row["provider_template_id"]) for row in rows}
