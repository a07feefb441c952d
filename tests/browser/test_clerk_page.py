"""The sign-in page with Clerk, in a real browser: a token for a session, both ended together, never in circles."""

import base64

import pytest

from database_pool import execute_query
from tests import clerk
from tests.servers.clerk_frontend import ClerkFrontend
from tests.servers.portal import RunningPortal

pytestmark = pytest.mark.slow
FORM = "Continue as Asha"


@pytest.fixture(scope="module")
def frontend():
    running = ClerkFrontend()
    yield running
    running.remove()


@pytest.fixture(scope="module")
def portal(database, frontend):
    execute_query("users", "insert", data={"user_id": 901, "email": "asha@example.in", "name": "Asha Rane",
                                           "role": "administrator"})  # fmt: skip
    execute_query("clerk_users", "insert", data={"clerk_user_id": "user_asha", "user_id": 901, "name": "Asha Rane",
                                                 "email": "asha@example.in", "changed_at": "2026-11-01T00:00:00Z"})
    key = base64.b64encode(f"{frontend.host}$".encode()).decode().rstrip("=")
    running = RunningPortal(workers=1, DATABASE_URL=database.database_url or "", **{
        **clerk.SETTINGS, "CLERK_FRONTEND_API": frontend.url, "CLERK_PUBLISHABLE_KEY": f"pk_test_{key}",
        "CLERK_JWT_KEY": clerk.PEM.replace("\n", "\\n")})  # fmt: skip
    running.environment["CLERK_AUTHORIZED_PARTIES"] = frontend.origin = running.url
    try:
        running.start()
        yield running
    finally:
        running.remove()


@pytest.fixture
def page(chromium, portal, frontend):
    frontend.signed_in, frontend.person = False, "user_asha"
    frontend.asked.clear()
    context = chromium.new_context(base_url=portal.url)
    opened = context.new_page()
    said = []
    opened.on("console", lambda message: said.append(message.text))
    yield opened
    context.close()
    assert [line for line in said if "Content Security Policy" in line] == []


def test_from_a_page_to_clerk_and_back_to_the_page_and_out_of_both(page, frontend):
    page.goto("/clients")
    page.get_by_role("button", name=FORM).click()
    page.get_by_role("heading", name="Clients", exact=True).wait_for()
    assert frontend.asked.count("/token") == 1
    page.get_by_text("Asha Rane", exact=True).first.click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name=FORM).wait_for()   # and nobody is signed in again by a session left at Clerk
    assert not frontend.signed_in
    page.goto("/clients")
    page.get_by_role("button", name=FORM).wait_for()


def test_whoever_may_not_come_in_is_told_once_and_can_change(page, frontend):
    frontend.person = "user_stranger"
    frontend.answer("/sign-in")
    execute_query("clerk_users", "upsert", data={"clerk_user_id": "user_stranger", "email": "stranger@example.in",
                                                 "changed_at": "2026-11-01T00:00:00Z"})  # fmt: skip
    page.goto("/login")
    page.get_by_text("An administrator has to let you in first").wait_for()
    page.get_by_role("button", name="Your Clerk account").wait_for()
    assert frontend.asked.count("/token") == 1
    page.get_by_role("button", name="Sign in as somebody else").click()
    page.get_by_role("button", name=FORM).wait_for()


def test_a_browser_that_keeps_no_session_is_not_sent_round_for_ever(page, frontend):
    frontend.answer("/sign-in")
    page.route("**/login/clerk", lambda route: route.fulfill(status=303, headers={"Location": "/login"}))
    page.goto("/login")
    page.get_by_text("Sign-in could not be loaded or did not work").wait_for()
    assert frontend.asked.count("/token") == 3


def test_when_clerks_scripts_are_blocked_the_page_says_so(page):
    page.route("**/npm/**", lambda route: route.abort())
    page.goto("/login")
    page.get_by_text("Sign-in could not be loaded or did not work").wait_for()
