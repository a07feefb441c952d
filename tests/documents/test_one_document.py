"""One document: looked at, fetched, filed elsewhere, replaced, thrown away and taken back."""

from datetime import timedelta

import pytest

from batch_file_operations import batch_file_manager
from database_pool import execute_query, transaction
from portal.formats import now
from task_queue import enqueue, run_due_tasks
from tests.cast import found
from tests.documents.conftest import CLIENT, POLICY, pdf, send, stored


@pytest.fixture
def here(uploaded):
    """The address of a fresh document."""
    return f"/documents/{uploaded(pdf(3))['document_id']}"


def number(here: str) -> int:
    return int(here.rsplit("/", 1)[1])


def test_the_page_shows_the_document_and_its_pages(reader, here):
    page = reader.get(f"{here}?page=2").text
    assert "3 pages" in page
    assert f'src="{here}/preview?page=2"' in page
    picture = reader.get(f"{here}/preview?page=2")
    assert picture.content_type == "image/jpeg"
    assert picture.data.startswith(b"\xff\xd8")
    assert reader.get(f"{here}/preview?page=9").status_code == 422


def test_a_download_is_the_file_itself(reader, uploaded):
    data = pdf(5)
    document = uploaded(data, "पॉलिसी 2026.pdf")
    answer = reader.get(f"/documents/{document['document_id']}/content")
    assert (answer.data, answer.content_type) == (data, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert "filename*=UTF-8''%E0%A4%AA" in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("wanted", "status", "part"), [
    ("bytes=0-9", 206, slice(0, 10)), ("bytes=10-", 206, slice(10, None)), ("bytes=-5", 206, slice(-5, None)),
    ("bytes=99999999-", 416, slice(0, 0)), ("bytes=0-1,4-5", 200, slice(None)), ("lines=1-2", 200, slice(None))])
def test_a_part_of_a_file(reader, uploaded, wanted, status, part):
    data = pdf()
    answer = reader.get(f"/documents/{uploaded(data)['document_id']}/content", headers={"Range": wanted})
    assert (answer.status_code, answer.data) == (status, data[part])
    if status == 206:
        assert answer.headers["Content-Range"].endswith(f"/{len(data)}")


def test_it_is_filed_elsewhere_and_the_trail_knows(clerk, here):
    before = stored(number(here))
    answer = clerk.submit(here, {"kind": "quote", "title": "Offer", "policy_id": POLICY, "member_id": 71,
                                 "retention_until": "31/12/2035", "version": before["version"]})
    assert answer.status_code == 303
    after = stored(number(here))
    assert (after["kind"], after["title"], after["policy_id"], after["member_id"]) == ("quote", "Offer", POLICY, 71)
    trail = execute_query("audit", filters={"record_type_eq": "document", "record_id_eq": str(number(here)),
                                            "action_eq": "change"}).data
    assert trail[0]["after"]["kind"] == "quote"


def test_a_policy_of_somebody_else_is_refused(clerk, here):
    answer = clerk.submit(here, {"kind": "quote", "policy_id": 99999, "version": stored(number(here))["version"]})
    assert answer.status_code == 422
    assert "not one of the client" in answer.text


def test_two_colleagues_see_both_versions(clerk, manager, here):
    version = stored(number(here))["version"]
    assert clerk.submit(here, {"kind": "quote", "version": version}).status_code == 303
    assert manager.submit(here, {"kind": "photos", "version": version}).status_code == 409


def test_the_trash_and_back(manager, clerk, here):
    version = stored(number(here))["version"]
    assert clerk.submit(f"{here}/trash", {"version": version}).status_code == 403
    assert manager.submit(f"{here}/trash", {"version": version}).status_code == 303
    assert stored(number(here))["deleted_at"] is not None
    assert "in the trash" in manager.get(here).text
    assert str(number(here)) in manager.get("/documents?show=trash").text
    assert manager.submit(f"{here}/restoration", {"version": stored(number(here))["version"]}).status_code == 303
    assert stored(number(here))["deleted_at"] is None


def test_a_deleted_document_is_seen_and_restored_in_the_trash_of_all(manager, clerk, uploaded):
    number = uploaded(name="mistake.pdf")["document_id"]
    here = f"/documents/{number}"
    page = manager.submit(f"{here}/trash", {"version": stored(number)["version"]}, follow_redirects=True).text
    undo = found(r'<div class="toast ok">.*?action="([^"]+)"', page.replace("\n", ""))
    assert undo == f"{here}/restoration"
    row = manager.get("/trash?kind=document").text.split("mistake.pdf, Rohan Mehta")[1].split("</tr>")[0]
    assert f'action="{undo}"' in row and "/erase" not in row
    version = found(r'name="version" value="(\d+)"', row)
    assert manager.submit(undo, {"version": version}).status_code == 303
    assert "mistake.pdf" not in manager.get("/trash?kind=document").text


def test_after_30_days_in_the_trash_a_document_moves_to_the_archive_once(manager, uploaded):
    content = pdf()
    old, young, restored = (uploaded(data)["document_id"] for data in (content, pdf(), pdf()))
    for number, days in ((old, 31), (young, 29), (restored, 31)):
        execute_query("documents", "update", data={"deleted_at": now() - timedelta(days=days)},
                      filters={"document_id_eq": number})
    execute_query("documents", "update", data={"deleted_at": None}, filters={"document_id_eq": restored})
    for _ in range(2):
        with transaction() as tx:
            enqueue(tx, "documents.empty_trash")
            enqueue(tx, "documents.purge", document_id=restored)
        run_due_tasks()
    assert [stored(number)["state"] for number in (old, young, restored)] == ["archived", "stored", "stored"]
    assert stored(old)["store_key"].startswith("Archive/")
    assert b"".join(batch_file_manager.read(old)) == content
    page = manager.get("/trash?kind=document").text
    assert f"/documents/{old}/restoration" not in page and f"/documents/{young}/restoration" in page
    trail = execute_query("audit", filters={"record_type_eq": "document", "record_id_eq": str(old),
                                            "action_eq": "archive"}).data  # fmt: skip
    assert len(trail) == 1


def test_what_came_in_again_meanwhile_stays_in_the_trash(manager, uploaded):
    data = pdf()
    first = uploaded(data)
    here = f"/documents/{first['document_id']}"
    manager.submit(f"{here}/trash", {"version": first["version"]})
    uploaded(data)
    manager.submit(f"{here}/restoration", {"version": stored(first["document_id"])["version"]})
    assert stored(first["document_id"])["deleted_at"] is not None


def test_a_replaced_document_moves_to_the_archive(clerk, reader, uploaded):
    old = uploaded(kind="policy-schedule", policy_id=POLICY)
    form = clerk.get(f"/documents/upload?client_id={CLIENT}&replaces={old['document_id']}").text
    assert "takes the place of" in form
    answer = send(clerk, [("new.pdf", pdf())], replaces=old["document_id"], kind="policy-schedule", policy_id=POLICY)
    assert answer.status_code == 303
    assert stored(old["document_id"])["state"] == "stored"
    run_due_tasks()
    gone = stored(old["document_id"])
    assert gone["state"] == "archived"
    assert f"/documents/{gone['replaced_by_id']}" in reader.get(f"/documents/{old['document_id']}").text
    assert reader.get(f"/documents/{old['document_id']}/content").status_code == 200


def test_what_is_not_there_is_said(reader):
    for path in ("/documents/99999", "/documents/99999/content", "/documents/99999/preview", f"/documents/{10**30}"):
        assert reader.get(path).status_code == 404
