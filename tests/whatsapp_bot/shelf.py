"""Policies and their documents for the tests of the bot."""

from datetime import timedelta
from typing import Any

from database_pool import new_id, transaction
from portal.formats import today
from tests.policies.book import Book


def policy(
    book: Book, client_id: str, *, due_in: int = 200, number: str = "", document: bool = False, **more: Any
) -> int:
    """Adds a live policy, with a stored schedule where asked for, and answers its id."""
    policy_id, due_on = new_id("policies"), today() + timedelta(days=due_in)
    with transaction() as tx:
        tx.insert("policies", {
            "policy_id": policy_id, "client_id": client_id, "insurer_id": book.insurer, "line": "health",
            "product_id": book.products["health"], "policy_number": number or f"B/{policy_id}", "due_on": due_on,
            "policy_from": due_on - timedelta(days=364), "policy_to": due_on, **more,
        })  # fmt: skip
        if document:
            tx.insert("documents", {
                "client_id": client_id, "policy_id": policy_id, "kind": "policy-schedule", "file_name": "schedule.pdf",
                "stored_name": "schedule.pdf", "size": 100, "sha256": f"{policy_id:064x}", "md5": f"{policy_id:032x}",
                "media_type": "application/pdf", "store": "local", "store_key": f"k{policy_id}", "state": "stored",
            })  # fmt: skip
    return policy_id
