"""What the tests of the API start from: programs with tokens, one for each role."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database_pool import transaction
from portal.audit import Actor
from portal.staff import tokens
from portal.staff.inputs import TokenInput
from tests.cast import make_cast

NUMBERS = itertools.count(1)


class Program:
    """A program with an API token: sends JSON, holds no cookie."""

    def __init__(self, app: Flask, token: str) -> None:
        self._client = app.test_client(use_cookies=False)
        self.token = token

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Sends a request; `If_Match="..."` becomes the header If-Match."""
        sent = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if body is None:
            return self._client.open(f"/api{path}", method=method, headers=sent)
        return self._client.open(f"/api{path}", method=method, json=body, headers=sent)

    def upload(self, path: str, fields: dict[str, Any]) -> TestResponse:
        """Sends a form with files, as `(stream, name)`."""
        sent = {"Authorization": f"Bearer {self.token}"}
        return self._client.post(f"/api{path}", data=fields, headers=sent, content_type="multipart/form-data")


def token_for(user_id: int, *scopes: str) -> str:
    """A token of this colleague."""
    with transaction() as tx:
        return tokens.make(tx, Actor(user_id), TokenInput.model_validate(
            {"name": "A program of the tests", "scopes": list(scopes) or ["everything"]}))


@pytest.fixture(scope="module")
def program(app: Flask) -> Callable[..., Program]:
    """Makes a program that acts for a member of the cast."""

    def make(who: str, *scopes: str) -> Program:
        return Program(app, token_for(make_cast()[who], *scopes))

    return make


@pytest.fixture(scope="module")
def administrator(program: Callable[..., Program]) -> Program:
    return program("administrator")


@pytest.fixture
def client(administrator: Program) -> dict[str, Any]:
    """A new client, as the API answers it."""
    number = next(NUMBERS)
    answer = administrator("POST", "/clients", {"name": f"{'abcdefghijklmnopqrst'[number % 20] * 5} Rao {number}",
                                                "phone": f"98200{number:05d}"})
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.get_json()
    return added
