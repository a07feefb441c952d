"""What the tests of lists start from: colleagues, and a book that fills more than one page."""

import pytest

from database_pool import transaction
from tests.cast import sign_in

CITIES = ("Mumbai", "Pune", "Surat")


@pytest.fixture(scope="module")
def clerk(app):
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def manager(app):
    return sign_in(app, "manager")


@pytest.fixture(scope="module", autouse=True)
def book(database):
    """Ninety clients in three cities and two agents; sixty live policies; a name that would be a formula."""
    with transaction() as tx:
        tx.insert("agents", [{"agent_id": 1, "name": "Agent Apte"}, {"agent_id": 2, "name": "Agent Bose"}])
        tx.insert("insurers", {"insurer_id": 1, "name": "Example General"})
        tx.insert("products", {"product_id": 1, "name": "Family Floater", "line": "health"})
        tx.insert("clients", [
            {"client_id": f"TC{number:02d}", "name": "=HYPERLINK(1)" if number == 7 else f"Client {number:02d}",
             "city": CITIES[number % 3], "agent_id": 1 + number % 2}
            for number in range(90)])
        tx.insert("policies", [
            {"policy_id": number + 1, "client_id": f"TC{number:02d}", "insurer_id": 1, "product_id": 1,
             "line": "health", "policy_number": f"EX/{number:03d}", "policy_from": "2026-06-01",
             "policy_to": "2099-05-31", "due_on": "2099-05-31", "payment_date": "2026-06-01",
             "gross_premium": "1000.50", "commission_amount": 77}
            for number in range(60)])
