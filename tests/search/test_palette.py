"""The command palette: pages, actions and records under one field, each only for those who may open it."""

import re

import pytest

from tests.cast import sign_in
from tests.clients.counting import questions_of

OPTION = re.compile(
    r'<(?:a|button)[^>]*role="option"[^>]*(?:href|data-press)="([^"]+)">(.*?)</(?:a|button)>', re.DOTALL)


def lines(browser, typed=""):
    """Labels and targets of the options."""
    page = browser.get("/search/palette", query_string={"q": typed})
    assert page.status_code == 200
    return {re.sub(r"<span.*", "", label).strip(): target for target, label in OPTION.findall(page.text)}


def test_every_page_it_offers_opens(app):
    administrator = sign_in(app, "administrator")
    offered = lines(administrator)
    assert {"Clients", "Policies", "Users", "Add client", "Sign out"} <= set(offered)
    for label, target in offered.items():
        if target.startswith("/"):
            assert administrator.get(target).status_code == 200, label


@pytest.mark.parametrize(("role", "absent"), [("staff", "Users"), ("reader", "Add client"), ("reader", "Settings")])
def test_nobody_is_offered_what_the_role_may_not_open(app, role, absent):
    assert absent in lines(sign_in(app, "administrator"))
    assert absent not in lines(sign_in(app, role))


def test_words_may_be_begun(clerk):
    offered = lines(clerk, "add pol")
    assert offered["Add policy"] == "/policies/new"
    assert "Add client" not in offered


def test_records_are_found_as_in_the_search(clerk):
    offered = lines(clerk, "rohan")
    assert offered["Rohan Mehta"] == "/clients/RM01"
    assert any(target.startswith("/search?q=rohan") for target in offered.values())


def test_odd_text_is_no_breakdown(clerk):
    assert lines(clerk, "'); drop table")
    assert lines(clerk, "<b>&\"'") is not None


def test_it_asks_few_questions(clerk, monkeypatch):
    assert questions_of(clerk, "/search/palette?q=mehta", monkeypatch) <= 3
