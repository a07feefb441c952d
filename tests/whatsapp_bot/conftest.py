"""Somebody writes on WhatsApp: as the webhook stores it, answered by the portal's own tasks."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from database_pool import execute_query, new_id, transaction
from portal.formats import now
from portal.whatsapp_bot import tasks
from tests.outbox.holding import hold_back_messages
from tests.policies.book import Book, make_book

NUMBERS = itertools.count(1)
SERIAL = itertools.count(1)


class Person:
    """One sender, with a phone number or with a user name alone."""

    def __init__(self, phone: str | None = None, user_id: str | None = None) -> None:
        self.phone = phone
        self.user_id = user_id
        self.address = phone or user_id or ""

    def writes(self, text: str = "", *, kind: str = "text", at: datetime | None = None) -> int:
        """Stores a message as the webhook does, unanswered, and answers its number."""
        inbound_id = new_id("inbound_messages")
        with transaction() as tx:
            tx.insert(
                "inbound_messages",
                {
                    "inbound_id": inbound_id,
                    "provider": "twilio",
                    "provider_id": f"SM{next(SERIAL)}",
                    "address": self.address,
                    "phone": self.phone,
                    "user_id": self.user_id,
                    "kind": kind,
                    "body": text,
                    "received_at": at or now(),
                },
            )
        return inbound_id

    def says(self, text: str = "", **how: Any) -> list[dict[str, Any]]:
        """Writes, and answers what the bot replied to it."""
        inbound_id = self.writes(text, **how)
        tasks.answer(inbound_id)
        return self.replies_to(inbound_id)

    def hears(self, text: str = "", **how: Any) -> str:
        """Writes, and answers the template of the one reply ("" when there was none)."""
        replies = self.says(text, **how)
        assert len(replies) <= 1
        return replies[0]["template_key"] if replies else ""

    def replies_to(self, inbound_id: int) -> list[dict[str, Any]]:
        filters = {"key_like": f"bot:{inbound_id}:%"}
        return execute_query("messages", filters=filters, order="message_id").data

    def session(self) -> dict[str, Any]:
        return execute_query("bot_sessions", filters={"address_eq": self.address}).data[0]

    def contact(self) -> dict[str, Any]:
        return execute_query("contacts", filters={"address_eq": self.address}).data[0]

    def was_silent_for(self, minutes: int) -> None:
        """Moves the conversation into the past."""
        with transaction() as tx:
            tx.update(
                "bot_sessions", {"last_at": now() - timedelta(minutes=minutes)}, filters={"address_eq": self.address}
            )


@pytest.fixture(scope="module")
def book(app: Flask) -> Book:
    hold_back_messages()
    return make_book()


@pytest.fixture
def client(book: Book) -> Callable[..., Person]:
    """Adds a client with a phone of its own, or with the phone of somebody else, and answers who writes from it."""

    def add(phone: str | None = None, **more: Any) -> Person:
        number = next(NUMBERS)
        phone = phone or f"+9198210{number:05d}"
        with transaction() as tx:
            tx.insert(
                "clients",
                {
                    "client_id": f"BT{number:04d}",
                    "name": f"Kavita Iyer {number}",
                    "phone": phone,
                    "whatsapp_opt_in": True,
                    **more,
                },
            )
        person = Person(phone)
        person.client_id = f"BT{number:04d}"  # type: ignore[attr-defined]
        return person

    return add
