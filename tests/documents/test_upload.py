"""Files coming in through the pages and the address for programs."""

import hashlib

import pytest

from batch_file_operations import BatchFileManager, batch_file_manager
from database_pool import execute_query
from task_queue import run_due_tasks
from tests.cast import found
from tests.documents.conftest import CLIENT, POLICY, pdf, send, stored


def test_without_a_client_the_page_asks_whose_the_files_are(clerk):
    page = clerk.get("/documents/upload?q=mehta").text
    assert f"/documents/upload?client_id={CLIENT}" in page
    assert "No client matches" in clerk.get("/documents/upload?q=zzzz").text


@pytest.mark.parametrize("odd", ["x" * 300, "NOBODY99", "<b>", "' or 1=1 --", "%F0%9F%98%80", "C001%0d%0aX: y"])
def test_a_client_that_cannot_be_is_asked_for_again(clerk, odd):
    answer = clerk.get(f"/documents/upload?client_id={odd}")
    assert answer.status_code == 200
    assert 'name="q"' in answer.text


def test_the_form_offers_the_client_s_policies_and_members(clerk):
    page = clerk.get(f"/documents/upload?client_id={CLIENT}&policy_id={POLICY}&kind=policy-schedule").text
    assert f'<option value="{POLICY}" selected>EX/1' in page
    assert "Kavita Mehta" in page
    assert '<option value="policy-schedule" selected>' in page


def test_files_lead_to_their_batch_and_are_stored(clerk):
    answer = send(clerk, [("one.pdf", pdf()), ("two.pdf", pdf(2))], policy_id=POLICY, kind="policy-schedule", title="")
    page = clerk.get(answer.location).text
    assert "<strong>0 of 2</strong>" in page
    assert 'hx-trigger="every 1s"' in page
    run_due_tasks()
    assert f'<a href="/policies/{POLICY}">To the policy' in clerk.get(answer.location).text
    page = clerk.get(answer.location + "?part=1").text
    assert "<strong>2 of 2</strong>" in page
    assert "hx-trigger" not in page
    rows = execute_query("documents", filters={"policy_id_eq": POLICY, "file_name_in": ["one.pdf", "two.pdf"]}).data
    assert {(row["state"], row["kind"], row["member_id"]) for row in rows} == {("stored", "policy-schedule", 71)}
    trail = execute_query("audit", filters={"record_type_eq": "document", "action_eq": "add"}).data
    assert {row["document_id"] for row in rows} <= {int(row["record_id"]) for row in trail}


def test_fifty_files_go_in_together_and_a_bad_one_fails_alone(clerk):
    files = [(f"policy {number}.pdf", pdf()) for number in range(49)]
    answer = send(clerk, [*files, ("broken.pdf", b"%PDF-1.7 broken")], policy_id=POLICY)
    assert answer.status_code == 303
    assert "<strong>0 of 50</strong>" in clerk.get(answer.location).text
    run_due_tasks()
    page = clerk.get(answer.location).text
    assert "<strong>49 of 50</strong>" in page
    assert "This PDF is damaged" in page
    status = clerk.get(f"/api/files/batch-status/{answer.location.rsplit('/', 1)[1]}").json
    numbers = [file["document_id"] for file in status["files"] if file["state"] == "done"]
    rows = {row["document_id"]: row for row in execute_query("documents", filters={"document_id_in": numbers}).data}
    assert [rows[number]["sha256"] for number in numbers] == [hashlib.sha256(data).hexdigest() for _, data in files]


def test_a_form_without_a_file_says_so_and_keeps_what_was_typed(clerk):
    answer = send(clerk, [], title="Schedule of 2026", kind="policy-schedule")
    assert answer.status_code == 422
    assert "Choose at least one file." in answer.text
    assert 'value="Schedule of 2026"' in answer.text


def test_a_program_is_told_of_each_file(clerk):
    answer = send(clerk, [("good.pdf", pdf()), ("virus.pdf", b"MZ not a pdf")], "/api/files/batch-upload")
    assert answer.status_code == 202
    assert (answer.json["files"], [one["file_name"] for one in answer.json["refused"]]) == (1, ["virus.pdf"])
    run_due_tasks()
    status = clerk.get(answer.json["status"]).json
    assert (status["done"], status["refused"], status["total"], status["finished"]) == (1, 1, 2, True)
    states = {file["file_name"]: file["state"] for file in status["files"]}
    assert states == {"good.pdf": "done", "virus.pdf": "refused"}
    assert "created_by" not in status


def test_each_file_may_have_fields_of_its_own(clerk):
    answer = send(clerk, [("a.pdf", pdf()), ("b.pdf", pdf())], "/api/files/batch-upload",
                  client_id=[CLIENT, "KI01"], kind=["quote", "photos"])
    assert answer.status_code == 202
    rows = execute_query("documents", filters={"document_id_in": answer.json["document_ids"]}, order="document_id").data
    assert [(row["client_id"], row["kind"]) for row in rows] == [(CLIENT, "quote"), ("KI01", "photos")]


def test_a_browser_sends_its_files_one_by_one_into_one_batch(clerk):
    page = clerk.get(f"/documents/upload?client_id={CLIENT}").text
    batch = found(r'name="batch_id" value="([0-9a-f]{32})"', page)
    for _ in range(3):
        assert send(clerk, [("x.pdf", pdf())], "/api/files/batch-upload", batch_id=batch).json["batch_id"] == batch
    run_due_tasks()
    assert clerk.get(f"/api/files/batch-status/{batch}").json["done"] == 3


def test_nobody_adds_to_the_batch_of_somebody_else(clerk, manager):
    batch = send(clerk, [("x.pdf", pdf())], "/api/files/batch-upload").json["batch_id"]
    assert send(manager, [("y.pdf", pdf())], "/api/files/batch-upload", batch_id=batch).status_code == 422


@pytest.mark.parametrize(("fields", "sentence"), [
    ({"client_id": "ZZ99"}, "no client"), ({"kind": "nonsense"}, "type of document"), ({"policy_id": "999"}, "policy"),
    ({"member_name": "Nobody"}, "no member")])
def test_unknown_records_are_answered_per_file(clerk, fields, sentence):
    answer = send(clerk, [("x.pdf", pdf())], "/api/files/batch-upload", **fields)
    assert answer.status_code == 422
    assert sentence in answer.json["refused"][0]["reason"]


@pytest.mark.parametrize("fields", [{"client_id": "../etc"}, {"policy_id": "x"}, {"batch_id": "1"}])
def test_fields_that_cannot_be_read_are_explained(clerk, fields):
    answer = send(clerk, [("x.pdf", pdf())], "/api/files/batch-upload", **fields)
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"


def test_a_full_portal_says_when_to_come_back_and_keeps_nothing(clerk, monkeypatch):
    before = sorted(batch_file_manager.spool.iterdir())
    full = BatchFileManager(most_waiting=0)
    monkeypatch.setattr("portal.web.uploads.batch_file_manager", full)
    answer = send(clerk, [("x.pdf", pdf())], "/api/files/batch-upload")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert sorted(batch_file_manager.spool.iterdir()) == before


def test_what_is_sent_without_right_reaches_no_disk(reader, stranger, clerk):
    before = sorted(batch_file_manager.spool.iterdir())
    assert send(reader, [("x.pdf", pdf())]).status_code == 403
    assert send(stranger, [("x.pdf", pdf())]).status_code == 401
    forged = clerk.post("/documents/upload", data={"client_id": CLIENT}, content_type="multipart/form-data")
    assert forged.status_code == 400
    assert sorted(batch_file_manager.spool.iterdir()) == before


def test_a_batch_is_cancelled(clerk):
    answer = send(clerk, [("x.pdf", pdf())])
    assert clerk.submit(answer.location + "/cancellation").status_code == 303
    run_due_tasks()
    assert "Cancelled" in clerk.get(answer.location).text
    assert "No file of this batch failed" in clerk.submit(answer.location + "/repetition", follow_redirects=True).text
    assert clerk.get("/documents/batches/" + "0" * 32).status_code == 404


def test_a_file_that_failed_is_tried_again_by_a_button(clerk):
    data = pdf()
    answer = send(clerk, [("policy.pdf", data)])
    row = execute_query("batch_files", filters={"batch_id_eq": answer.location.rsplit("/", 1)[1]}).data[0]
    spooled = batch_file_manager.spool / stored(row["document_id"])["spool_name"]
    spooled.write_bytes(data + b"a fault of the disk")
    run_due_tasks()
    page = clerk.get(answer.location).text
    assert "Failed" in page and "changed on this machine" in page and "Try the failed ones again" in page
    spooled.write_bytes(data)
    assert "1 file is tried again" in clerk.submit(answer.location + "/repetition", follow_redirects=True).text
    run_due_tasks()
    page = clerk.get(answer.location).text
    assert "<strong>1 of 1</strong>" in page and "Try the failed ones again" not in page
    assert clerk.get(f"/documents/{row['document_id']}/content").data == data
