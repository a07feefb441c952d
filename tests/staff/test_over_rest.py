"""Signing in, being braked and being shut out where the data lies behind Supabase's REST interface."""

import pytest

from database_pool import execute_query
from tests.cast import email_of, make_cast, sign_in, visitor

pytestmark = pytest.mark.slow


def test_colleagues_come_and_go_over_rest_as_everywhere(rest_app):
    clerk, administrator = sign_in(rest_app, "staff"), sign_in(rest_app, "administrator")
    user_id = make_cast()["staff"]
    assert clerk.get("/account").status_code == 200
    assert email_of("staff") in administrator.get("/users").text
    assert administrator.get(f"/users/{user_id}").status_code == 200

    version = execute_query("users", filters={"user_id": user_id}).data[0]["version"]
    change = {"name": "Charu Rao", "role": "staff", "version": version}
    assert administrator.submit(f"/users/{user_id}", change).status_code == 303
    both = administrator.submit(f"/users/{user_id}", {**change, "name": "Charu Sen"})
    assert both.status_code == 409
    assert "Charu Rao" in both.text

    twice = {"email": email_of("staff"), "name": "Another One", "role": "staff"}
    assert administrator.submit("/users/new", twice).status_code == 422
    administrator.submit(f"/users/{user_id}/disable", {"version": version + 1})
    assert clerk.get("/account").status_code == 303


def test_guessing_is_braked_over_rest_as_everywhere(rest_app):
    make_cast()
    wrong = {"email": email_of("accounts"), "password": "not the password"}
    statuses = [visitor(rest_app).submit("/login", wrong).status_code for _ in range(6)]
    assert statuses == [422] * 5 + [429]


def test_a_session_ends_over_rest_as_everywhere(rest_app):
    browser = sign_in(rest_app, "manager")
    kept = browser.session_cookie()
    assert browser.submit("/logout").status_code == 303
    thief = visitor(rest_app)
    thief.set_cookie("session", kept)
    assert thief.get("/account").status_code == 303
