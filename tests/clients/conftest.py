"""What the tests of clients start from: signed-in colleagues, and a client to work on."""

import itertools
import random
import string
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from stdnum import luhn
from werkzeug.test import TestResponse

from database_pool import execute_query, transaction
from portal import sealing
from tests.cast import Browser, sign_in

Row = dict[str, Any]


@pytest.fixture(scope="module")
def clerk(app: Flask) -> Browser:
    """A colleague who may add and change clients."""
    return sign_in(app, "staff")


@pytest.fixture(scope="module")
def colleague(app: Flask) -> Browser:
    """Another colleague who may do the same."""
    return sign_in(app, "manager")


@pytest.fixture(scope="module")
def reader(app: Flask) -> Browser:
    """A colleague who may only look."""
    return sign_in(app, "reader")


def unlike_names() -> Iterator[str]:
    """Names of which no two are alike, so that only a test that wants to meets the warning about duplicates."""
    chance = random.Random(7)
    while True:
        yield " ".join("".join(chance.choices(string.ascii_lowercase, k=8)).capitalize() for _ in range(2))


NAMES = unlike_names()
PHONES = (f"98200{number}" for number in itertools.count(10001))


@pytest.fixture
def add_client(clerk: Browser) -> Callable[..., Row]:
    """Adds a client through the form, with a name and phone of its own, and answers the stored row."""

    def add(**given: Any) -> Row:
        answer = clerk.submit(
            "/clients/new",
            {"name": next(NAMES), "phone": next(PHONES), "client_type": "individual", "language": "en", **given},
        )
        assert answer.status_code == 303, answer.text
        return stored(id_in(answer))

    return add


def id_in(answer: TestResponse) -> str:
    """The id of the client whose page an answer leads to."""
    return answer.location.split("#")[0].rsplit("/", 1)[1]


def stored(client_id: str) -> Row:
    """The client as the database has it, opened."""
    return sealing.opened(execute_query("clients", filters={"client_id_eq": client_id}).data[0])


def typed(client: Row, **changed: Any) -> dict[str, Any]:
    """The fields of the edit form as a browser would send them for a stored client, with some of them changed."""
    names = (
        "client_type",
        "name",
        "phone",
        "other_phone",
        "email",
        "pan",
        "gstin",
        "address",
        "city",
        "state",
        "pin",
        "group_name",
        "subgroup",
        "language",
        "notes",
        "version",
    )
    return {**{name: client[name] if client[name] is not None else "" for name in names}, **changed}


def trail_of(client_id: str) -> list[Row]:
    """What the audit trail says of a client, the latest first."""
    return execute_query("audit_trail", filters={"client_id_eq": client_id}, order="audit_id desc").data


def gstin_of(pan: str) -> str:
    """A valid GSTIN of Maharashtra for a PAN."""
    number = f"27{pan}1Z"
    return number + luhn.calc_check_digit(number, string.digits + string.ascii_uppercase)


@pytest.fixture
def live_policy(database: object) -> Callable[..., int]:
    """Gives a client (a member) a live policy and answers its id."""

    def add(client_id: str, member_id: int | None = None, **given: Any) -> int:
        with transaction() as tx:
            tx.upsert("insurers", {"insurer_id": 900, "name": "Example General"})
            tx.upsert("products", {"product_id": 900, "name": "Example Car Package", "line": "motor"})
            policy = tx.insert(
                "policies",
                {
                    "client_id": client_id,
                    "member_id": member_id,
                    "insurer_id": 900,
                    "product_id": 900,
                    "line": "motor",
                    "policy_number": f"EX/{next(PHONES)}",
                    "policy_from": "2026-11-01",
                    "policy_to": "2027-10-31",
                    "due_on": "2027-10-31",
                    "payment_date": "2026-11-01",
                    "gross_premium": "14206",
                    **given,
                },
            )
        return int(policy.rows[0]["policy_id"])

    return add
