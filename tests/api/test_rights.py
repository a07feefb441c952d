"""Who may do what through the API: the role, narrowed by the token; no field that is not offered; no foreign record."""

import dataclasses
import datetime
import re

import pytest

import config
from database_pool import execute_query, transaction
from portal.formats import now
from portal.staff import service
from tests.api.conftest import Program
from tests.cast import CAST, PASSWORD, make_cast, sign_in

ACCOUNTING = {"name": "Accounting", "scopes": "clients:read", "days": "30"}


def operations(app):
    """(method, path, permission) of everything that is described, with ids that exist nowhere."""
    for path, methods in sign_in(app, "reader").get("/api/openapi.json").json["paths"].items():
        for method, told in methods.items():
            if "security" in told:   # monitoring: open to the machine itself
                continue
            permission = told.get("description", "``").split("`")[1]
            address = path.removeprefix("/api").replace("{client_id}", "ZZ99").replace("{batch_id}", "f" * 32)
            address = re.sub(r"{\w+_id}", "999999", address)
            yield method.upper(), address, permission


def test_whatever_answers_under_api_is_described_and_the_other_way_round(app):
    described = {(re.sub(r"{\w+}", "{}", path), method.upper())
                 for path, methods in sign_in(app, "reader").get("/api/openapi.json").json["paths"].items()
                 for method in methods}  # fmt: skip
    served = {(re.sub(r"<[^>]+>", "{}", str(rule)), method) for rule in app.url_map.iter_rules()
              for method in (rule.methods or set()) - {"HEAD", "OPTIONS"} if str(rule).startswith("/api/")}
    # The description itself, for programs and for people.
    assert served - described == {("/api/openapi.json", "GET"), ("/api/docs", "GET")}
    assert described - served == set()


def test_nothing_is_answered_without_a_token(app):
    for method, path, _ in operations(app):
        answer = app.test_client().open(f"/api{path}", method=method, json={})
        assert answer.status_code in (400, 401), (method, path)   # 400: an unsafe method without a form token
        assert "WWW-Authenticate" in answer.headers or answer.status_code == 400


@pytest.mark.parametrize("who", CAST)
def test_each_role_may_do_what_the_matrix_says(app, program, who):
    mine, send = service.permissions_of(CAST[who][1]), program(who)
    for method, path, permission in operations(app):
        status = send(method, path, None if method in ("GET", "DELETE") else {}).status_code
        assert (status == 403) is (bool(permission) and permission not in mine), (who, method, path, status)


@pytest.mark.parametrize(("scope", "may", "may_not"), [
    ("clients:read", [("GET", "/clients")], [("POST", "/clients"), ("GET", "/policies"), ("GET", "/users")]),
    ("clients:write", [("GET", "/clients"), ("POST", "/clients")], [("GET", "/policies"), ("GET", "/audit")]),
    ("policies:read", [("GET", "/policies"), ("GET", "/insurers")], [("POST", "/insurers"), ("GET", "/clients")]),
    ("policies:write", [("POST", "/policies/motor")], [("PUT", "/insurers/1"), ("GET", "/clients")]),
    ("settings:write", [("PUT", "/insurers/999999")], [("GET", "/users"), ("GET", "/audit")]),
    ("documents:read", [("GET", "/documents")], [("DELETE", "/documents/999999"), ("GET", "/clients")]),
    ("documents:write", [("PUT", "/documents/999999"), ("DELETE", "/documents/999999")], [("GET", "/policies")]),
    ("users:write", [("GET", "/users")], [("GET", "/clients"), ("GET", "/audit")]),
    ("audit:read", [("GET", "/audit")], [("GET", "/clients"), ("GET", "/users")]),
])
def test_a_scope_narrows_the_role(program, scope, may, may_not):
    send = program("administrator", scope)
    for method, path in may:
        assert send(method, path, None if method == "GET" else {}).status_code != 403, path
    for method, path in may_not:
        assert send(method, path, None if method == "GET" else {}).status_code == 403, path


def test_no_scope_gives_more_than_the_role(program):
    send = program("reader", "users:write", "clients:write", "everything")
    assert send("GET", "/users").status_code == 403
    assert send("POST", "/clients", {"name": "Nobody"}).status_code == 403
    assert "staff.manage" not in send("GET", "/me").json["permissions"]


def test_a_token_is_shown_once_stored_hashed_and_revoked(app):
    browser = sign_in(app, "staff")
    page = browser.submit("/account/tokens", {**ACCOUNTING, "password": PASSWORD}).text
    token = page.split("ipt_")[1].split("<")[0]
    send = Program(app, f"ipt_{token}")
    assert send("GET", "/clients").status_code == 200
    assert token not in browser.get("/account/tokens").text
    row = execute_query("api_tokens", filters={"name_eq": "Accounting"}).data[0]
    assert token not in str(row)
    assert row["last_used_at"] is not None
    assert browser.submit(f"/account/tokens/{row['token_id']}/revoke").status_code == 303
    assert send("GET", "/clients").status_code == 401
    trail = execute_query("audit", filters={"record_type_eq": "token", "record_id_eq": str(row["token_id"])},
                          order="audit_id").data
    assert [entry["action"] for entry in trail] == ["add", "revoke"]
    assert token not in str(trail)


@pytest.mark.parametrize("typed", [
    {"name": "", "scopes": "clients:read"}, {"name": "x"}, {"name": "x", "scopes": "root"},
    {"name": "x", "scopes": "clients:read", "days": "9999"}])
def test_a_token_without_name_scope_or_end_is_refused(app, typed):
    answer = sign_in(app, "staff").submit("/account/tokens", {**typed, "password": PASSWORD})
    assert answer.status_code == 422
    assert "There is a problem" in answer.text


@pytest.mark.parametrize("password", ["", "not the password"])
def test_a_token_takes_the_password_and_what_was_chosen_survives_a_wrong_one(app, password):
    answer = sign_in(app, "staff").submit("/account/tokens", {**ACCOUNTING, "name": "Borrowed", "password": password})
    assert answer.status_code == 422
    assert 'id="f-password-error"' in answer.text
    assert 'value="Borrowed"' in answer.text
    assert 'value="clients:read" checked' in answer.text
    assert 'value="30" checked' in answer.text
    assert execute_query("api_tokens", filters={"name_eq": "Borrowed"}).data == []


@pytest.mark.parametrize(("path", "typed"), [
    ("/account/sessions/end-others", {}),
    ("/account/password", {"current_password": PASSWORD, "new_password": "seven yellow autos waiting",
                           "new_password_again": "seven yellow autos waiting"}),
])
def test_who_signs_out_elsewhere_or_changes_the_password_ends_the_programs_too(app, program, path, typed):
    send, browser, others = program("accounts"), sign_in(app, "accounts"), program("staff")
    before = execute_query("users", filters={"user_id": make_cast()["accounts"]}).data[0]["password_hash"]
    assert send("GET", "/me").status_code == 200
    answer = browser.submit(path, typed, follow_redirects=True)
    assert "API tokens are revoked too" in answer.text
    assert send("GET", "/me").status_code == 401
    assert others("GET", "/me").status_code == 200
    assert browser.get("/account").status_code == 200
    execute_query("users", "update", data={"password_hash": before}, filters={"user_id": make_cast()["accounts"]})


def test_that_tokens_end_is_said_beforehand(app):
    browser = sign_in(app, "accounts")
    sign_in(app, "accounts")
    assert "API tokens" in browser.get("/account/password").text.split('id="main"')[1]
    assert "revokes your API tokens too" in browser.get("/account").text


def test_nobody_revokes_anothers_token(app, program):
    send = program("manager")
    token_id = execute_query("api_tokens", filters={"user_id": make_cast()["manager"]}, order="token_id desc",
                             limit=1).data[0]["token_id"]
    sign_in(app, "staff").submit(f"/account/tokens/{token_id}/revoke")
    assert send("GET", "/me").status_code == 200


def test_a_token_ends_with_its_day_and_with_its_colleague(app, program, administrator):
    send = program("accounts")
    user_id = make_cast()["accounts"]
    with transaction() as tx:
        tx.update("api_tokens", {"expires_at": now() - datetime.timedelta(seconds=1)}, filters={"user_id_eq": user_id})
    assert send("GET", "/me").status_code == 401
    send = program("accounts")
    version = administrator("GET", f"/users/{user_id}").headers["ETag"]
    assert administrator("POST", f"/users/{user_id}/disable", If_Match=version).status_code == 200
    assert send("GET", "/me").status_code == 401
    version = administrator("GET", f"/users/{user_id}").headers["ETag"]
    assert administrator("POST", f"/users/{user_id}/enable", If_Match=version).json["is_active"]
    assert send("GET", "/me").status_code == 401   # what was ended does not come back


def test_a_token_ends_with_the_role_it_was_made_under(program, administrator):
    send, user_id = program("staff", "everything"), make_cast()["staff"]
    for role in ("manager", "staff"):
        told = administrator("GET", f"/users/{user_id}")
        changed = {"name": told.json["name"], "role": role}
        assert administrator("PUT", f"/users/{user_id}", changed, If_Match=told.headers["ETag"]).status_code == 200
        assert send("GET", "/me").status_code == 401
    send = program("staff")
    told = administrator("GET", f"/users/{user_id}")
    same = {"name": "Charu N. Nair", "role": "staff"}
    assert administrator("PUT", f"/users/{user_id}", same, If_Match=told.headers["ETag"]).status_code == 200
    assert send("GET", "/me").status_code == 200


def test_a_token_opens_nothing_without_the_second_step_that_the_office_demands(program, database):
    send, user_id = program("manager"), make_cast()["manager"]
    before = config.use_settings(dataclasses.replace(database, require_two_step="everybody"))
    try:
        refused = send("GET", "/me")
        assert refused.status_code == 403 and "two-step" in refused.json["detail"]
        execute_query("two_step", "insert", data={"user_id": user_id, "secret": "sealed", "confirmed_at": now()})
        assert send("GET", "/me").status_code == 200
    finally:
        config.use_settings(before)
        execute_query("two_step", "delete", filters={"user_id": user_id})


@pytest.mark.parametrize("header", ["Bearer ", "Bearer ipt_x", "Bearer x", "bearer ipt_" + "y" * 400, "Basic YTpi"])
def test_what_is_no_token_opens_nothing(app, header):
    assert app.test_client().get("/api/me", headers={"Authorization": header}).status_code == 401


def test_a_bad_token_is_not_saved_by_a_good_cookie(app):
    browser = sign_in(app, "administrator")
    assert browser.get("/api/me").status_code == 200
    assert browser.get("/api/me", headers={"Authorization": "Bearer ipt_nothing"}).status_code == 401


def test_a_token_opens_the_api_alone(app, administrator):
    answer = app.test_client().get("/clients", headers={"Authorization": f"Bearer {administrator.token}"})
    assert answer.status_code == 303


@pytest.mark.parametrize(("path", "body"), [
    ("/clients", {"name": "Mass Assignment", "client_id": "AA01"}),
    ("/clients", {"name": "Mass Assignment", "deleted_at": "2026-01-01"}),
    ("/clients", {"name": "Mass Assignment", "created_by": 1}),
    ("/users", {"name": "Mass", "email": "mass@example.in", "role": "staff", "password_hash": "x"}),
    ("/users", {"name": "Mass", "email": "mass@example.in", "role": "staff", "is_active": True}),
    ("/insurers", {"name": "Mass", "insurer_id": 1}),
    ("/policies/other", {"client_id": "ZZ99", "state": "live"}),
    ("/policies/other", {"client_id": "ZZ99", "gross_premium": "1.00"}),
])
def test_a_field_that_is_not_offered_is_refused(administrator, path, body):
    answer = administrator("POST", path, body)
    assert answer.status_code == 400
    assert "errors" in answer.json


def test_a_member_is_reached_through_its_own_client_alone(administrator, client):
    other = administrator("POST", "/clients", {"name": "Otherwise Unrelated", "phone": "9911100000"}).json
    member = administrator("GET", f"/clients/{client['client_id']}/members").json["data"][0]
    foreign = f"/clients/{other['client_id']}/members/{member['member_id']}"
    assert administrator("GET", foreign).status_code == 404
    assert administrator("DELETE", foreign, If_Match='"1"').status_code == 404
    assert administrator("PUT", foreign, {"name": "Stolen", "relation": "self"}, If_Match='"1"').status_code == 404


def test_what_is_in_the_trash_is_not_read_through_the_api(administrator, client):
    path = f"/clients/{client['client_id']}"
    administrator("DELETE", path, If_Match='"1"')
    for method, address in (("GET", path), ("GET", f"{path}/members"), ("PUT", path)):
        body = {"name": "Back"} if method == "PUT" else None
        assert administrator(method, address, body, If_Match='"2"').status_code == 404


def test_secrets_and_what_a_role_may_not_see_are_in_no_answer(program, administrator, client):
    administrator("PUT", f"/clients/{client['client_id']}", {
        "name": client["name"], "phone": client["phone"], "pan": "ABCPE1234F"}, If_Match='"1"')
    assert "pan" not in program("reader")("GET", f"/clients/{client['client_id']}").json
    assert administrator("GET", f"/clients/{client['client_id']}").json["pan"] == "ABCPE1234F"
    assert "password_hash" not in administrator("GET", "/users").text
    entries = program("manager")("GET", f"/audit?client_id={client['client_id']}").text
    assert "ABCPE1234F" not in entries
    assert "hidden" in entries


def test_the_trail_names_the_program_beside_the_colleague(administrator, client):
    entry = administrator("GET", f"/audit?record_type=client&record_id={client['client_id']}").json["data"][0]
    assert (entry["user_name"], entry["token_name"], entry["action"]) == ("Asha Rane", "A program of the tests", "add")
    assert administrator("GET", f"/audit/{entry['audit_id']}").json == entry
