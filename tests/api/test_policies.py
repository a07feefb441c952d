"""Policies through the API: the premium of the pages, the same refusals, renewing beside the old term, roles."""

import datetime
import io
import itertools

import pytest

from database_pool import execute_query, transaction
from portal.formats import today
from tests.documents.conftest import pdf

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def masters(app):
    with transaction() as tx:
        tx.insert("insurers", {"insurer_id": 7001, "name": "Example General"})
        tx.insert("products", [{"product_id": 7001, "name": "Example Car", "line": "motor"},
                               {"product_id": 7002, "name": "Example Floater", "line": "health"}])
        tx.insert("clients", {"client_id": "AP01", "name": "Api Client"})
        tx.insert("members", {"member_id": 7001, "client_id": "AP01", "name": "Api Member", "relation": "self"})


def motor(**given):
    return {"client_id": "AP01", "product_id": 7001, "insurer_id": 7001, "policy_number": f"API/{next(NUMBERS)}",
            "policy_from": today().isoformat(), "payment_date": today().isoformat(), "net_premium": "10000.00",
            "tp_premium": "3416.00", "vehicle_number": "MH02DN4417", **given}  # fmt: skip


def health(**given):
    return {"client_id": "AP01", "product_id": 7002, "insurer_id": 7001, "policy_number": f"API/{next(NUMBERS)}",
            "policy_from": "2026-11-01", "net_premium": "20000.00", "plan": "floater",
            "floater_sum_insured": "500000.00",
            "persons": [{"member_id": 7001}, {"name": "Somebody Else"}], **given}  # fmt: skip


def added(send, line, body):
    answer = send("POST", f"/policies/{line}", body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/policies/{answer.json['policy_id']}"
    return answer.json


def body_of(policy, **changed):
    """What a PUT or a renewal of this policy sends: its own fields, some of them changed."""
    names = ("product_id", "insurer_id", "policy_number", "policy_from", "policy_to", "payment_date", "net_premium",
             "tp_premium")  # fmt: skip
    return {**{name: policy[name] for name in names}, "vehicle_number": "MH02DN4417", **changed}


def test_the_premium_is_worked_out_as_on_the_page(administrator):
    policy = added(administrator, "motor", motor())
    # (10,000 + 3,416) x 1.18 = 15,830.88, to the rupee 15,831
    assert (policy["gross_premium"], policy["gst_rate"], policy["gst_tp_rate"]) == ("15831.00", "18.00", "18.00")
    assert policy["details"]["vehicle_number"]
    retail = added(administrator, "health", health())
    assert (retail["gross_premium"], retail["gst_rate"]) == ("20000.00", "0.00")   # exempt since 22/09/2025
    assert [person["name"] for person in retail["details"]["persons"]] == ["Api Member", "Somebody Else"]


def test_every_field_is_saved_and_what_is_left_out_is_emptied(administrator):
    policy = added(administrator, "motor", motor(remarks="Much to say", sum_insured="100000.00"))
    path = f"/policies/{policy['policy_id']}"
    changed = administrator("PUT", path, body_of(policy, net_premium="12000.00"), If_Match='"1"')
    assert changed.status_code == 200, changed.text
    assert (changed.json["remarks"], changed.json["net_premium"]) == (None, "12000.00")
    assert administrator("PUT", path, body_of(policy), If_Match='"1"').status_code == 412


def test_a_number_that_exists_is_refused_with_the_policy_that_has_it(administrator):
    first = added(administrator, "motor", motor())
    answer = administrator("POST", "/policies/motor", motor(policy_number=first["policy_number"].lower()))
    assert answer.status_code == 409
    assert answer.json["policy_id"] == first["policy_id"]
    assert "policy_number" in answer.json["errors"]


def test_a_renewal_adds_the_next_term_and_leaves_the_old_one_but_for_its_state(administrator):
    start = today() - datetime.timedelta(days=360)
    old = added(administrator, "motor", motor(policy_from=start.isoformat()))
    path = f"/policies/{old['policy_id']}"
    before = execute_query("policies", filters={"policy_id": old["policy_id"]}).data
    following = datetime.date.fromisoformat(old["policy_to"]) + datetime.timedelta(days=1)
    body = body_of(old, policy_number=f"API/{next(NUMBERS)}", policy_from=following.isoformat(), policy_to=None)
    answer = administrator("POST", f"{path}/renewal", body, If_Match='"1"', Idempotency_Key="renewal-1")
    assert answer.status_code == 201, answer.text
    assert answer.json["renewed_from_id"] == old["policy_id"]
    after = execute_query("policies", filters={"policy_id": old["policy_id"]}).data
    moved = {name for name in before[0] if before[0][name] != after[0][name]}
    assert moved <= {"state", "version", "updated_at", "updated_by"}
    again = administrator("POST", f"{path}/renewal", body, If_Match='"1"', Idempotency_Key="renewal-1")
    assert (again.status_code, again.json) == (201, answer.json)
    late = administrator("POST", f"{path}/renewal", body_of(old), If_Match='"2"')
    assert late.status_code == 409


@pytest.mark.parametrize(("path", "body", "state"), [
    ("cancellation", {"cancelled_on": today().isoformat(), "reason": "Sold"}, "cancelled"),
    ("loss", {"reason": "price", "remark": "cheaper"}, "lost")])
def test_a_term_is_ended_and_opened_again(administrator, path, body, state):
    policy = added(administrator, "motor", motor())
    here = f"/policies/{policy['policy_id']}"
    assert administrator("POST", f"{here}/{path}", body, If_Match='"1"').json["state"] == state
    assert administrator("POST", f"{here}/{path}", body, If_Match='"2"').status_code == 412
    assert administrator("POST", f"{here}/reopening", If_Match='"2"').json["state"] == "live"


def test_a_pending_policy_waits_without_a_number_and_is_completed(administrator):
    waiting = added(administrator, "motor", motor(policy_number=None, pending=True, waiting_for=["payment"]))
    assert (waiting["state"], waiting["waiting_for"]) == ("pending", ["payment"])
    body = body_of(waiting, policy_number=f"API/{next(NUMBERS)}", payment_date=today().isoformat())
    done = administrator("PUT", f"/policies/{waiting['policy_id']}", body, If_Match='"1"')
    assert (done.status_code, done.json["state"]) == (200, "live")


def test_commission_is_neither_shown_to_nor_set_by_who_may_not_see_it(program, administrator):
    clerk, accounts = program("staff"), program("accounts")
    assert clerk("POST", "/policies/motor", motor(commission_rate="10")).status_code == 403
    policy = added(clerk, "motor", motor())
    assert not {"commission_rate", "commission_amount", "commission_received"} & set(policy)
    assert "commission_amount" in accounts("GET", f"/policies/{policy['policy_id']}").json
    listed = clerk("GET", "/policies?size=25").json["data"][0]
    assert "commission_amount" not in listed


def test_a_field_of_another_line_and_a_client_of_nobody_are_refused(administrator):
    policy = added(administrator, "motor", motor())
    answer = administrator("PUT", f"/policies/{policy['policy_id']}", {
        "product_id": 7001, "insurer_id": 7001, "policy_number": "X1", "policy_from": "2026-11-01", "plan": "floater"},
        If_Match='"1"')  # fmt: skip
    assert answer.status_code == 422
    assert administrator("POST", "/policies/motor", motor(client_id="NOBODY1")).json["errors"].keys() == {"client_id"}
    assert administrator("POST", "/policies/motor", motor(product_id=999)).status_code == 422


def test_the_list_and_todays_counts_agree(administrator):
    counts = administrator("GET", "/today").json
    for view, count in counts.items():
        assert administrator("GET", f"/policies?view={view}&size=25").json["total"] == count, view


def test_a_deleted_term_is_gone_and_comes_back(administrator):
    policy = added(administrator, "motor", motor())
    path = f"/policies/{policy['policy_id']}"
    assert administrator("DELETE", path, If_Match='"1"').status_code == 204
    assert administrator("GET", path).status_code == 404
    assert administrator("POST", f"{path}/restoration", If_Match='"2"').json["policy_number"] == policy["policy_number"]


@pytest.fixture
def policy(administrator):
    return added(administrator, "motor", motor())


def test_an_endorsement_changes_the_term_and_is_taken_back(administrator, policy):
    here = f"/policies/{policy['policy_id']}"
    body = {"kind": "asset", "effective_on": today().isoformat(), "vehicle_number": "MH02ZZ1", "net_premium": "1000"}
    assert administrator("POST", f"{here}/endorsements", body).status_code == 428
    answer = administrator("POST", f"{here}/endorsements", body, If_Match='"1"', Idempotency_Key="e1")
    assert answer.status_code == 201, answer.text
    again = administrator("POST", f"{here}/endorsements", body, If_Match='"1"', Idempotency_Key="e1")
    assert (again.status_code, again.json) == (201, answer.json)
    # 1,000 x 1.18
    assert (answer.json["gross_premium"], answer.json["after"]["vehicle_number"]) == ("1180.00", "MH02ZZ1")
    assert administrator("GET", answer.headers["Location"].removeprefix("/api")).json == answer.json
    assert administrator("GET", f"{here}/endorsements").json["total"] == 1
    assert administrator("GET", here).json["details"]["vehicle_number"] == "MH02ZZ1"
    path = f"{here}/endorsements/{answer.json['endorsement_id']}/withdrawal"
    assert administrator("POST", path, If_Match='"1"').status_code == 412
    assert administrator("POST", path, If_Match='"2"').json["withdrawn_at"] is not None
    assert administrator("GET", here).json["details"]["vehicle_number"] == "MH02DN4417"
    assert administrator("POST", path, If_Match='"3"').status_code == 404


def test_an_endorsement_that_the_rules_refuse_is_explained(administrator, policy):
    here = f"/policies/{policy['policy_id']}/endorsements"
    body = {"kind": "person added", "effective_on": today().isoformat(), "person_name": "Aarav"}
    assert administrator("POST", here, body, If_Match='"1"').json["errors"].keys() == {"kind"}
    body = {"kind": "asset", "effective_on": "2020-01-01", "asset": "x"}
    assert administrator("POST", here, body, If_Match='"1"').status_code == 422
    administrator("POST", f"/policies/{policy['policy_id']}/loss", {"reason": "Moved agent"}, If_Match='"1"')


def test_a_payment_makes_the_policy_paid_once_and_is_taken_back(administrator):
    policy = added(administrator, "motor", motor(payment_date=None))
    here = f"/policies/{policy['policy_id']}"
    body = {"paid_on": today().isoformat(), "amount": policy["gross_premium"], "mode": "UPI", "reference": "UTR1"}
    answers = [administrator("POST", f"{here}/payments", body, Idempotency_Key="p1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert administrator("GET", f"{here}/payments").json["data"] == [answers[0].json]
    assert administrator("GET", here).json["payment_date"] == today().isoformat()
    path = answers[0].headers["Location"].removeprefix("/api")
    assert administrator("GET", path).json == answers[0].json
    assert administrator("DELETE", path).status_code == 204
    assert administrator("GET", here).json["payment_date"] is None
    assert administrator("DELETE", path).status_code == 404
    assert administrator("POST", f"{here}/payments", {**body, "amount": "0"}).status_code in (400, 422)


def test_documents_are_uploaded_read_filed_linked_and_deleted(app, administrator, policy):
    sent = {"client_id": "AP01", "policy_id": str(policy["policy_id"]), "kind": "quote",
            "files": (io.BytesIO(pdf()), "Quote of 2026.pdf")}  # fmt: skip
    answer = administrator.upload("/files/batch-upload", sent)
    assert answer.status_code == 202, answer.text
    (document_id,) = answer.json["document_ids"]
    status = administrator("GET", answer.json["status"].removeprefix("/api"))
    assert (status.status_code, status.json["total"], status.json["next_after"]) == (200, 1, None)
    path = f"/documents/{document_id}"
    document = administrator("GET", path)
    assert (document.json["file_name"], document.headers["ETag"]) == ("Quote of 2026.pdf", '"1"')
    assert administrator("GET", "/documents?client_id=AP01&kind=quote").json["total"] == 1
    filed = administrator("PUT", path, {"kind": "photos", "title": "Front"}, If_Match='"1"')
    assert (filed.status_code, filed.json["kind"], filed.json["policy_id"]) == (200, "photos", None)
    link = administrator("POST", f"{path}/link").json["url"]
    media = link[link.index("/media/"):]
    content = app.test_client().get(media)
    assert content.data.startswith(b"%PDF")
    assert administrator("DELETE", path, If_Match='"2"').status_code == 204
    assert administrator("GET", path).status_code == 404
    assert app.test_client().get(media).status_code == 404
    assert administrator("POST", f"{path}/restoration", If_Match='"3"').status_code == 200


@pytest.mark.parametrize(("who", "sees"), [("accounts", True), ("staff", False), ("reader", False)])
def test_what_a_search_finds_is_shown_as_everywhere(administrator, program, who, sees):
    policy = added(administrator, "motor", motor(vehicle_number="MH04KL4417"))
    found = program(who)("GET", f"/search?q={policy['policy_number']}").json
    assert [one["policy_id"] for one in found["policies"]] == [policy["policy_id"]]
    assert ("commission_amount" in found["policies"][0]) is sees
    family = program(who)("GET", "/search?q=api").json
    assert {one["client_id"] for kind in ("clients", "members") for one in family[kind]} == {"AP01"}
    vehicles = program(who)("GET", "/search?q=MH04KL4417&kind=vehicles").json["vehicles"]
    assert {one["vehicle_number"] for one in vehicles} == {"MH04KL4417"}
    described = administrator("GET", "/openapi.json").json["components"]["schemas"]
    for kind, rows in {**found, **family, "vehicles": vehicles}.items():
        for row in rows if kind != "more" else []:
            shape = described["Found"]["properties"][kind]["items"]["$ref"].rpartition("/")[2]
            assert set(row) <= set(described[shape]["properties"]), kind
