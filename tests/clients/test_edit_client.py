"""Changing a client's data, alone and against a colleague."""

import re
from datetime import date

import pytest

from database_pool import execute_query
from tests.cast import sign_in
from tests.clients.conftest import gstin_of, stored, trail_of, typed

GSTIN = gstin_of("ACUPD7777R")


OPTIONAL = (
    "other_phone",
    "email",
    "date_of_birth",
    "pan",
    "gstin",
    "address",
    "city",
    "state",
    "pin",
    "group_name",
    "subgroup",
    "agent_id",
    "notes",
)


def path(client, rest="edit"):
    return f"/clients/{client['client_id']}/{rest}"


def test_the_edit_form_shows_what_is_stored_and_saves_it_back_unchanged(clerk, add_client):
    client = add_client(date_of_birth="1/2/1985", pan="ACUPA1234R", whatsapp_opt_in="1", address="12 Hill Road\nBandra")
    page = clerk.get(path(client)).text
    assert 'value="01/02/1985"' in page and 'value="ACUPA1234R"' in page and "12 Hill Road\nBandra" in page
    answer = clerk.submit(path(client), typed(client, date_of_birth="01/02/1985", whatsapp_opt_in="1"))
    assert answer.status_code == 303
    after = stored(client["client_id"])
    moved = {name for name in after if after[name] != client[name]}
    assert moved <= {"version", "updated_at"}


def test_a_changed_field_is_stored_and_noted_with_its_old_value(clerk, add_client):
    client = add_client(city="Pune")
    clerk.submit(path(client), typed(client, city="Thane"))
    assert stored(client["client_id"])["city"] == "Thane"
    last = trail_of(client["client_id"])[0]
    assert (last["action"], last["before"], last["after"]) == ("change", {"city": "Pune"}, {"city": "Thane"})


def test_every_optional_field_can_be_cleared(clerk, add_client):
    client = add_client(
        other_phone="022 2266 1234",
        email="someone@example.in",
        date_of_birth="1/1/1980",
        pan="ACUPD7777R",
        gstin=GSTIN,
        address="x",
        city="Pune",
        state="MH",
        pin="411001",
        group_name="G",
        subgroup="S",
        notes="n",
        whatsapp_opt_in="1",
    )
    emptied = dict.fromkeys(("phone", *OPTIONAL), "")
    assert clerk.submit(path(client), typed(client, **emptied)).status_code == 303
    after = stored(client["client_id"])
    assert {name for name in emptied if after[name] is not None} == set()
    assert (after["whatsapp_opt_in"], after["whatsapp_opt_in_at"]) == (False, None)


def test_consent_keeps_the_moment_it_was_given(clerk, add_client):
    client = add_client(whatsapp_opt_in="1")
    clerk.submit(path(client), typed(client, whatsapp_opt_in="1", city="Surat"))
    assert stored(client["client_id"])["whatsapp_opt_in_at"] == client["whatsapp_opt_in_at"]


def test_the_second_of_two_colleagues_sees_both_versions_and_loses_nothing(clerk, colleague, add_client):
    client = add_client(city="Pune", notes="old")
    assert clerk.submit(path(client), typed(client, city="Thane")).status_code == 303
    answer = colleague.submit(path(client), typed(client, notes="mine <b>bold</b>"))
    assert answer.status_code == 409
    assert "Changed by someone else" in answer.text
    assert "mine &lt;b&gt;bold&lt;/b&gt;" in answer.text and "Thane" in answer.text
    assert stored(client["client_id"])["notes"] == "old", "nothing of the second is stored yet"


def test_the_page_of_both_versions_saves_mine_over_theirs_when_asked(clerk, colleague, add_client):
    client = add_client(city="Pune")
    clerk.submit(path(client), typed(client, city="Thane"))
    page = colleague.submit(path(client), typed(client, city="Nashik", whatsapp_opt_in="1")).text
    form = page[page.index(f'action="{path(client)}"') :]
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    assert colleague.post(path(client), data=hidden).status_code == 303
    after = stored(client["client_id"])
    assert (after["city"], after["whatsapp_opt_in"]) == ("Nashik", True)


def test_fields_that_only_look_different_are_no_conflict(clerk, colleague, add_client):
    """The stored phone is +91..., the typed one may have spaces: the comparison must not call that a difference."""
    client = add_client(phone="98200 77001")
    clerk.submit(path(client), typed(client, city="Thane"))
    page = colleague.submit(path(client), typed(client, phone="98200 77001")).text
    differing = page[page.index("<tbody>") : page.index("</tbody>")]
    assert "Phone" not in differing and "City" in differing


def test_a_client_deleted_meanwhile_is_not_changed_and_the_text_stays(clerk, colleague, add_client):
    client = add_client()
    colleague.submit(path(client, "delete"), {"version": client["version"]})
    answer = clerk.submit(path(client), typed(client, notes="precious words"))
    assert answer.status_code == 409
    assert "moved this client to the trash" in answer.text and "precious words" in answer.text


def test_an_agent_that_does_not_exist_is_refused_beside_the_field(clerk, add_client):
    client = add_client()
    answer = clerk.submit(path(client), typed(client, agent_id="987654321"))
    assert answer.status_code == 422 and "this agent does not exist" in answer.text


def test_a_retired_agent_stays_chosen_and_is_offered_to_nobody_else(clerk, add_client):
    execute_query("agents", "insert", data={"agent_id": 900, "name": "Retired Rao", "is_active": False})
    with_agent, without = add_client(agent_id="900"), add_client()
    assert '<option value="900" selected>Retired Rao</option>' in clerk.get(path(with_agent)).text
    assert "Retired Rao" not in clerk.get(path(without)).text


@pytest.mark.parametrize("version", ["", "0", "x", "-1", "9" * 30])
def test_a_form_without_the_version_it_saw_is_refused(clerk, add_client, version):
    client = add_client()
    answer = clerk.submit(path(client), typed(client, version=version, city="Thane"))
    assert answer.status_code == 422 and stored(client["client_id"])["city"] is None


def test_the_address_of_a_client_may_be_typed_in_small_letters(clerk, add_client):
    client = add_client()
    assert clerk.get(f"/clients/{client['client_id'].lower()}").status_code == 200


@pytest.mark.parametrize("unknown", ["ZZ99", "x" * 500, "%00", "a'b", "RM01;drop", "..%2fetc", "%F0%9F%99%82"])
def test_an_unknown_client_is_a_page_that_says_so(clerk, unknown):
    assert clerk.get(f"/clients/{unknown}").status_code in (400, 404)


def test_the_dates_of_a_client_are_shown_day_first(clerk, add_client):
    client = add_client(date_of_birth="9/11/1975")
    assert stored(client["client_id"])["date_of_birth"] == date(1975, 11, 9)
    assert "09/11/1975" in clerk.get(f"/clients/{client['client_id']}").text


def test_the_pan_is_masked_on_the_page_and_whole_in_the_form(clerk, add_client):
    client = add_client(pan="ACUPB4321R")
    page = clerk.get(f"/clients/{client['client_id']}").text
    assert "ACUPBXXXXR" in page and "ACUPB4321R" not in page
    assert "ACUPB4321R" in clerk.get(path(client)).text


def test_no_reader_finds_the_pan_in_the_gstin(app, clerk, add_client):
    client = add_client(client_type="firm", pan="ACUFB4321R", gstin=gstin_of("ACUFB4321R"))
    here, reader = f"/clients/{client['client_id']}", sign_in(app, "reader")
    for page in (reader.get(here).text, reader.get(f"{here}/activity").text, reader.get(f"/api{here}").text):
        assert client["name"] in page
        assert "B4321R" not in page
    assert "27ACUFBXXXXR1ZX" in reader.get(here).text
    assert gstin_of("ACUFB4321R") in clerk.get(path(client)).text
    assert clerk.get(f"/api{here}").json["gstin"] == gstin_of("ACUFB4321R")


def test_the_page_of_both_versions_names_what_stands_behind_the_codes(clerk, colleague, add_client):
    client = add_client(language="en")
    clerk.submit(path(client), typed(client, language="gu"))
    page = colleague.submit(path(client), typed(client, language="mr", whatsapp_opt_in="on")).text
    differing = page[page.index("<tbody>") : page.index("</tbody>")]
    assert "Marathi" in differing and "Gujarati" in differing and ">Yes<" in differing and ">No<" in differing


def test_the_page_tells_who_changed_what(clerk, colleague, add_client, live_policy):
    client = add_client()
    clerk.submit(path(client), typed(client, city="Thane", email="x@example.in"))
    colleague.submit(path(client, "members/new"), {"name": "Little One", "relation": "daughter"})
    page = colleague.get(path(client, "activity")).text
    activity = page[page.index('class="timeline"') :]
    assert "Charu Nair changed the client: E-mail, City" in activity
    assert "Bharat Desai added the member Little One" in activity
