"""The cast of every test: one colleague of each role, and a browser that sends forms as a page of the portal does.

    clerk = sign_in(app, "staff")
    page = clerk.get("/clients")
    answer = clerk.submit("/clients/new", {"name": "Rohan Mehta"})      # with the form token; follows nothing

`sign_in` makes the cast in the database of the test when it is missing. `make_cast()` answers everybody's user_id.
"""

import re
from typing import Any

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from database_pool import execute_query, transaction
from portal.staff import passwords

PASSWORD = "one dark monsoon evening"
# Roles are called as in the portal, and the reader is the one who may only read.
CAST = {
    "administrator": ("Asha Rane", "administrator"),
    "manager": ("Bharat Desai", "manager"),
    "staff": ("Charu Nair", "staff"),
    "accounts": ("Dilip Joshi", "accounts"),
    "reader": ("Esha Kulkarni", "read-only"),
}

passwords.use_hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Browser(FlaskClient):
    """A client that fetches the form token itself."""

    def token(self) -> str:
        """The form token of this browser's session, signed in or not."""
        return found(r'name="csrf_token" value="([^"]+)"', self.get("/account", follow_redirects=True).text)

    def session_cookie(self) -> str:
        """What the browser holds, to be replayed by a thief."""
        cookie = self.get_cookie("session")
        assert cookie is not None
        return cookie.value

    def submit(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Posts a form of the portal to `path`, with its token."""
        return self.post(path, data={"csrf_token": self.token(), **(data or {})}, **options)


def found(pattern: str, page: str) -> str:
    """The part of a page that a pattern's first group matches; fails when it is not there."""
    match = re.search(pattern, page)
    assert match, f"{pattern!r} is not on the page:\n{page}"
    return match[1]


def email_of(who: str) -> str:
    """The address that a member of the cast signs in with."""
    return f"{who}@example.in"


def make_cast(database: object = None) -> dict[str, int]:
    """Makes the cast in the default database where it is missing, and answers the user ids by member."""
    addresses = [email_of(who) for who in CAST]
    there = execute_query("users", columns="email", filters={"email_in": addresses}).data
    missing = [who for who in CAST if email_of(who) not in {row["email"] for row in there}]
    if missing:
        stored = passwords.hashed(PASSWORD)
        with transaction() as tx:
            tx.insert("users", [{"email": email_of(who), "name": CAST[who][0], "role": CAST[who][1],
                                 "password_hash": stored} for who in missing])
    rows = execute_query("users", columns="email, user_id", filters={"email_in": addresses}).data
    return {row["email"].split("@")[0]: row["user_id"] for row in rows}


def visitor(app: Flask, **options: Any) -> Browser:
    """A browser that nobody has signed in with."""
    app.test_client_class = Browser
    client = app.test_client(**options)
    assert isinstance(client, Browser)
    return client


def sign_in(app: Flask, who: str, password: str = PASSWORD) -> Browser:
    """A browser in which this member of the cast has signed in through the login page."""
    make_cast()
    browser = visitor(app)
    answer = browser.submit("/login", {"email": email_of(who), "password": password})
    assert answer.status_code == 303, f"sign-in as {who}: {answer.status}"
    return browser
