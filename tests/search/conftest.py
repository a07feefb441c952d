"""What the tests of search start from: a small book with one of everything."""

import pytest

from database_pool import transaction
from tests.cast import sign_in


@pytest.fixture(scope="module")
def clerk(app):
    """A colleague who may see everything that can be found."""
    return sign_in(app, "staff")


@pytest.fixture(scope="module", autouse=True)
def book(database):
    """Three clients, their members, a car, a two-wheeler and a health policy; and somebody in the trash."""
    with transaction() as tx:
        tx.insert("insurers", {"insurer_id": 1, "name": "Example General"})
        tx.insert(
            "products",
            [
                {"product_id": 1, "name": "Car Package", "line": "motor"},
                {"product_id": 2, "name": "Family Floater", "line": "health"},
            ],
        )
        tx.insert(
            "clients",
            [
                {
                    "client_id": "RM01",
                    "name": "Rohan Mehta",
                    "phone": "+919820012345",
                    "email": "rohan@example.in",
                    "city": "Mumbai",
                    "group_name": "Mehta family",
                    "deleted_at": None,
                },
                {
                    "client_id": "KI01",
                    "name": "Kavita Iyer",
                    "phone": "+919820054321",
                    "email": None,
                    "city": "Pune",
                    "group_name": None,
                    "deleted_at": None,
                },
                {
                    "client_id": "RM010",
                    "name": "Rohini Mehendale",
                    "phone": None,
                    "email": None,
                    "city": "Pune",
                    "group_name": None,
                    "deleted_at": None,
                },
                {
                    "client_id": "NM01",
                    "name": "नेहा मेहता",
                    "phone": None,
                    "email": None,
                    "city": "मुंबई",
                    "group_name": None,
                    "deleted_at": None,
                },
                {
                    "client_id": "GM01",
                    "name": "Gone Mehta",
                    "phone": None,
                    "email": None,
                    "city": "Pune",
                    "group_name": None,
                    "deleted_at": "2026-11-01T00:00:00Z",
                },
            ],
        )
        tx.insert(
            "members",
            [
                {
                    "member_id": 1,
                    "client_id": "RM01",
                    "name": "Neha Mehta",
                    "relation": "spouse",
                    "phone": "+919769011111",
                },
                {"member_id": 2, "client_id": "GM01", "name": "Gone Girl", "relation": "daughter", "phone": None},
            ],
        )
        common = {
            "insurer_id": 1,
            "policy_from": "2026-11-01",
            "policy_to": "2027-10-31",
            "due_on": "2027-10-31",
            "payment_date": "2026-11-01",
        }
        tx.insert(
            "policies",
            [
                {
                    "policy_id": 1,
                    "client_id": "RM01",
                    "product_id": 2,
                    "line": "health",
                    "policy_number": "2856/204511/2026",
                    "asset": None,
                    **common,
                },
                {
                    "policy_id": 2,
                    "client_id": "KI01",
                    "product_id": 1,
                    "line": "motor",
                    "policy_number": "OG-26-1905-1801",
                    "asset": "MH02DN4417",
                    **common,
                },
                {
                    "policy_id": 3,
                    "client_id": "KI01",
                    "product_id": 1,
                    "line": "motor",
                    "policy_number": "P/161100/01",
                    "asset": "22BH1234AA",
                    **common,
                },
            ],
        )
        tx.insert(
            "motor_details",
            [
                {
                    "policy_id": 2,
                    "vehicle_class": "private car",
                    "vehicle_number": "MH02DN4417",
                    "make_model": "Maruti Swift",
                    "chassis_number": "MA3ERLF1S00123456",
                },
                {
                    "policy_id": 3,
                    "vehicle_class": "two-wheeler",
                    "vehicle_number": "22BH1234AA",
                    "make_model": "Honda Activa",
                    "chassis_number": None,
                },
            ],
        )
