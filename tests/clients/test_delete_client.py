"""Deleting a client, and the way back."""

from tests.clients.conftest import stored, trail_of, typed


def here(client, rest=""):
    return f"/clients/{client['client_id']}{rest}"


def test_a_deleted_client_leaves_the_list_and_waits_in_the_trash(colleague, add_client):
    client = add_client(name="Vanishing Vora")
    assert "Move to the trash" in colleague.get(here(client, "/delete")).text
    answer = colleague.submit(here(client, "/delete"), {"version": "1"}, follow_redirects=True)
    assert "is in the trash." in answer.text
    assert "Vanishing Vora" not in colleague.get("/clients?q=vanishing").text
    assert "Vanishing Vora" in colleague.get("/clients?show=trash&q=vanishing").text
    page = colleague.get(here(client)).text
    assert "This client is in the trash" in page and "Restore" in page


def test_a_restored_client_is_as_it_was(colleague, add_client):
    client = add_client(city="Pune")
    colleague.submit(here(client, "/delete"), {"version": "1"})
    assert colleague.submit(here(client, "/restore"), {"version": "2"}).status_code == 303
    after = stored(client["client_id"])
    assert (after["deleted_at"], after["city"], after["version"]) == (None, "Pune", 3)
    assert [entry["action"] for entry in trail_of(client["client_id"])][:2] == ["restore", "delete"]


def test_a_client_with_a_live_policy_cannot_be_deleted(colleague, add_client, live_policy):
    client = add_client()
    live_policy(client["client_id"])
    answer = colleague.submit(here(client, "/delete"), {"version": "1"})
    assert answer.status_code == 422 and "has live or pending policies" in answer.text
    assert stored(client["client_id"])["deleted_at"] is None


def test_a_client_changed_since_the_page_was_opened_is_not_deleted(clerk, colleague, add_client):
    client = add_client()
    clerk.submit(here(client, "/edit"), typed(client, city="Surat"))
    answer = colleague.submit(here(client, "/delete"), {"version": "1"}, follow_redirects=True)
    assert "a colleague changed this record meanwhile" in answer.text
    assert stored(client["client_id"])["deleted_at"] is None


def test_nothing_can_be_changed_while_in_the_trash(clerk, colleague, add_client):
    client = add_client()
    colleague.submit(here(client, "/delete"), {"version": "1"})
    assert clerk.get(here(client, "/edit")).status_code == 303
    answer = clerk.submit(here(client, "/members/new"), {"name": "Late Comer", "relation": "son"})
    assert answer.status_code == 409 and "Late Comer" in answer.text
