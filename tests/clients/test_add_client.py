"""Adding a client."""

import threading
from datetime import date

from database_pool import execute_query
from tests.cast import sign_in
from tests.clients.conftest import id_in, stored, trail_of

EVERYTHING = {
    "client_type": "individual",
    "name": "  Rohan   Mehta ",
    "prefix": "rm",
    "phone": "098200 12345",
    "other_phone": "(022) 2266 1234",
    "email": "Rohan@Example.in",
    "date_of_birth": "1/2/1985",
    "pan": "acupa1234r",
    "address": "12 Hill Road\r\nBandra West",
    "city": "Mumbai",
    "state": "Maharashtra",
    "pin": "400 050",
    "group_name": "Mehta family",
    "subgroup": "Head",
    "language": "gu",
    "whatsapp_opt_in": "1",
    "notes": "call after 6 🙂",
}


def test_a_new_client_is_stored_with_every_field_and_gets_an_id_from_its_prefix(clerk):
    answer = clerk.submit("/clients/new", EVERYTHING)
    assert answer.status_code == 303 and answer.location == "/clients/RM01"
    client = stored("RM01")
    expected = {
        "client_type": "individual",
        "name": "Rohan Mehta",
        "phone": "+919820012345",
        "other_phone": "+912222661234",
        "email": "rohan@example.in",
        "date_of_birth": date(1985, 2, 1),
        "pan": "ACUPA1234R",
        "gstin": None,
        "address": "12 Hill Road\nBandra West",
        "city": "Mumbai",
        "state": "Maharashtra",
        "pin": "400050",
        "group_name": "Mehta family",
        "subgroup": "Head",
        "language": "gu",
        "whatsapp_opt_in": True,
        "email_opt_in": False,
        "notes": "call after 6 🙂",
        "version": 1,
    }
    assert {name: client[name] for name in expected} == expected
    assert client["whatsapp_opt_in_at"] is not None


def test_a_person_becomes_a_member_of_their_own_family(clerk, add_client):
    client = add_client(name="Leela Rao", date_of_birth="3/4/1990")
    page = clerk.get(f"/clients/{client['client_id']}").text
    assert "Leela Rao" in page and "Self" in page and "03/04/1990" in page


def test_a_firm_starts_without_members(clerk, add_client):
    client = add_client(name="Shree Balaji Plastics", client_type="firm")
    assert client["client_id"].startswith("SBP")
    assert "No members yet" in clerk.get(f"/clients/{client['client_id']}").text


def test_the_id_starts_with_the_initials_when_no_prefix_is_given(add_client):
    assert add_client(name="Zubin Wadia")["client_id"] == "ZW01"
    assert add_client(name="Zoya Walia")["client_id"] == "ZW02"


def test_a_name_in_another_script_gets_the_common_prefix(add_client):
    assert add_client(name="नेहा मेहता")["client_id"] == "CL01"


def test_adding_is_in_the_trail_with_who_and_what(add_client):
    client = add_client(city="Surat")
    entries = trail_of(client["client_id"])
    assert {(entry["action"], entry["record_type"], entry["user_name"]) for entry in entries} == {
        ("add", "client", "Charu Nair"),
        ("add", "member", "Charu Nair"),
    }
    assert next(entry for entry in entries if entry["record_type"] == "client")["after"]["city"] == "Surat"


def test_a_double_click_adds_one_client(clerk):
    form = {"name": "Double Click", "client_type": "firm", "language": "en", "form_key": "0" * 32}
    first, second = clerk.submit("/clients/new", form), clerk.submit("/clients/new", {**form, "same_as_known": "DC01"})
    assert first.location == second.location == "/clients/DC01"


def test_the_same_form_filled_in_anew_adds_another_client(clerk):
    """The browser's Back button brings the form back with the key it was sent with."""
    form = {"client_type": "firm", "language": "en", "form_key": "1" * 32}
    first = clerk.submit("/clients/new", {**form, "name": "Back Button One"})
    second = clerk.submit("/clients/new", {**form, "name": "Quite Another"})
    assert stored(id_in(first))["name"] == "Back Button One"
    assert stored(id_in(second))["name"] == "Quite Another"


def test_colleagues_adding_with_one_prefix_at_once_get_different_ids(app):
    browsers = [sign_in(app, who) for who in ("staff", "manager", "administrator") for _ in range(4)]
    answers = []

    def add(number, browser):
        form = {"client_type": "firm", "name": f"Rival {'abcdefghijkl'[number] * 6}", "prefix": "RV", "language": "en"}
        answers.append(browser.submit("/clients/new", form))

    rivals = [threading.Thread(target=add, args=pair) for pair in enumerate(browsers)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    assert [answer.status_code for answer in answers] == [303] * 12
    assert sorted(answer.location for answer in answers) == [f"/clients/RV{number:02d}" for number in range(1, 13)]


def test_an_id_that_came_from_elsewhere_is_stepped_over(add_client, database):
    execute_query("clients", "insert", data={"client_id": "XX01", "name": "Imported"})
    assert add_client(prefix="XX")["client_id"] == "XX02"
