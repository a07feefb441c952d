"""The list of clients: finding, narrowing, sorting, paging."""

import re

import pytest

from database_pool import execute_query, transaction
from portal import formats
from tests.clients.counting import questions_of


@pytest.fixture(scope="module", autouse=True)
def book(database):
    """Sixty clients in three cities, two agents, one group; a third without e-mail, one in the trash."""
    with transaction() as tx:
        tx.insert("agents", [{"agent_id": 1, "name": "Agent Apte"}, {"agent_id": 2, "name": "Agent Bose"}])
        tx.insert(
            "clients",
            [
                {
                    "client_id": f"TC{number:02d}",
                    "name": f"Test Client {number:02d}",
                    "city": ("Mumbai", "Pune", "Surat")[number % 3],
                    "agent_id": 1 + number % 2,
                    "group_name": "Desai family" if number < 5 else None,
                    "client_type": "firm" if number % 10 == 0 else "individual",
                    "phone": f"+9198200200{number:02d}" if number else None,
                    "email": None if number % 3 == 0 else f"c{number}@example.in",
                    "whatsapp_opt_in": number % 2 == 0,
                }
                for number in range(60)
            ],
        )
        tx.insert("clients", [{"client_id": "TR01", "name": "Trashed Tambe", "deleted_at": "2026-11-01T00:00:00Z"}])


def shown(page):
    """Ids of the clients on a page, in its order."""
    return re.findall(r'<span class="mono muted">(\w+)</span>', page.text)


def link(page, rel):
    """The address of the next or previous page, "" where there is none."""
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page.text)
    return "/clients" + found[1].replace("&amp;", "&") if found else ""


def test_the_first_page_shows_fifty_by_name_and_counts_all(clerk):
    page = clerk.get("/clients")
    assert shown(page) == [f"TC{number:02d}" for number in range(50)]
    assert "60 clients" in page.text and "1 to 50 of 60 clients" in page.text


def test_the_next_page_shows_the_rest_and_leads_back(clerk):
    first = clerk.get("/clients")
    second = clerk.get(link(first, "next"))
    assert shown(second) == [f"TC{number:02d}" for number in range(50, 60)]
    assert shown(clerk.get(link(second, "prev"))) == shown(first)


@pytest.mark.parametrize(
    ("address", "ids"),
    [
        ("?q=client 07", ["TC07"]),
        ("?q=CLIENT+test+59", ["TC59"]),
        ("?q=20031", ["TC31"]),
        ("?q=0031", ["TC31"]),
        ("?q=98200+200+17", ["TC17"]),
        ("?q=%2B91+98200-20018", ["TC18"]),
        ("?q=tc45", ["TC45"]),
        ("?q=c44@example", ["TC44"]),
        ("?group=Desai+family", ["TC00", "TC01", "TC02", "TC03", "TC04"]),
        ("?q=desai&city=Pune", ["TC01", "TC04"]),
        ("?agent_id=2&city=Surat&client_type=individual&q=client+05", ["TC05"]),
        ("?client_type=firm", ["TC00", "TC10", "TC20", "TC30", "TC40", "TC50"]),
        ("?show=no-phone", ["TC00"]),
        ("?show=trash", ["TR01"]),
        ("?q=tambe", []),
        ("?q=nobody", []),
        ("?q=%F0%9F%99%82", []),
        ("?show=no-email&client_type=firm", ["TC00", "TC30"]),
        ("?show=no-consent&group=Desai+family", ["TC01", "TC03"]),
    ],
)
def test_words_numbers_and_filters_narrow_the_list(clerk, address, ids):
    assert shown(clerk.get(f"/clients/{address}")) == ids


def test_a_filter_stays_chosen_and_can_be_cleared(clerk):
    page = clerk.get("/clients?city=Pune&q=client").text
    assert '<option value="Pune" selected>Pune</option>' in page and 'value="client"' in page
    assert "Clear filters" in page


@pytest.mark.parametrize(
    ("word", "first", "aria"),
    [
        ("name", "TC00", "ascending"),
        ("-name", "TC59", "descending"),
        ("-city", "TC59", "descending"),
        ("city", "TC00", "ascending"),
    ],
)
def test_a_heading_sorts_and_says_so(clerk, word, first, aria):
    page = clerk.get(f"/clients?sort={word}")
    assert shown(page)[0] == first
    heading = re.search(rf'<th scope="col"[^>]*aria-sort="{aria}"><a href="([^"]+)"', page.text)
    assert heading and len(re.findall("aria-sort", page.text)) == 1


@pytest.mark.parametrize("word", ["name", "-policies", "policies", "-gross", "gross", "due", "-due", "-added", "id"])
def test_every_sort_can_be_paged_to_its_end(clerk, word):
    address, ids = f"/clients?sort={word}&size=25", []
    while address:
        page = clerk.get(address)
        assert page.status_code == 200
        ids += shown(page)
        address = link(page, "next")
    assert sorted(ids) == [f"TC{number:02d}" for number in range(60)]


def test_what_to_note_of_a_client_is_in_its_row(clerk):
    row = clerk.get("/clients?q=tc00").text
    assert "No phone" in row and "No e-mail" in row and "No consent" not in row


def test_live_policies_and_their_premium_are_counted_per_client(clerk, live_policy):
    for number in range(2):
        live_policy("TC09", gross_premium=f"1000{number}")
    live_policy("TC09", state="lost")
    row = clerk.get("/clients?q=tc09").text
    assert "₹20,001" in row and '<td data-l="Live policies" class="num">2</td>' in row and "31/10/2027" in row


def test_no_match_is_said_with_a_way_out(clerk):
    page = clerk.get("/clients?q=nobody").text
    assert "No client matches" in page and "Clear filters" in page


def test_the_list_asks_at_most_six_questions(clerk, monkeypatch):
    second = link(clerk.get("/clients"), "next")
    assert questions_of(clerk, "/clients", monkeypatch) <= 5
    assert questions_of(clerk, second, monkeypatch) <= 6
    assert questions_of(clerk, "/clients?q=client&city=Pune", monkeypatch) <= 5


@pytest.mark.parametrize(
    "path", ["/clients/TC01", "/clients/TC01/edit", "/clients/new", "/clients/TC01/delete", "/clients/TC01/members/new"]
)
def test_no_page_of_a_client_asks_more_than_six_questions(app, colleague, path, monkeypatch):
    assert questions_of(colleague, path, monkeypatch) <= 6


def test_an_office_without_clients_is_shown_how_to_begin(clerk):
    execute_query("policies", "update", filters={"client_id_like": "%"}, data={"deleted_at": formats.now()})
    execute_query("clients", "update", filters={"client_id_like": "%"}, data={"deleted_at": formats.now()})
    page = clerk.get("/clients").text
    assert "No clients yet" in page and "Add the first client" in page
