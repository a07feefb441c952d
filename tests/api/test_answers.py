"""How the API talks: status codes, headers, problems by field, pages without gaps, the same answer to the same key."""

import datetime
import json
import threading

import pytest

from database_pool import execute_query, transaction
from portal.formats import now
from tests.api.conftest import NUMBERS
from tests.cast import sign_in, visitor


def body_of(**given):
    number = next(NUMBERS)
    letters = "".join(chr(ord("a") + int(digit)) for digit in f"{number:04d}")
    return {"name": f"{letters.capitalize()}x Kulkarni {letters}", "phone": f"97690{number:05d}", **given}


def client_from(answer):
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_record_is_added_read_changed_and_deleted(administrator):
    added = administrator("POST", "/clients", body_of(city="Pune", pan="ABCPE1234F"))
    client = client_from(added)
    path = f"/clients/{client['client_id']}"
    assert added.headers["Location"] == f"/api{path}"
    assert added.headers["ETag"] == '"1"'
    read = administrator("GET", path)
    assert (read.status_code, read.json, read.headers["ETag"]) == (200, client, '"1"')
    changed = administrator("PUT", path, {"name": client["name"], "phone": client["phone"]}, If_Match='"1"')
    assert (changed.status_code, changed.json["city"], changed.headers["ETag"]) == (200, None, '"2"')
    gone = administrator("DELETE", path, If_Match='"2"')
    assert (gone.status_code, gone.data) == (204, b"")
    assert administrator("GET", path).status_code == 404
    assert administrator("POST", f"{path}/restoration", If_Match='"3"').status_code == 200
    assert administrator("GET", path).status_code == 200


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 428), ({"If_Match": '"7"'}, 412), ({"If_Match": "1"}, 400), ({"If_Match": "*"}, 400),
    ({"If_Match": '"1"'}, 200)])
def test_a_change_says_which_version_it_saw(administrator, client, headers, status):
    sent = {"name": client["name"], "phone": client["phone"]}
    answer = administrator("PUT", f"/clients/{client['client_id']}", sent, **headers)
    assert answer.status_code == status
    assert answer.mimetype == ("application/json" if status == 200 else "application/problem+json")


def test_of_two_programs_at_once_one_changes_and_the_other_is_told(administrator, client):
    statuses = []

    def change(name):
        sent = {"name": name, "phone": client["phone"]}
        statuses.append(administrator("PUT", f"/clients/{client['client_id']}", sent, If_Match='"1"').status_code)

    threads = [threading.Thread(target=change, args=(f"{name} Rivalsdottir",)) for name in ("One", "Two", "Three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412, 412]


def test_what_does_not_fit_the_description_is_400_and_what_a_rule_refuses_422_each_by_field(administrator):
    unfit = administrator("POST", "/clients", {"name": 7, "role": "administrator"})
    assert unfit.status_code == 400
    assert set(unfit.json["errors"]) == {"name", ""}   # the unknown field is named in the sentence
    assert "role" in unfit.json["errors"][""]
    refused = administrator("POST", "/clients", body_of(pan="ABCCE1234F", phone="12"))
    assert refused.status_code == 422
    assert set(refused.json["errors"]) == {"pan", "phone"}
    assert refused.json["errors"]["phone"].startswith("Phone: ")


@pytest.mark.parametrize(("content", "mimetype", "status"), [
    (b"{", "application/json", 400), (b"", "application/json", 400), (b'{"name": NaN}', "application/json", 400),
    (b"[" * 20_000, "application/json", 400), (b'{"name": "\\ud800"}', "application/json", 422),
    (b"\xff", "application/json", 400), (b"[]", "application/json", 400), (b"null", "application/json", 400),
    (b"name=x", "application/x-www-form-urlencoded", 415), (b"{}", "text/plain", 415),
    (b'{"name": "' + b"x" * (1024 * 1024) + b'"}', "application/json", 413),
    (b'{"agent_id": ' + b"9" * 5000 + b"}", "application/json", 400),
    (b'{"name": "One Name", "name": "Another Name"}', "application/json", 400),
])  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(app, administrator, content, mimetype, status):
    answer = app.test_client(use_cookies=False).post(
        "/api/clients", data=content, content_type=mimetype, headers={"Authorization": f"Bearer {administrator.token}"})
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"


def test_methods_and_media_types_that_do_not_exist(administrator):
    answer = administrator("PATCH", "/clients")
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"GET", "HEAD", "OPTIONS", "POST"})
    assert administrator("TRACE", "/clients").headers["Allow"]
    assert administrator("GET", "/clients", Accept="text/html").status_code == 406
    assert administrator("GET", "/clients", Accept="text/html, */*;q=0.1").status_code == 200
    assert administrator("GET", "/nothing").status_code == 404


@pytest.mark.parametrize(("method", "path", "title", "told"), [
    ("GET", "/nothing", "Not Found", "/api/openapi.json"), ("PATCH", "/clients", "Method Not Allowed", "Allow"),
    ("POST", "/clients", "Unsupported Media Type", "application/json"),
    ("GET", "/policies/7", "Not Found", "no policy"),
])  # fmt: skip
def test_a_problem_names_its_status_and_speaks_to_programs(administrator, method, path, title, told):
    answer = administrator(method, path)
    assert answer.json["title"] == title
    assert told in answer.json["detail"]
    assert "page" not in answer.json["detail"]


def test_parameters_nobody_knows_are_refused_instead_of_narrowing_nothing(administrator):
    for query in ("citty=Pune", "city=Pune&city=Surat", "agent_id=x", "size=7", "sort=shoe", "date_of_birth=1"):
        answer = administrator("GET", f"/clients?{query}")
        assert answer.status_code == 400, query
        assert query.split("=")[0] in json.dumps(answer.json["errors"])


def test_pages_follow_each_other_without_gap_or_repetition_though_rows_are_added_meanwhile(administrator):
    with transaction() as tx:
        tx.insert("clients", [{"client_id": f"PG{number:03d}", "name": f"Page {number:03d}", "city": "Paging"}
                              for number in range(60)])
    seen, path = [], "/clients?city=Paging&size=25"
    while path:
        answer = administrator("GET", path)
        seen += [row["client_id"] for row in answer.json["data"]]
        link = answer.headers.get("Link", "")
        path = link.split("</api", 1)[1].split(">")[0] if 'rel="next"' in link.split(",")[0] else ""
        with transaction() as tx:
            tx.insert("clients", {"client_id": f"PA{len(seen)}", "name": "Aaa first", "city": "Paging"})
    assert seen == [f"PG{number:03d}" for number in range(60)]


def test_a_cursor_of_another_list_is_refused_and_one_behind_the_end_answers_nothing(administrator):
    with transaction() as tx:
        tx.insert("clients", [{"client_id": f"CU{number:02d}", "name": f"Cursor {number:02d}", "city": "Cursors"}
                              for number in range(26)])
    first = administrator("GET", "/clients?city=Cursors&size=25").json
    assert administrator("GET", f"/clients?sort=-name&cursor={first['next_cursor']}").status_code == 422
    assert administrator("GET", "/clients?cursor=zzzz").status_code == 422
    with transaction() as tx:
        tx.delete("clients", filters={"client_id_eq": "CU25"})
    last = administrator("GET", f"/clients?city=Cursors&size=25&cursor={first['next_cursor']}").json
    assert (last["data"], last["next_cursor"]) == ([], None)


def test_the_same_idempotency_key_creates_once_and_answers_the_same(administrator):
    sent = body_of()
    first = administrator("POST", "/clients", sent, Idempotency_Key="order-1")
    client = client_from(first)
    changed = {"name": client["name"], "phone": client["phone"], "city": "Surat"}
    administrator("PUT", f"/clients/{client['client_id']}", changed, If_Match='"1"')
    again = administrator("POST", "/clients", sent, Idempotency_Key="order-1")
    assert (again.status_code, again.json, again.headers["Location"]) == (201, client, first.headers["Location"])
    assert len(execute_query("clients", filters={"name_eq": client["name"]}).data) == 1
    other = administrator("POST", "/clients", body_of(), Idempotency_Key="order-1")
    assert other.status_code == 422
    assert "another request" in other.json["detail"]


def test_a_key_is_forgotten_after_a_day(administrator):
    first = client_from(administrator("POST", "/clients", body_of(), Idempotency_Key="order-2"))
    with transaction() as tx:
        tx.update("api_answers", {"created_at": now() - datetime.timedelta(days=1, minutes=1)},
                  filters={"location_eq": f"/api/clients/{first['client_id']}"}, expect=1)
    second = client_from(administrator("POST", "/clients", body_of(), Idempotency_Key="order-2"))
    assert second["client_id"] != first["client_id"]


def test_one_key_sent_by_many_at_once_creates_once(administrator):
    sent, answers = {"name": "Rival Insurance Company"}, []
    send = lambda: answers.append(administrator("POST", "/insurers", sent, Idempotency_Key="rival-1"))  # noqa: E731
    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json["insurer_id"] for answer in answers if answer.status_code == 201}) == 1
    assert len(execute_query("insurers", filters={"name_eq": sent["name"]}).data) == 1


def test_the_keys_of_two_colleagues_are_not_one(administrator, program):
    for who in (administrator, program("staff")):
        assert who("POST", "/clients", body_of(), Idempotency_Key="shared").status_code == 201


def test_a_client_who_may_be_known_is_named_and_can_be_added_all_the_same(administrator, client):
    sent = {"name": client["name"], "phone": client["phone"]}
    answer = administrator("POST", "/clients", sent)
    assert answer.status_code == 409
    assert [like["client_id"] for like in answer.json["alike"]] == [client["client_id"]]
    assert administrator("POST", "/clients", {**sent, "same_as_known": client["client_id"]}).status_code == 201


def test_the_pages_use_it_with_their_session_and_the_form_token(app, client):
    browser = sign_in(app, "staff")
    assert browser.get("/api/clients").status_code == 200
    sent = {"name": client["name"], "phone": client["phone"]}
    path, version = f"/api/clients/{client['client_id']}", {"If-Match": '"1"'}
    assert browser.put(path, json=sent, headers=version).status_code == 400
    assert browser.put(path, json=sent, headers={**version, "X-CSRFToken": browser.token()}).status_code == 200


def test_the_page_for_people_shows_every_operation_of_the_description(app):
    reader = sign_in(app, "reader")
    document = reader.get("/api/openapi.json").json
    assert document["openapi"] == "3.1.0"
    page = reader.get("/api/docs").text
    for path in document["paths"]:
        assert path in page, path
    for path in ("/api/docs", "/api/openapi.json"):
        assert visitor(app).get(path).status_code == 401


def test_every_operation_has_its_answers_described(administrator):
    for path, methods in administrator("GET", "/openapi.json").json["paths"].items():
        for method, told in methods.items():
            statuses = set(told["responses"])
            assert statuses & {"200", "201", "202", "204"}, (path, method)
            assert {"401", "403", "429", "503"} <= statuses
            assert ("If-Match" in json.dumps(told.get("parameters", []))) == ("428" in statuses)
