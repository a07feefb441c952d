"""The sign-in page with Clerk, in a real browser: a token for a session, both ended together, never in circles."""

import base64

import pytest

from database_pool import execute_query
from portal.formats import now
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


def test_whoever_was_signed_out_meanwhile_signs_in_in_a_new_tab_and_goes_on(page, frontend):
    page.goto("/clients")
    page.get_by_role("button", name=FORM).click()
    page.get_by_role("heading", name="Clients", exact=True).wait_for()
    token = page.locator("input[name=csrf_token]").first.input_value()
    execute_query("sessions", "update", data={"expires_at": now()}, filters={"user_id": 901})
    dialog = page.get_by_role("dialog", name="You were signed out meanwhile")
    page.locator("main form.filters input[name=q]").fill("Rohan")
    dialog.wait_for()
    page.keyboard.press("Escape")
    page.evaluate("""document.dispatchEvent(new CustomEvent("htmx:before:response", { cancelable: true, detail: {
        ctx: { response: { status: 401 }, sourceElement: document.querySelector("#jobs-badge") } } }))""")
    page.wait_for_timeout(500)
    assert not dialog.is_visible()   # what renews itself told it once
    page.locator("main form.filters input[name=q]").fill("Rohan M")
    link = dialog.get_by_role("link", name="Sign in in a new tab")
    assert link.get_attribute("rel") == "noopener"
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")   # came back without having signed in
    with page.context.expect_page() as opened:
        link.click()
    opened.value.get_by_role("heading", name="Today", exact=True).wait_for()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_text("You are signed in again").wait_for()
    assert not dialog.is_visible()
    assert page.locator("main form.filters input[name=q]").input_value() == "Rohan M"
    assert page.locator("input[name=csrf_token]").first.input_value() != token
    page.locator("main form.filters input[name=q]").fill("Nobody")
    page.get_by_text("No client matches").first.wait_for()


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
