"""Ticks belong to records, not to places in a list: what happens to them while a filter is typed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.slow


def row(page: Page, number: int) -> Locator:
    return page.locator("tbody tr").nth(number)


def value_of(row: Locator) -> str:
    return row.locator("input[name=chosen]").get_attribute("value") or ""


def narrow_to(page: Page, text: str) -> None:
    """Types into the search of the list and waits for the shorter list."""
    page.locator("#f-q").press_sequentially(text)
    expect(page.locator("tbody tr")).to_have_count(1)


def ticked(page: Page) -> list[str]:
    boxes = page.locator("input[name=chosen]:checked")
    return [box.get_attribute("value") or "" for box in boxes.all()]


def test_a_tick_goes_with_its_client_when_the_filter_moves_the_row(open_page: Callable[..., Page]) -> None:
    page = open_page("/clients")
    client_id = value_of(row(page, 4))
    row(page, 4).locator("input[name=chosen]").check()
    narrow_to(page, client_id)
    assert ticked(page) == [client_id]
    assert page.locator("[data-count]").text_content() == "1 selected"


def test_a_tick_is_gone_with_the_client_that_the_filter_leaves_out(open_page: Callable[..., Page]) -> None:
    page = open_page("/clients?size=25")
    page.locator("a[rel=next]").click()
    other = value_of(row(page, 4))
    page.go_back()
    row(page, 0).locator("input[name=chosen]").check()
    narrow_to(page, other)
    assert value_of(row(page, 0)) == other
    assert ticked(page) == []
    assert not page.locator("[data-choose-page]").is_checked()


def test_all_that_match_is_never_said_of_another_filter(open_page: Callable[..., Page]) -> None:
    page = open_page("/policies?size=25")
    total = int(page.locator("form[data-bulk]").get_attribute("data-bulk") or 0)
    page.locator("[data-choose-page]").check()
    page.locator("input[name=everything]").check()
    expect(page.locator("[data-count]")).to_have_text(f"{total} selected")
    page.locator("#f-line").select_option("health")
    expect(page.locator("form[data-bulk]")).not_to_have_attribute("data-bulk", str(total))
    assert page.locator("input[name=everything]:checked").count() == 0
    assert page.locator("[data-count]").text_content() == f"{len(ticked(page))} selected"


def test_a_date_that_is_not_there_is_told_and_what_was_typed_stays(open_page: Callable[..., Page]) -> None:
    page = open_page("/policies")
    page.locator("#f-date_from").press_sequentially("31/11/2026")
    page.get_by_text("Ends from: there is no 31 November 2026.").wait_for()
    assert page.evaluate("document.activeElement.id") == "f-date_from"
    assert page.locator("#f-date_from").input_value() == "31/11/2026"
    page.locator("#f-date_from").fill("30/11/2026")
    page.get_by_text("Ends from: there is no 31 November 2026.").wait_for(state="detached")
