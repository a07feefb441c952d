"""A small book for the tests of policies: masters, one family, one firm, and what a colleague types for each line."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from database_pool import execute_query, new_ids, transaction
from portal.formats import office_date, today

HEALTH = {"plan": "floater", "floater_sum_insured": "10,00,000", "floater_bonus": "1 L"}
MOTOR = {
    "vehicle_class": "private car",
    "cover": "package",
    "vehicle_number": "mh 02 dn 4417",
    "make_model": "Honda City",
    "year_of_manufacture": "2022",
    "cubic_capacity": "1498",
    "insured_declared_value": "8,40,000",
    "no_claim_bonus": "20",
    "addon_premium": "1250",
    "tp_premium": "3416",
    "net_premium": "8900",
}
FIRE = {
    "building": "50 L",
    "plant_and_machinery": "1.2 Cr",
    "stocks": "35,00,000",
    "risk_address": "Plot 7\nMIDC, Pune",
}
LIFE = {"premium_mode": "yearly", "policy_term_years": "25", "premium_term_years": "15", "nominee": "Neha Mehta"}
TRAVEL = {
    "destination": "Japan",
    "trip_from": "01/12/2026",
    "trip_to": "15/12/2026",
    "travellers": "2",
    "one_time": "on",
}
OF_LINE: dict[str, dict[str, str]] = {
    "health": HEALTH,
    "motor": MOTOR,
    "fire": FIRE,
    "life": LIFE,
    "travel": TRAVEL,
    "other": {},
}


@dataclass(frozen=True)
class Book:
    """Ids of what every test may name."""

    insurer: int
    other_insurer: int
    retired_insurer: int
    products: dict[str, int]
    group_health: int
    agent: int
    client: str
    head: int
    spouse: int

    def form(self, line: str = "health", **typed: str) -> dict[str, str]:
        """A complete form of a line, with what the test types otherwise."""
        return {
            "client_id": self.client,
            "line": line,
            "action": "save",
            "insurer_id": str(self.insurer),
            "product_id": str(self.products[line]),
            "policy_number": f"P/{line}/1",
            "business_type": "new",
            "policy_from": "01/11/2026",
            "net_premium": "23,500",
            **OF_LINE[line],
            **typed,
        }


def make_book(client: str = "RM01") -> Book:
    """Writes masters, where they are missing, and a client of the given id with two members."""
    if not execute_query("insurers", limit=1).data:
        _make_masters()
    head, spouse = new_ids("members", 2)
    with transaction() as tx:
        tx.insert("clients", {"client_id": client, "name": f"Rohan Mehta {client}"})
        tx.insert(
            "members",
            [
                {"member_id": head, "client_id": client, "name": "Rohan Mehta", "relation": "self"},
                {"member_id": spouse, "client_id": client, "name": "Neha Mehta", "relation": "spouse"},
            ],
        )
    insurers = {row["name"]: row["insurer_id"] for row in execute_query("insurers").data}
    products = {row["name"]: row["product_id"] for row in execute_query("products").data}
    agents = execute_query("agents").data
    return Book(
        insurer=insurers["Star Health"],
        other_insurer=insurers["New India"],
        retired_insurer=insurers["Old Mutual"],
        products={line: products[f"Product {line}"] for line in OF_LINE},
        group_health=products["Group Mediclaim"],
        agent=agents[0]["agent_id"],
        client=client,
        head=head,
        spouse=spouse,
    )


def _make_masters() -> None:
    with transaction() as tx:
        tx.insert(
            "insurers",
            [
                {"name": "Star Health", "is_active": True},
                {"name": "New India", "is_active": True},
                {"name": "Old Mutual", "is_active": False},
            ],
        )
        tx.insert(
            "products",
            [{"name": f"Product {line}", "line": line, "is_group": False} for line in OF_LINE]
            + [{"name": "Group Mediclaim", "line": "health", "is_group": True}],
        )
        tx.insert("agents", [{"name": "Kavita Iyer"}])


def add(browser: Any, form: dict[str, str]) -> int:
    """Adds a policy through its form and answers its id."""
    answer = browser.submit("/policies/new", form)
    assert answer.status_code == 303, errors(answer)
    return int(answer.location.rsplit("/", 1)[1])


def stored(policy_id: int) -> dict[str, Any]:
    """The row of a policy as the table holds it."""
    return execute_query("policies", filters={"policy_id_eq": policy_id}).data[0]


def details(table: str, policy_id: int) -> dict[str, Any]:
    """The row of a line's details."""
    return execute_query(table, filters={"policy_id_eq": policy_id}).data[0]


def persons(policy_id: int) -> list[dict[str, Any]]:
    """The insured persons of a policy, in their order."""
    return execute_query("insured_persons", filters={"policy_id_eq": policy_id}, order="insured_person_id").data


def trail(policy_id: int) -> list[dict[str, Any]]:
    """What the audit trail holds of a policy, oldest first."""
    return execute_query(
        "audit", filters={"record_type_eq": "policy", "record_id_eq": str(policy_id)}, order="audit_id"
    ).data


def errors(answer: Any) -> str:
    """The sentences of a refused form, for the message of a failed test."""
    text = answer.get_data(as_text=True)
    return f"{answer.status_code}: {text[text.find('There is a problem') :][:1500]}"


def days_from_today(days: int) -> str:
    """A day as a colleague types it."""
    return office_date(today() + timedelta(days=days))
