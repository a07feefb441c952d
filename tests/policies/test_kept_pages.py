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


def test_a_note_about_a_client_leaves_the_list_of_policies_kept(clerk, book, policy, monkeypatch):
    clerk.get(LIST)
    with transaction() as tx:
        tx.update("clients", {"email": "another@example.in"}, filters={"client_id": book.client})
    asked = []

    def counted(*names, **given):
        asked.append(names)
        return execute_query(*names, **given)

    monkeypatch.setattr("portal.paging.execute_query", counted)
    clerk.get(LIST)
    assert asked == []
    clerk.get(CLIENTS)
    assert asked == [("client_list",)]


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
