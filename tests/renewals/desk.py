"""A small renewal desk for the tests: a client who agreed to messages, and terms that are due on any day."""

import itertools
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from database_pool import execute_query, new_id, transaction
from portal.formats import today
from task_queue import run_due_tasks
from tests.outbox.holding import hold_back_messages
from tests.policies.book import Book, make_book

__all__ = ["hold_back_messages", "messages", "morning", "notes", "open_desk", "reach", "term"]
NUMBERS = itertools.count(1)


def open_desk(client: str = "RM01", **more: Any) -> Book:
    """The book of the tests of policies, whose client has a phone and an e-mail address and agreed to both."""
    book = make_book(client)
    reach(
        client,
        phone=f"+9198200{next(NUMBERS):05d}",
        email=f"{client.lower()}@example.in",
        whatsapp_opt_in=True,
        email_opt_in=True,
        **more,
    )
    return book


def reach(client: str, **values: Any) -> None:
    """Changes how a client can be reached."""
    with transaction() as tx:
        tx.update("clients", values, filters={"client_id_eq": client})


def term(book: Book, due_in: int, line: str = "health", **more: Any) -> int:
    """Adds a live term that is due in so many days, and answers its id."""
    policy_id, due_on = new_id("policies"), today() + timedelta(days=due_in)
    row = {
        "policy_id": policy_id,
        "client_id": book.client,
        "insurer_id": book.insurer,
        "product_id": book.products[line],
        "line": line,
        "policy_number": f"T/{policy_id}",
        "policy_from": due_on - timedelta(days=364),
        "policy_to": due_on,
        "due_on": due_on,
        "gross_premium": Decimal(11800),
        "payment_date": due_on - timedelta(days=364),
        **more,
    }
    with transaction() as tx:
        tx.insert("policies", row)
        if line == "motor":
            tx.insert("motor_details", {"policy_id": policy_id, "vehicle_class": "private car", "no_claim_bonus": 20})
    return policy_id


def notes(policy_id: int) -> list[str]:
    """The steps noted for a policy, in the order they were."""
    filters = {"policy_id_eq": policy_id}
    return [row["step"] for row in execute_query("reminders", filters=filters, order="reminder_id").data]


def messages(policy_id: int) -> list[dict[str, Any]]:
    """What lies in the outbox for a policy, oldest first."""
    return execute_query("messages", filters={"policy_id_eq": policy_id}, order="message_id").data


def morning(on_day: date | None = None) -> None:
    """Runs the daily schedule and everything it leads to."""
    from portal.renewals import tasks

    tasks.note_due_reminders()
    run_due_tasks()
