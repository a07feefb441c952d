"""Before a client is saved who looks like one that is known, the colleague is asked."""

import pytest

from database_pool import execute_query
from tests.clients.conftest import id_in, stored, typed

SOMEBODY = {"client_type": "individual", "language": "en"}


def offered(page):
    start = page.index('name="same_as_known" value="') + len('name="same_as_known" value="')
    return page[start : page.index('"', start)]


@pytest.mark.parametrize(
    ("known", "new", "reason"),
    [
        ({"phone": "98190 11111"}, {"phone": "0 98190-11111"}, "has this phone"),
        ({"phone": "98190 22222"}, {"other_phone": "9819022222"}, "has this phone"),
        ({"email": "twin@example.in"}, {"email": "TWIN@example.in"}, "has this e-mail address"),
        ({"pan": "ACUPC1111R"}, {"pan": "acupc 1111 r"}, "has this PAN"),
        (
            {"name": "Yashodhara Phadke", "city": "Nashik"},
            {"name": "Phadke Yashodhara", "city": "Nashik"},
            "has nearly this name in Nashik",
        ),
        (
            {"name": "Sharmistha Ghosal", "city": "Surat"},
            {"name": "Sharmishtha Ghosal", "city": "Surat"},
            "has nearly this name in Surat",
        ),
    ],
)
def test_a_known_phone_email_pan_or_name_in_the_same_city_is_asked_about(clerk, add_client, known, new, reason):
    client = add_client(**known)
    answer = clerk.submit("/clients/new", {**SOMEBODY, "name": "Quite Different", "notes": "kept words", **new})
    assert answer.status_code == 409
    assert f'href="/clients/{client["client_id"]}"' in answer.text and reason in answer.text
    assert "Save anyway" in answer.text and "kept words" in answer.text


def test_save_anyway_saves_what_the_form_holds(clerk, add_client):
    client = add_client(phone="98190 33333")
    form = {**SOMEBODY, "name": "Brother Ofhis", "phone": "9819033333"}
    page = clerk.submit("/clients/new", form).text
    assert offered(page) == client["client_id"]
    answer = clerk.submit("/clients/new", {**form, "same_as_known": offered(page)})
    assert answer.status_code == 303 and stored(id_in(answer))["phone"] == "+919819033333"


def test_save_anyway_is_for_those_shown_and_for_no_others(clerk, add_client):
    first, second = add_client(phone="98190 44444"), add_client(phone="98190 55555")
    form = {**SOMEBODY, "name": "Third Person", "phone": "9819044444"}
    page = clerk.submit("/clients/new", form).text
    answer = clerk.submit("/clients/new", {**form, "phone": "9819055555", "same_as_known": offered(page)})
    assert answer.status_code == 409
    assert offered(answer.text) == f"{first['client_id']},{second['client_id']}"


def test_somebody_of_the_same_name_in_another_city_is_somebody_else(clerk, add_client):
    add_client(name="Padmini Gokhale", city="Nashik")
    answer = clerk.submit("/clients/new", {**SOMEBODY, "name": "Padmini Gokhale", "city": "Vadodara"})
    assert answer.status_code == 303


def test_a_client_in_the_trash_is_not_asked_about(clerk, colleague, add_client):
    client = add_client(phone="98190 66666")
    colleague.submit(f"/clients/{client['client_id']}/delete", {"version": client["version"]})
    assert clerk.submit("/clients/new", {**SOMEBODY, "name": "Successor One", "phone": "9819066666"}).status_code == 303


def test_an_edit_asks_about_what_it_changes_and_not_about_the_rest(clerk, add_client):
    add_client(phone="98190 77777")
    form = {**SOMEBODY, "name": "Sister Ofhers", "phone": "9819077777"}
    client = stored(
        id_in(clerk.submit("/clients/new", {**form, "same_as_known": offered(clerk.submit("/clients/new", form).text)}))
    )
    edit = f"/clients/{client['client_id']}/edit"
    assert clerk.submit(edit, typed(client, notes="unrelated")).status_code == 303
    other = add_client(email="taken@example.in")
    answer = clerk.submit(edit, typed(client, email="taken@example.in", version="2"))
    assert answer.status_code == 409 and other["client_id"] in answer.text


def test_pressing_enter_on_the_warning_does_not_save_anyway(clerk, add_client):
    """Browsers press the first button of a form."""
    add_client(phone="98190 88888")
    page = clerk.submit("/clients/new", {**SOMEBODY, "name": "Hasty One", "phone": "9819088888"}).text
    form = page[page.index('action="/clients/new"') :]
    first_button = form[form.index("<button") : form.index("</button>")]
    assert "same_as_known" not in first_button


def test_metacharacters_in_a_name_or_city_find_nobody_and_break_nothing(clerk, add_client):
    add_client(name="Percy Contractor", city="Pune")
    for number, text in enumerate(
        ["%", "_%_", "Pune' or 1=1 --", "a,b),(c", "*", "\\", "name.eq.x", '"quoted"', "🙂 city"]
    ):
        answer = clerk.submit("/clients/new", {**SOMEBODY, "name": f"{text} Zed{'qwertyuio'[number]}", "city": text})
        assert answer.status_code == 303, text
        assert stored(id_in(answer))["city"] == text


def test_a_known_pan_phone_or_email_is_found_among_a_thousand_people_of_nearly_that_name(clerk, database):
    crowd = [{"client_id": f"AA{number}", "name": f"Ramesh {number}", "city": "Rajkot"} for number in range(1001)]
    execute_query("clients", "insert", data=crowd)
    known = {"ZZ901": {"pan": "ACUPC9001R"}, "ZZ902": {"phone": "+919819099902"}, "ZZ903": {"email": "z@example.in"}}
    for client_id, what in known.items():
        execute_query("clients", "insert", data={"client_id": client_id, "name": "Hidden", "city": "Rajkot", **what})
    for client_id, what in known.items():
        answer = clerk.submit("/clients/new", {**SOMEBODY, "name": "Rameshwar Bhatt", "city": "Rajkot", **what})
        assert answer.status_code == 409 and offered(answer.text) == client_id
        form = {**SOMEBODY, "name": "Rameshwar Bhatt", "city": "Rajkot", **what, "same_as_known": client_id}
    assert clerk.submit("/clients/new", form).status_code == 303


def test_somebody_of_a_very_common_name_can_be_saved_after_asking_once(clerk, database):
    execute_query(
        "clients",
        "insert",
        data=[{"client_id": f"CN{number}", "name": "Sunita Devi", "city": "Patna"} for number in range(100, 300)],
    )
    form = {**SOMEBODY, "name": "Sunita Devi", "city": "Patna"}
    known = offered(clerk.submit("/clients/new", form).text)
    assert known.count(",") == 199
    assert clerk.submit("/clients/new", {**form, "same_as_known": known}).status_code == 303
