"""Drafts of forms in the browser's own store: what is kept, for whom, and when it is gone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from database_pool import execute_query
from tests import cast
from tests.browser.conftest import Agency
from tests.browser.sweep import bring_axe, faults_of

pytestmark = pytest.mark.slow
STORE = "Object.entries(localStorage).filter(([key]) => key.startsWith('draft:'))"


def drafts(page: Page) -> dict[str, str]:
    return dict(page.evaluate(STORE))


def wait_for_draft(page: Page, text: str) -> None:
    page.wait_for_function(f"text => {STORE}.some(([, draft]) => draft.includes(text))", arg=text)


def reopened(page: Page, path: str) -> Page:
    """The page is closed as a browser is that falls over, and opened again in another tab."""
    fresh = page.context.new_page()
    page.close()
    fresh.goto(path)
    return fresh


def test_a_client_that_was_typed_is_there_again_and_gone_when_it_is_saved(
    agency: Agency, open_page: Callable[..., Page]
) -> None:
    page = open_page("/clients/new")
    page.get_by_label("Name").first.fill("Drafted Client")
    page.locator("[name=city]").fill("Nashik")
    page.locator("[name=whatsapp_opt_in]").check()
    wait_for_draft(page, "whatsapp_opt_in")
    page = reopened(page, f"{agency.url}/clients/new")
    bring_axe(page)
    page.reload()
    assert page.locator("[data-draft]").count() == 1
    assert not faults_of(page)
    page.get_by_role("button", name="Restore it").click()
    assert page.locator("[name=city]").input_value() == "Nashik"
    assert page.locator("[name=whatsapp_opt_in]").is_checked()
    page.locator("main form button.primary").last.click()
    page.get_by_role("heading", name="Drafted Client").wait_for()
    assert drafts(page) == {}
    page.goto(f"{agency.url}/clients/new")
    assert page.locator("[data-draft]").count() == 0


def test_what_is_stored_sealed_or_masked_is_in_no_draft(open_page: Callable[..., Page]) -> None:
    page = open_page("/clients/new")
    secret = {"pan": "ACUPA1234R", "gstin": "27AAPFU0939F1ZV", "date_of_birth": "23/11/1985", "notes": "Diabetic",
              "address": "Aadhaar 2341 2341 2346"}
    for name, text in {**secret, "city": "Nagpur"}.items():
        page.locator(f"[name={name}]").fill(text)
    wait_for_draft(page, "Nagpur")
    store = str(drafts(page))
    assert not [name for name, text in secret.items() if text in store]
    assert "csrf_token" not in store
    assert "form_key" not in store


def test_a_refused_form_stays_a_draft_until_it_is_saved(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/clients/new")
    page.get_by_label("Name").first.fill("Refused Client")
    page.locator("[name=phone]").fill("12")
    for _ in range(2):
        with page.expect_navigation():
            page.locator("main form button.primary").last.click()
        assert page.title().startswith("Error: ")
    page.locator("#problems a").click()   # the address then ends in #f-phone
    assert "Refused Client" in str(drafts(page))
    page.locator("[name=phone]").fill("")
    page.locator("main form button.primary").last.click()
    page.get_by_role("heading", name="Refused Client").wait_for()
    assert drafts(page) == {}


def test_persons_of_a_policy_come_back_in_rows_of_their_own(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page(agency.paths["new health policy"])
    page.locator("[name=persons-0-name]").fill("First Person")
    page.get_by_role("button", name="Add another person").click()
    page.locator("[name=persons-1-name]").fill("Second Person")
    wait_for_draft(page, "Second Person")
    page = reopened(page, agency.url + agency.paths["new health policy"])
    assert page.locator("[name=persons-1-name]").count() == 0
    page.get_by_role("button", name="Restore it").click()
    page.locator("[name=persons-1-name]").wait_for()
    assert page.locator("[name=persons-0-name]").input_value() == "First Person"
    assert page.locator("[name=persons-1-name]").input_value() == "Second Person"


def test_a_draft_is_of_one_record_as_it_was(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page(agency.paths["edit client"])
    page.locator("[name=city]").fill("Draft City")
    wait_for_draft(page, "Draft City")
    client_id = agency.paths["edit client"].split("/")[2]
    version = execute_query("clients", columns="version", filters={"client_id_eq": client_id}).data[0]["version"]
    page = reopened(page, agency.url + agency.paths["new motor policy"])
    assert page.locator("[data-draft]").count() == 0
    page.goto(agency.url + agency.paths["edit client"])
    assert page.locator("[data-draft]").count() == 1
    execute_query("clients", "update", data={"subgroup": "Changed by a colleague"},
                  filters={"client_id_eq": client_id, "version_eq": version})  # fmt: skip
    page.reload()
    assert page.locator("[data-draft]").count() == 0, "the colleague's change would be undone"


def test_a_draft_may_be_thrown_away_and_does_not_last(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/clients/new")
    page.locator("[name=city]").fill("Thane")
    wait_for_draft(page, "Thane")
    page = reopened(page, f"{agency.url}/clients/new")
    page.get_by_role("button", name="Throw it away").click()
    assert page.locator("[data-draft]").count() == 0
    assert drafts(page) == {}
    page.evaluate("""() => localStorage.setItem(`draft:${document.body.dataset.user}: /x`,
        JSON.stringify({ at: Date.now() - 7.1 * 24 * 3600 * 1000, fields: [] }))""")
    page.reload()
    assert drafts(page) == {}


def test_nobody_else_at_this_computer_finds_it(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/login", signed_in=False)
    for role, text in (("staff", "Left behind"), ("manager", "Signed out")):
        page.goto(f"{agency.url}/login")
        page.get_by_label("E-mail").fill(cast.email_of(role))
        page.get_by_label("Password", exact=True).fill(cast.PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Today", exact=True).wait_for()
        assert drafts(page) == {}, "of whoever was here before"
        page.goto(f"{agency.url}/clients/new")
        assert page.locator("[data-draft]").count() == 0
        page.locator("[name=city]").fill(text)
        wait_for_draft(page, text)
        if role == "staff":   # the session ends without signing out
            page.context.clear_cookies()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("details.menu.account summary").click()
    page.locator("details.menu.account").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    assert drafts(page) == {}
