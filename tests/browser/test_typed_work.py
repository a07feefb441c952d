"""What somebody has typed and not saved is not lost without a question."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Dialog, Page

from tests.browser.conftest import Agency

pytestmark = pytest.mark.slow


def asked(page: Page) -> list[str]:
    """The questions that this page asks from now on; each is answered with yes."""
    heard: list[str] = []

    def leave(dialog: Dialog) -> None:
        heard.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    return heard


@pytest.mark.parametrize(("name", "button"), [
    ("new health policy", "Add another person"), ("new motor policy", "Recalculate"),
    ("new motor policy", "Save policy"),
])
def test_a_form_that_came_back_asks_though_nothing_was_typed_since(
    agency: Agency, open_page: Callable[..., Page], name: str, button: str
) -> None:
    page = open_page(agency.paths[name])
    page.locator("[name=remarks]").fill("Typed before the page came back")
    with page.expect_navigation():
        page.get_by_role("button", name=button, exact=True).last.click()
    heard = asked(page)
    page.locator("h1").click()   # a browser asks only where somebody did something
    page.goto(f"{agency.url}/policies")
    assert heard == ["beforeunload"]


def test_a_form_that_was_saved_asks_nothing(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page("/account")
    heard = asked(page)
    page.get_by_label("Phone").fill("98200 12345")
    page.get_by_role("button", name="Save account").click()
    page.get_by_text("Your account is saved.").wait_for()
    page.locator("h1").click()
    page.goto(f"{agency.url}/policies")
    assert heard == []


@pytest.mark.parametrize(("name", "field"), [
    ("note payment", "reference"), ("endorse persons", "description"), ("renewal", "note"),
    ("conversation", "text"),
])
def test_every_form_with_words_asks(agency: Agency, open_page: Callable[..., Page], name: str, field: str) -> None:
    page = open_page(agency.paths[name])
    heard = asked(page)
    page.locator(f"main [name={field}]").fill("Typed")
    page.goto(f"{agency.url}/policies")
    assert heard == ["beforeunload"]


def test_a_missing_master_is_added_beside_the_form(agency: Agency, open_page: Callable[..., Page]) -> None:
    page = open_page(agency.paths["new motor policy"])
    page.locator("[name=remarks]").fill("Stays")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="insurers").click()
    opened.value.get_by_role("heading", name="Insurers", level=1).wait_for()
    assert page.locator("[name=remarks]").input_value() == "Stays"
