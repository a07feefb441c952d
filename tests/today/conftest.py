"""What the tests of today start from: one of everything that can wait, on the office's own day."""

from datetime import timedelta

import pytest

from database_pool import transaction
from portal.formats import midnight, today
from tests.cast import sign_in


@pytest.fixture(scope="module")
def clerk(app):
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def manager(app):
    return sign_in(app, "manager")


def term(number, **more):
    """A live, paid health policy of one year that ends in a year."""
    values = {
        "policy_id": number, "client_id": "KI01", "insurer_id": 1, "product_id": 1, "line": "health", "agent_id": 1,
        "policy_number": f"EX/{number}", "policy_from": today() - timedelta(days=300),
        "policy_to": today() + timedelta(days=64), "due_on": today() + timedelta(days=64), "state": "live",
        "payment_date": today(), "gross_premium": 1000, "commission_amount": 100, "one_time": False,
        "created_at": midnight(today()), "renewed_from_id": None}
    ends = more.pop("ends", None)
    if ends is not None:
        values |= {"policy_to": today() + timedelta(days=ends), "due_on": today() + timedelta(days=ends)}
    return {**values, **more}


@pytest.fixture(scope="module", autouse=True)
def book(database):
    """Two clients of two agents; terms overdue, due, unpaid, pending; a birthday, a failed message, a dead task."""
    born = today().replace(year=1980, day=min(today().day, 28))
    with transaction() as tx:
        tx.insert("agents", [{"agent_id": 1, "name": "Agent Apte"}, {"agent_id": 2, "name": "Agent Bose"}])
        tx.insert("insurers", [{"insurer_id": 1, "name": "Example"}, {"insurer_id": 2, "name": "Second"}])
        tx.insert("products", {"product_id": 1, "name": "Family Floater", "line": "health"})
        tx.insert("clients", [
            {"client_id": "KI01", "name": "Kavita Iyer", "phone": "+919820012345", "agent_id": 1},
            {"client_id": "RM01", "name": "Rohan Mehta", "phone": None, "agent_id": 2}])
        tx.insert("members", [
            {"client_id": "KI01", "name": "Anand Iyer", "relation": "son", "date_of_birth": born},
            {"client_id": "KI01", "name": "Meera Iyer", "relation": "daughter", "date_of_birth": "1992-02-29"}])
        tx.insert("policies", [
            term(1, ends=-5), term(2, ends=-40, agent_id=2, client_id="RM01"), term(3, ends=-2, one_time=True),
            term(4, ends=0), term(5, ends=7), term(6, ends=8), term(7, ends=100, payment_date=None),
            term(8, ends=3, payment_date=None, agent_id=2, client_id="RM01"),
            term(9, state="pending", created_at=midnight(today() - timedelta(days=4))),
            term(10, state="pending", created_at=midnight(today() - timedelta(days=1))),
            term(11, state="renewed", ends=-1), term(12, state="lost", ends=-1), term(13, state="cancelled"),
            term(14, policy_from=today(), gross_premium=250000), term(15, policy_from=today(), insurer_id=2)])
        tx.insert("messages", {"key": "test:1", "channel": "whatsapp", "purpose": "service", "state": "failed",
                               "recipient": "+919820012345", "client_id": "KI01", "reason": "Not on WhatsApp."})
        tx.insert("tasks", {"name": "outbox.deliver", "state": "dead", "last_error": "It took too long."})
