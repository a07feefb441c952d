"""Pages that are kept while nothing of them changes show every change at the next click, whoever made it."""

import pytest

from database_pool import execute_query, transaction
from tests.policies.book import add

LIST, CLIENTS, CLIENT, RENEWALS = "/policies", "/clients", "/clients/{client}", "/renewals?view=all"


@pytest.fixture(scope="module")
def policy(clerk, book):
    return add(clerk, book.form("health", policy_number="KEPT/1"))


# What another process changes, by table: the row's key, the new value, and the pages that show it.
CHANGES = [
    ("clients", "client_id", "client", {"name": "Renamed Client"}, [LIST, CLIENTS, CLIENT]),
    ("clients", "client_id", "client", {"city": "Renamed City"}, [CLIENTS, CLIENT]),
    ("clients", "client_id", "client", {"address": "12 Renamed Street"}, [CLIENT]),
    ("clients", "client_id", "client", {"email": "renamed@example.in"}, [CLIENT]),
    ("members", "member_id", "head", {"name": "Renamed Head"}, [CLIENT]),
    ("members", "member_id", "spouse", {"name": "Renamed Spouse"}, [CLIENT]),
    ("insurers", "insurer_id", "insurer", {"short_name": "Renamed Insurer"}, [LIST]),
    ("agents", "agent_id", "agent", {"name": "Renamed Agent"}, [CLIENT]),
    ("policies", "policy_id", "policy", {"policy_number": "RENAMED/1"}, [LIST]),
    ("policies", "policy_id", "policy", {"gross_premium": "987654.00"}, [LIST]),
]


@pytest.mark.parametrize(("table", "key", "which", "change", "pages"), CHANGES,
                         ids=[f"{table}: {next(iter(change))}" for table, _, _, change, _ in CHANGES])
def test_a_change_of_another_process_is_shown_at_the_next_click(clerk, book, policy, table, key, which, change, pages):
    if table == "agents":
        with transaction() as tx:
            tx.update("clients", {"agent_id": book.agent}, filters={"client_id": book.client})
    paths = [path.format(client=book.client) for path in pages]
    expected = next(iter(change.values())).replace("987654.00", "9,87,654")
    for path in paths:
        assert [expected in clerk.get(path).text for _ in range(2)] == [False, False]
    with transaction() as tx:
        tx.update(table, change, filters={key: policy if which == "policy" else getattr(book, which)})
    for path in paths:
        assert expected in clerk.get(path).text, path


@pytest.mark.parametrize(("change", "read_again"), [
    ({"address": "1 Another Street"}, []),
    ({"email": "another@example.in"}, ["client_list", "renewal_list"]),
    ({"phone": "+919800000077"}, ["client_list", "renewal_list"]),
    ({"whatsapp_opt_in": True}, ["client_list", "renewal_list"]),
    ({"name": "Another Name"}, ["client_list", "policy_list", "renewal_list"]),
], ids=lambda given: next(iter(given), "") if isinstance(given, dict) else None)
def test_only_lists_that_show_what_changed_are_read_again(clerk, book, policy, monkeypatch, change, read_again):
    def write():
        with transaction() as tx:
            tx.update("clients", change, filters={"client_id": book.client})

    assert _read_again_after(write, clerk, monkeypatch) == read_again


def test_one_member_more_is_one_more_in_the_list_of_clients(clerk, book, policy, monkeypatch):
    def write():
        with transaction() as tx:
            tx.insert("members", {"client_id": book.client, "name": "One More", "relation": "son"})

    assert "client_list" in _read_again_after(write, clerk, monkeypatch)


def _read_again_after(write, clerk, monkeypatch) -> list[str]:
    """The lists that were kept and are read again once something was written."""
    pages = (LIST, CLIENTS, RENEWALS)
    asked: list[str] = []
    for page in pages:
        clerk.get(page)
    write()

    def counted(*names, **given):
        asked.extend(names)
        return execute_query(*names, **given)

    monkeypatch.setattr("portal.paging.execute_query", counted)
    for page in pages:
        clerk.get(page)
    return sorted(asked)


def test_who_becomes_insured_shows_at_once(clerk, book, policy):
    page = f"/clients/{book.client}"
    assert _grid(clerk.get(page).text) == (before := _grid(clerk.get(page).text))
    person = {"policy_id": policy, "member_id": book.spouse, "name": "Spouse", "sum_insured": 500000}
    with transaction() as tx:
        tx.insert("insured_persons", person)
    assert _grid(clerk.get(page).text) != before


def _grid(page: str) -> str:
    """The table of who is covered by what."""
    return page[page.index("<table"):page.index("</table>")]
