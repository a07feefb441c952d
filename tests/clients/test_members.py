"""Members of a client: adding, changing, removing and putting back."""

from datetime import date

import pytest

from database_pool import execute_query
from portal import sealing
from tests.clients.conftest import trail_of

NEHA = {
    "name": "Neha Mehta",
    "relation": "spouse",
    "date_of_birth": "5/6/1988",
    "gender": "female",
    "phone": "98200 99999",
    "nominee": "Rohan Mehta",
}


@pytest.fixture
def family(clerk, add_client):
    """A client with Neha as the only member; answers the client's address and Neha's row."""
    client = add_client(client_type="firm")
    here = f"/clients/{client['client_id']}"
    assert clerk.submit(f"{here}/members/new", NEHA).location == f"{here}#members"
    return here, row(here)


def row(here):
    return sealing.opened(execute_query("members", filters={"client_id_eq": here.rsplit("/", 1)[1]}).data[0])


def test_a_member_is_stored_with_every_field_and_noted(family):
    here, member = family
    assert (
        member["name"],
        member["relation"],
        member["date_of_birth"],
        member["gender"],
        member["phone"],
        member["nominee"],
    ) == ("Neha Mehta", "spouse", date(1988, 6, 5), "female", "+919820099999", "Rohan Mehta")
    assert trail_of(here.rsplit("/", 1)[1])[0]["record_type"] == "member"


def test_a_member_can_be_changed_and_every_optional_field_cleared(clerk, family):
    here, member = family
    answer = clerk.submit(
        f"{here}/members/{member['member_id']}",
        {
            "name": "Neha M. Shah",
            "relation": "partner",
            "date_of_birth": "",
            "gender": "",
            "phone": "",
            "nominee": "",
            "version": "1",
        },
    )
    assert answer.status_code == 303
    after = row(here)
    assert [after[name] for name in ("name", "relation", "date_of_birth", "gender", "phone", "nominee")] == [
        "Neha M. Shah",
        "partner",
        None,
        None,
        None,
        None,
    ]


def test_the_second_of_two_colleagues_sees_both_versions_of_a_member(clerk, colleague, family):
    here, member = family
    at = f"{here}/members/{member['member_id']}"
    assert clerk.submit(at, {**NEHA, "nominee": "First", "version": "1"}).status_code == 303
    answer = colleague.submit(at, {**NEHA, "nominee": "Second", "version": "1"})
    assert answer.status_code == 409 and "First" in answer.text and "Second" in answer.text
    assert row(here)["nominee"] == "First"


def test_a_removed_member_is_listed_apart_and_can_be_put_back(clerk, family):
    here, member = family
    assert clerk.submit(f"{here}/members/{member['member_id']}/remove", {"version": "1"}).status_code == 303
    page = clerk.get(here).text
    assert "Removed members (1)" in page and "No members yet" in page
    assert clerk.submit(f"{here}/members/{member['member_id']}/restore", {"version": "2"}).status_code == 303
    assert "Removed members" not in clerk.get(here).text
    assert [entry["action"] for entry in trail_of(here.rsplit("/", 1)[1])][:3] == ["restore", "delete", "add"]


def test_a_button_pressed_on_an_old_page_does_nothing_and_says_so(clerk, family):
    here, member = family
    at = f"{here}/members/{member['member_id']}"
    clerk.submit(at, {**NEHA, "nominee": "Newer", "version": "1"})
    answer = clerk.submit(f"{at}/remove", {"version": "1"}, follow_redirects=True)
    assert "a colleague changed this record meanwhile" in answer.text and row(here)["deleted_at"] is None


def test_a_member_named_on_a_live_policy_cannot_be_removed(clerk, family, live_policy):
    here, member = family
    live_policy(here.rsplit("/", 1)[1], member["member_id"])
    answer = clerk.submit(f"{here}/members/{member['member_id']}/remove", {"version": "1"})
    assert answer.status_code == 422 and "is named on a live or pending policy" in answer.text
    assert row(here)["deleted_at"] is None


def test_a_double_click_adds_one_member(clerk, family):
    here, _ = family
    page = clerk.get(f"{here}/members/new").text
    key = page[page.index('name="form_key" value="') :].split('"')[3]
    arjun = {**NEHA, "name": "Arjun Mehta", "form_key": key}
    answers = [clerk.submit(f"{here}/members/new", arjun) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    named = {"client_id_eq": here.rsplit("/", 1)[1], "name_eq": "Arjun Mehta"}
    assert len(execute_query("members", filters=named).data) == 1
    assert [entry["record_type"] for entry in trail_of(named["client_id_eq"])].count("member") == 2


def test_the_form_of_a_member_filled_in_anew_adds_another_one(clerk, family, add_client):
    here, _ = family
    form = {"relation": "son", "form_key": "3" * 32}
    for name in ("Aarav Mehta", "Vihaan Mehta"):
        assert clerk.submit(f"{here}/members/new", {**form, "name": name}).status_code == 303
    other = add_client(client_type="firm")["client_id"]
    assert clerk.submit(f"/clients/{other}/members/new", {**form, "name": "Aarav Mehta"}).status_code == 303
    assert len(execute_query("members", filters={"name_in": ["Aarav Mehta", "Vihaan Mehta"]}).data) == 3


@pytest.mark.parametrize("number", ["0", "987654321", "9" * 30])
def test_a_member_of_somebody_else_is_not_found_here(clerk, family, add_client, number):
    here, member = family
    assert clerk.get(f"{here}/members/{number}").status_code == 404
    other = add_client()
    assert clerk.get(f"/clients/{other['client_id']}/members/{member['member_id']}").status_code == 404
    answer = clerk.submit(f"/clients/{other['client_id']}/members/{member['member_id']}", {**NEHA, "version": "1"})
    assert answer.status_code == 404


def test_a_member_insured_among_others_on_an_open_policy_cannot_be_removed(clerk, family, live_policy):
    here, member = family
    policy_id = live_policy(here.rsplit("/", 1)[1], line="health", state="pending")
    execute_query(
        "insured_persons",
        "insert",
        data={"policy_id": policy_id, "member_id": member["member_id"], "name": "Neha Mehta"},
    )
    answer = clerk.submit(f"{here}/members/{member['member_id']}/remove", {"version": "1"})
    assert answer.status_code == 422 and "is named on a live or pending policy" in answer.text
    execute_query("policies", "update", data={"state": "lost"}, filters={"policy_id_eq": policy_id})
    assert clerk.submit(f"{here}/members/{member['member_id']}/remove", {"version": "1"}).status_code == 303
    assert row(here)["deleted_at"] is not None
