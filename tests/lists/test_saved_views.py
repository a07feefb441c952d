"""Saved views: an address under a name, one's own or for all."""

import re

import pytest

from tests.cast import sign_in


def tabs(browser, path="/clients"):
    """Labels of the tabs with their addresses, and which of them is the current one."""
    nav = re.search(r'<nav class="tabs" aria-label="Views">(.*?)</nav>', browser.get(path).text, re.DOTALL)[1]
    found = re.findall(r'<a href="([^"]+)"([^>]*)>([^<]+)</a>', nav)
    return {label: href.replace("&amp;", "&") for href, _, label in found}, [
        label for _, more, label in found if "aria-current" in more]


def save(browser, name, query, area="clients", **more):
    return browser.submit(f"/lists/{area}/views", {"name": name, "query": query, "next": f"/{area}", **more})


def test_a_saved_view_is_a_tab_that_shows_the_same_list(clerk):
    answer = save(clerk, "Pune by premium", "city=Pune&sort=-gross&cursor=abc&size=25")
    assert answer.headers["Location"] == "/clients?city=Pune&sort=-gross"
    labels, current = tabs(clerk, "/clients?sort=-gross&city=Pune")
    assert labels["Pune by premium"] == "/clients?city=Pune&sort=-gross"
    assert current == ["Pune by premium"]
    assert "30 clients" in clerk.get(labels["Pune by premium"]).text


def test_the_address_alone_shows_the_view_to_a_colleague_who_did_not_save_it(clerk, manager):
    save(clerk, "Surat", "city=Surat")
    assert "30 clients" in manager.get("/clients?city=Surat").text
    assert "Surat" not in tabs(manager)[0]


def test_a_shared_view_is_everybodys_tab_and_its_owners_to_delete(clerk, manager, app):
    save(clerk, "For all of us", "city=Mumbai", shared="on")
    assert "For all of us" in tabs(manager)[0]
    view_id = re.search(r'/lists/clients/views/(\d+)/deletion', clerk.get("/clients?city=Mumbai").text)[1]
    assert "/deletion" not in manager.get("/clients?city=Mumbai").text
    assert manager.submit(f"/lists/clients/views/{view_id}/deletion").status_code == 403
    assert sign_in(app, "administrator").submit(f"/lists/clients/views/{view_id}/deletion").status_code == 303
    assert "For all of us" not in tabs(manager)[0]
    assert clerk.submit(f"/lists/clients/views/{view_id}/deletion").status_code == 404


def test_a_name_is_needed_and_used_once(clerk):
    save(clerk, "Twice", "city=Pune")
    save(clerk, "twice", "city=Surat")
    page = clerk.get("/clients").text
    assert "Choose another name" in page
    save(clerk, "  ", "city=Surat")
    assert "Name is needed" in clerk.get("/clients").text


def test_lists_keep_apart(clerk):
    save(clerk, "Only here", "line=health", area="policies")
    assert "Only here" in tabs(clerk, "/policies")[0]
    assert "Only here" not in tabs(clerk, "/clients")[0]


@pytest.mark.parametrize("query", ["x" * 2000, "next=//evil.example", "%00", "q=<script>"])
def test_an_odd_query_breaks_nothing(clerk, query):
    assert save(clerk, f"Odd {len(query)}", query).status_code == 303
    assert clerk.get("/clients").status_code == 200


def test_nobody_is_sent_to_another_site(clerk):
    answer = clerk.submit("/lists/clients/columns", {"next": "https://evil.example/", "column": "city"})
    assert answer.headers["Location"] == "/"
