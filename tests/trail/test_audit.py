"""The trail: everything in it, told in words, narrowed by the address, as a file without formulas."""

import csv
import io

import pytest

from database_pool import execute_query
from portal import audit
from portal.trail import words
from tests.cast import make_cast, sign_in
from tests.clients.conftest import NAMES, PHONES


@pytest.fixture(scope="module")
def administrator(app):
    return sign_in(app, "administrator")


@pytest.fixture(scope="module")
def changed_client(app, administrator):
    """A client whose telephone and city were corrected."""
    typed = {"name": next(NAMES), "phone": next(PHONES), "client_type": "individual", "language": "en", "city": "Pune"}
    answer = administrator.submit("/clients/new", typed)
    client_id = answer.location.rsplit("/", 1)[1]
    corrected = {**typed, "phone": "98200 77777", "city": "Mumbai", "version": "1"}
    assert administrator.submit(f"/clients/{client_id}/edit", corrected).status_code == 303
    return {"client_id": client_id, **typed}


def test_a_change_is_told_with_who_what_before_and_after(administrator, changed_client):
    page = administrator.get(f"/audit?record_type=client&record_id={changed_client['client_id']}&action=change").text
    assert "Asha Rane" in page
    assert "<strong>City</strong>: Pune" in page
    assert "Mumbai" in page
    assert "+9198200" in page
    assert "127.0.0.1" in page


def test_who_may_not_see_personal_data_sees_that_it_changed_and_not_what_it_was(app, changed_client):
    page = sign_in(app, "manager").get(f"/audit?client_id={changed_client['client_id']}").text
    assert "<strong>Phone</strong>: hidden" in page
    assert "98200" not in page
    assert "Pune" in page


@pytest.mark.parametrize("who", ["staff", "accounts", "reader"])
def test_the_trail_is_for_administrators_and_managers(app, who):
    browser = sign_in(app, who)
    assert browser.get("/audit").status_code == 403
    assert browser.submit("/audit/export").status_code == 403


@pytest.mark.parametrize(("query", "found"), [
    ("record_type=client", True),
    ("record_type=policy", False),
    ("action=change", True),
    ("action=merge", False),
    ("user_id={user_id}", True),
    ("user_id=999999", False),
    ("date_from=01/01/2020&date_to=01/01/2199", True),
    ("date_to=01/01/2020", False),
    ("client_id={client_id}", True),
    ("request_id=nobody-asked-this", False),
    ("record_type=%27%20or%201=1--", False),
    ("user_id=x&date_from=32/13/2026&cursor=zzz&sort=nothing", True),   # what cannot be read narrows nothing
])
def test_the_address_narrows_the_trail(administrator, changed_client, query, found):
    query = query.format(user_id=make_cast()["administrator"], client_id=changed_client["client_id"])
    answer = administrator.get(f"/audit?{query}")
    assert answer.status_code == 200
    assert (changed_client["client_id"] in answer.text.split("<tbody>")[-1]) is found or "cursor" in query


def test_pages_of_the_trail_follow_each_other_without_gap_or_repetition(app, administrator):
    expected = [row["audit_id"] for row in execute_query(
        "audit", columns="audit_id", order="happened_at desc, audit_id desc", limit=60).data]
    for number in range(60 - len(expected)):
        administrator.submit("/settings/agents", {"name": f"Agent of the trail {number}"})
    expected = [row["request_id"] for row in execute_query(
        "audit", order="happened_at desc, audit_id desc", limit=50).data if row["request_id"]]
    seen, path = [], "/audit?size=25"
    for _ in range(2):
        page = administrator.get(path).text
        seen += [part.split('"')[0] for part in page.split("request_id=")[1:]]
        path = "/audit" + page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert seen == expected


def test_the_file_has_what_the_page_has_and_no_cell_is_a_formula(administrator):
    administrator.submit("/settings/agents", {"name": "=HYPERLINK(evil) Rao"})
    answer = administrator.submit("/audit/export", {"record_type": "agent"})
    assert answer.mimetype == "text/csv"
    assert "audit.csv" in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0][:4] == ["When", "Who", "What was done", "Record"]
    assert all(row[3].startswith("agent ") for row in rows[1:])
    assert any("=HYPERLINK(evil) Rao" in row[4] for row in rows[1:])
    assert not any(cell[:1] in "=+-@" for row in rows[1:] for cell in row if cell)
    export = execute_query("audit", filters={"action": "export"}, order="audit_id desc", limit=1).data[0]
    assert export["after"] == {"record_type": "agent"}


def entry(**given):
    return {"audit_id": 1, "happened_at": None, "user_name": None, "token_name": None, "action": "change",
            "record_type": "policy", "record_id": "7", "before": None, "after": None, "request_id": None, "ip": None,
            **given}


@pytest.mark.parametrize(("before", "after", "text"), [
    ({"city": "Pune"}, {"city": None}, "City: Pune → empty"),
    ({"is_active": True}, {"is_active": False}, "Is active: Yes → No"),
    ({"policy_to": "2026-12-31"}, {"policy_to": "2027-12-31"}, "End: 31/12/2026 → 31/12/2027"),
    ({"insurer_id": 1, "insurer_name": "A"}, {"insurer_id": 2, "insurer_name": "B"}, "Insurer: A → B"),
    ({"waiting_for": ["payment", "KYC"]}, {"waiting_for": []}, "Waiting for: payment, KYC → empty"),
    ({"commission_rate": "10"}, {"commission_rate": "12"}, ""),
    ({"cancelled_on": "2026-99-99"}, {"cancelled_on": "soon"}, "Cancelled on: 2026-99-99 → soon"),
])
def test_changes_are_words(before, after, text):
    told, = words.told([entry(before=before, after=after)], personal=True, commission=False)
    assert told.as_text == text


def test_a_program_is_named_beside_the_colleague_it_works_for():
    told, = words.told([entry(user_name="Asha Rane", token_name="Accounting")], personal=True, commission=True)
    assert told.who == "Asha Rane, through Accounting"


def test_secrets_never_reach_the_trail():
    assert {"password_hash", "token_hash"} <= audit.SECRET
