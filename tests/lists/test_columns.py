"""The columns of a list: each colleague's own choice."""

import re

from tests.cast import sign_in


def headings(browser, path):
    table = re.search(r"<thead>(.*?)</thead>", browser.get(path).text, re.DOTALL)[1]
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<th .*?</th>", table, re.DOTALL)][1:]


def choose(browser, name, *columns):
    return browser.submit(f"/lists/{name}/columns", {"next": f"/{name}", "column": list(columns)})


def test_the_chosen_columns_are_shown_and_no_others(clerk, manager):
    assert headings(clerk, "/clients") == [
        "Client", "Phone", "City", "Live policies", "Gross a year", "Next expiry", "Agent", "To note"]
    choose(clerk, "clients", "members", "email", "agent")
    assert headings(clerk, "/clients") == ["Client", "E-mail", "Members", "Agent"]
    assert len(headings(manager, "/clients")) == 8


def test_cells_and_headings_agree(clerk):
    for name in ("clients", "policies"):
        page = clerk.get(f"/{name}").text
        available = re.findall(r'name="column" value="(\w+)"', page)
        choose(clerk, name, *available)
        page = clerk.get(f"/{name}").text
        row = re.search(r"<tbody data-rows[^>]*>\s*<tr>(.*?)</tr>", page, re.DOTALL)[1]
        labels = re.findall(r'data-l="([^"]+)"', row)
        assert labels == headings(clerk, f"/{name}")
        assert len(labels) == len(available) + 1


def test_no_choice_is_what_is_shown_at_first(clerk):
    choose(clerk, "policies", "gross")
    assert headings(clerk, "/policies") == ["Policy", "Gross"]
    choose(clerk, "policies")
    assert "Status" in headings(clerk, "/policies")


def test_commission_is_a_column_for_those_who_may_see_it(app, clerk):
    accounts = sign_in(app, "accounts")
    for browser in (accounts, clerk):
        choose(browser, "policies", "gross", "commission")
    assert headings(accounts, "/policies") == ["Policy", "Gross", "Commission"]
    assert headings(clerk, "/policies") == ["Policy", "Gross"]
    assert "Commission" in accounts.get("/policies/export").text
    assert "77" not in clerk.get("/policies/export").text


def test_words_that_are_no_columns_are_ignored(clerk):
    choose(clerk, "clients", "city", "password_hash", "'; drop", "x" * 500)
    assert headings(clerk, "/clients") == ["Client", "City"]
