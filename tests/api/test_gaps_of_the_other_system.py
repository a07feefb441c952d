"""What the system that offices would pick otherwise lacks or loses, held here by name: lists, clearing, audit, undo."""

import pytest

from database_pool import execute_query
from tests.cast import found, sign_in


@pytest.mark.parametrize("kind", ["insurers", "products", "agents"])
def test_lists_live_in_each_browsers_storage(app, administrator, kind):
    """There a list is one browser's; here what one colleague adds at a page, another one's program reads."""
    name = f"Seen by all {kind}"
    sign_in(app, "staff").submit(f"/settings/{kind}", {"name": name, "line": "motor"})
    assert [row["name"] for row in administrator("GET", f"/{kind}?q=Seen by all").json["data"]] == [name]
    assert name in sign_in(app, "accounts").get(f"/settings/{kind}").text


def test_edit_only_writes_non_empty_fields_so_a_value_cannot_be_cleared(administrator, client):
    path = f"/clients/{client['client_id']}"
    least = {"name": client["name"], "phone": client["phone"]}
    full = {**least, "city": "Pune", "email": "full@example.in", "notes": "Much"}
    assert administrator("PUT", path, full, If_Match='"1"').json["city"] == "Pune"
    cleared = administrator("PUT", path, least, If_Match='"2"').json
    assert (cleared["city"], cleared["email"], cleared["notes"]) == (None, None, None)


def test_missing_audit_view(app, client):
    page = sign_in(app, "manager").get(f"/audit?record_type=client&record_id={client['client_id']}").text
    assert "Asha Rane" in page
    assert client["name"] in page


def test_missing_undo(app, client):
    browser = sign_in(app, "manager")
    page = browser.submit(f"/clients/{client['client_id']}/delete", {"version": "1"}, follow_redirects=True).text
    browser.submit(found(r'class="toast ok">.*?action="([^"]+)"', page.replace("\n", "")), {"version": "2"})
    assert execute_query("clients", filters={"client_id": client["client_id"]}).data[0]["deleted_at"] is None


def test_missing_user_profile(app):
    browser = sign_in(app, "accounts")
    version = found(r'name="version" value="(\d+)"', browser.get("/account").text)
    typed = {"name": "Dilip V Joshi", "phone": "98200 55555", "theme": "dark", "density": "compact", "version": version}
    assert browser.submit("/account", typed).status_code == 303
    page = browser.get("/account").text
    assert "Dilip V Joshi" in page
    assert 'data-theme="dark"' in page
    assert "Where you are signed in" in page


def test_user_rows_are_sent_to_the_browser_with_their_password_hashes(administrator):
    assert "hash" not in administrator("GET", "/users").text


def test_missing_saved_filters(app):
    browser = sign_in(app, "staff")
    view = {"name": "Pune without e-mail", "query": "city=Pune", "shared": "on"}
    answer = browser.submit("/lists/clients/views", view)
    assert answer.location.endswith("/clients?city=Pune"), "the address alone brings the view back"
    assert "Pune without e-mail" in sign_in(app, "manager").get("/clients").text


def test_missing_global_search(app, client):
    page = sign_in(app, "reader").get(f"/search?q={client['phone'][-7:]}", follow_redirects=True).text
    assert client["name"] in page
    assert client["client_id"] in page


def test_missing_family_relations_and_dates_of_birth(app, administrator, client):
    member = {"name": "Asha Rao", "relation": "daughter", "date_of_birth": "2015-03-09"}
    assert administrator("POST", f"/clients/{client['client_id']}/members", member).status_code == 201
    page = sign_in(app, "reader").get(f"/clients/{client['client_id']}").text
    assert "Asha Rao" in page
    assert "daughter" in page.lower()
    assert "No health cover" in page


def test_missing_duplicates(administrator, client):
    again = administrator("POST", "/clients", {"name": "Somebody Else", "phone": client["phone"]})
    assert again.status_code == 409
    assert again.json["alike"][0]["client_id"] == client["client_id"]


def test_search_loaded_whole_tables_into_the_program(administrator):
    answer = administrator("GET", "/clients?size=25")
    assert len(answer.json["data"]) <= 25
    assert administrator("GET", "/clients?size=1000").status_code == 400
