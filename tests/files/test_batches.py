"""Many files in and out through the face: accepted durably, stored once, told per file."""

import io
import itertools
import os
import signal
import subprocess
import sys
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pikepdf
import pytest
from PIL import Image
from werkzeug.datastructures import FileStorage

import batch_file_operations
from batch_file_operations import BatchFileManager, NothingToDo, QueueFull, upload_multiple_policy_files
from config import Settings
from database_pool import Conflict, OutcomeUnknown, call_function, execute_query, transaction
from infrastructure import file_inspection
from infrastructure.file_inspection import Inspectors
from infrastructure.stores import StoreBusy
from task_queue import run_due_tasks
from tests.conftest import point_portal_at, portal_settings
from tests.servers.faulty_line import LOSE_ANSWER, FaultyLine

ROOT = Path(__file__).parents[2]
NUMBERS = itertools.count(1)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def client(database):
    """A client with a member and a policy."""
    with transaction() as tx:
        tx.insert("clients", {"client_id": "RM01", "name": "Rohan Mehta"})
        tx.insert("members", [{"member_id": 71, "client_id": "RM01", "name": "John D'Souza"}])
        tx.insert("insurers", {"insurer_id": 901, "name": "Example General"})
        tx.insert("products", {"product_id": 901, "name": "Example Health", "line": "health"})
        tx.insert(
            "policies",
            {
                "policy_id": 81,
                "client_id": "RM01",
                "member_id": 71,
                "insurer_id": 901,
                "product_id": 901,
                "line": "health",
                "policy_number": "EX/1",
                "policy_from": "2026-11-01",
                "policy_to": "2027-10-31",
                "due_on": "2027-10-31",
            },
        )
    return "RM01"


@pytest.fixture
def manager():
    """A manager that believes in 100 MB of free disk and little patience."""
    made = BatchFileManager(least_free=1)
    yield made
    made.close()


def pdf(pages: int = 1, **options) -> bytes:
    """A PDF unlike all others."""
    with pikepdf.new() as document:
        for _ in range(pages):
            document.add_blank_page()
        document.docinfo["/Title"] = f"document {next(NUMBERS)}"
        options.get("edit", lambda document: None)(document)
        out = io.BytesIO()
        document.save(out, **{name: value for name, value in options.items() if name != "edit"})
    return out.getvalue()


def picture(kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40 + next(NUMBERS), 40), "white").save(out, kind)
    return out.getvalue()


def archive(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return out.getvalue()


def docx(extra: dict[str, bytes] | None = None) -> bytes:
    number = str(next(NUMBERS)).encode()
    return archive({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>" + number, **(extra or {})})


def with_script(document: pikepdf.Pdf) -> None:
    document.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=pikepdf.String("app.alert(1)"))


def rows_of(batch_id: str) -> list[Row]:
    rows: list[Row] = batch_file_operations.batch_file_manager.status(batch_id)["files"]
    return rows


def stored_bytes(document_id: int) -> bytes:
    return b"".join(batch_file_operations.batch_file_manager.read(document_id))


def document_of(row: Row) -> Row:
    return execute_query("documents", filters={"document_id_eq": row["document_id"]}).data[0]


@pytest.mark.parametrize("shape", ["bytes", "path", "file object", "FileStorage"])
def test_a_file_may_come_in_any_shape(client, tmp_path, shape):
    spool, data = batch_file_operations.batch_file_manager.spool, pdf(3)
    kept_by_others = set(spool.glob("*"))  # none where this is the first file of all
    path = tmp_path / "policy.pdf"
    path.write_bytes(data)
    shapes = {
        "bytes": data,
        "path": path,
        "file object": io.BytesIO(data),
        "FileStorage": FileStorage(io.BytesIO(data), "policy.pdf"),
    }
    batch = upload_multiple_policy_files([{"file": shapes[shape], "client_id": client, "member_name": "john d'souza"}])
    waiting = document_of(rows_of(batch)[0])
    assert stored_bytes(waiting["document_id"]) == data  # from the spool
    run_due_tasks()
    document = document_of(rows_of(batch)[0])
    assert (document["state"], document["pages"], document["member_id"]) == ("stored", 3, 71)
    assert stored_bytes(document["document_id"]) == data
    assert document["store_key"].startswith("Rohan Mehta RM01/John D'Souza/Rohan Mehta - John D'Souza - ")
    assert set(spool.iterdir()) <= kept_by_others


def test_a_file_object_that_comes_twice_is_read_once(client):
    data = pdf() + bytes(5_000_000)
    shared = io.BytesIO(data)
    batch = upload_multiple_policy_files([{"file": shared, "client_id": client}, {"file": shared, "client_id": client}])
    first, second = rows_of(batch)
    assert stored_bytes(first["document_id"]) == data
    assert (second["state"], second["size"]) == ("refused", 0)


BAD = {
    "nothing": (b"", "a.pdf", "empty"),
    "renamed program": (b"MZ\x90\x00" + b"\0" * 300, "policy.pdf", "no document"),
    "web page": (b"<html><script>alert(1)</script>", "policy.pdf", "no document"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "picture.svg", "no document"),
    "60 MB": (b"%PDF-1.7\n" + bytes(60 * 1024 * 1024), "large.pdf", "60 MB"),
    "zip bomb": (docx({"word/media/zeros": bytes(150 * 1024 * 1024)}), "letter.docx", "unpacks"),
    "zip": (archive({"a.txt": b"a"}), "things.docx", "ZIP"),
    "macros": (docx({"word/vbaProject.bin": b"x"}), "letter.docx", "macros"),
    "broken docx": (b"PK\x03\x04broken", "letter.docx", "damaged"),
    "script": (pdf(edit=with_script), "form.pdf", "JavaScript"),
    "locked": (pdf(encryption=pikepdf.Encryption(owner="a", user="b")), "locked.pdf", "password"),
    "protected": (pdf(encryption=pikepdf.Encryption(owner="a", user="")), "protected.pdf", "protected"),
    "broken pdf": (b"%PDF-1.7\nnot really", "broken.pdf", "damaged"),
    "cut pdf": (pdf()[:200], "cut.pdf", "damaged"),
    "broken picture": (picture()[:60], "photo.png", "damaged"),
}


@pytest.fixture(scope="module")
def mixed_batch(client):
    """Every bad file in one batch with three good ones; answers the rows by name."""
    good = {
        "policy.pdf": pdf(),
        "../../etc/cron.d/x.pdf": pdf(),
        "ગુજરાતી " * 50 + ".pdf": pdf(),
        "photo.jpg": picture("JPEG"),
        "letter.docx": docx(),
    }
    files = [{"file": data, "file_name": name, "client_id": client} for name, data in good.items()]
    files += [
        {"file": data, "file_name": f"{number}-{name}", "client_id": client}
        for number, (data, name, _) in enumerate(BAD.values())
    ]
    files += [
        {"file": pdf(), "file_name": "nobody.pdf", "client_id": "ZZ99"},
        {"file": pdf(), "file_name": "no-member.pdf", "client_id": client, "member_name": "Nobody"},
        {"file": pdf(), "file_name": "no-policy.pdf", "client_id": client, "policy_id": 999},
    ]
    batch = upload_multiple_policy_files(files)
    run_due_tasks()
    rows = rows_of(batch)
    return dict(zip([*good, *BAD, "client", "member", "policy"], rows, strict=True))


@pytest.mark.parametrize("which", BAD)
def test_a_bad_file_is_told_apart(mixed_batch, which):
    row = mixed_batch[which]
    assert row["state"] == "refused"
    assert BAD[which][2] in row["error"]


@pytest.mark.parametrize("which", ["client", "member", "policy"])
def test_an_unknown_record_is_told_apart(mixed_batch, which):
    assert mixed_batch[which]["state"] == "refused"
    assert "no" in mixed_batch[which]["error"]


def test_the_good_ones_go_through_under_safe_names(mixed_batch):
    good = list(mixed_batch.items())[:5]
    assert [row["state"] for _, row in good] == ["done"] * 5
    documents = [document_of(row) for _, row in good]
    for (name, _), document in zip(good, documents, strict=True):
        assert document["file_name"].split() == name.split()
        assert len(document["stored_name"].encode()) <= 200
        assert "/" not in document["stored_name"]
    assert documents[1]["store_key"] == f"Rohan Mehta RM01/Rohan Mehta - x ({documents[1]['document_id']}).pdf"


def test_two_files_of_one_name_are_both_kept(client):
    contents = [pdf(), pdf()]
    batch = upload_multiple_policy_files(
        [{"file": data, "client_id": client, "file_name": "scan.pdf"} for data in contents]
    )
    run_due_tasks()
    assert [row["state"] for row in rows_of(batch)] == ["done", "done"]
    assert [stored_bytes(row["document_id"]) for row in rows_of(batch)] == contents


def test_the_same_file_for_the_same_record_is_noticed(client):
    data = pdf()
    first = upload_multiple_policy_files([{"file": data, "client_id": client, "file_name": "first.pdf"}])
    run_due_tasks()
    again = upload_multiple_policy_files(
        [
            {"file": data, "client_id": client, "file_name": "second.pdf"},
            {"file": data, "client_id": client, "policy_id": 81, "file_name": "for the policy.pdf"},
            {"file": data, "client_id": client, "policy_id": 81, "file_name": "twice.pdf"},
        ]
    )
    run_due_tasks()
    assert [row["state"] for row in rows_of(again)] == ["refused", "done", "refused"]
    assert "first.pdf" in rows_of(again)[0]["error"]
    assert rows_of(first)[0]["state"] == "done"


def test_rivals_with_one_file_keep_it_once(client):
    data, batches = pdf(), []
    work = [
        threading.Thread(
            target=lambda: batches.append(upload_multiple_policy_files([{"file": data, "client_id": client}]))
        )
        for _ in range(5)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert sorted(rows_of(batch)[0]["state"] for batch in batches) == ["queued"] + ["refused"] * 4


def test_a_cancelled_batch_keeps_nothing(client):
    batch = upload_multiple_policy_files([{"file": pdf(), "client_id": client} for _ in range(3)])
    batch_file_operations.batch_file_manager.cancel(batch)
    run_due_tasks()
    assert [row["state"] for row in rows_of(batch)] == ["cancelled"] * 3
    assert all(document_of(row)["deleted_at"] for row in rows_of(batch))


def test_a_file_that_failed_is_tried_again_and_then_stored(client):
    data, manager = pdf(), batch_file_operations.batch_file_manager
    batch = upload_multiple_policy_files([{"file": data, "client_id": client}, {"file": pdf(), "client_id": client}])
    spooled = manager.spool / document_of(rows_of(batch)[0])["spool_name"]
    spooled.write_bytes(data + b"a fault of the disk")
    run_due_tasks()
    failed, stored = rows_of(batch)
    assert (failed["state"], stored["state"]) == ("failed", "done")
    assert "changed on this machine's disk" in failed["error"]
    spooled.write_bytes(data)
    assert (manager.retry_failed(batch), manager.retry_failed(batch)) == (1, 0)
    run_due_tasks()
    assert [(row["state"], row["error"]) for row in rows_of(batch)] == [("done", None), ("done", None)]
    assert stored_bytes(failed["document_id"]) == data


@pytest.fixture
def failed(client):
    """A file whose content was changed on the disk: its row, where it lies, and what it held."""
    data = pdf()
    [row] = rows_of(upload_multiple_policy_files([{"file": data, "client_id": client}]))
    spooled = batch_file_operations.batch_file_manager.spool / document_of(row)["spool_name"]
    spooled.write_bytes(data + b"a fault of the disk")
    run_due_tasks()
    assert file_of(row["file_id"])["state"] == "failed"
    yield row, spooled, data
    call_function("settle_dead_tasks", {"wish": "drop", "wanted": '{"all": true}', "doer": "{}"})


def file_of(file_id: int) -> Row:
    return execute_query("batch_files", filters={"file_id_eq": file_id}).data[0]


def resend_dead_letters() -> int:
    settled: int = call_function("settle_dead_tasks", {"wish": "resend", "wanted": '{"all": true}', "doer": "{}"})
    return settled


def test_sending_the_dead_letter_of_a_file_again_stores_it(failed):
    row, spooled, data = failed
    spooled.write_bytes(data)
    assert resend_dead_letters() == 1
    run_due_tasks()
    assert (file_of(row["file_id"])["state"], file_of(row["file_id"])["error"]) == ("done", None)
    assert stored_bytes(row["document_id"]) == data


def test_trying_a_file_again_leaves_no_dead_letter_of_it(failed):
    row, spooled, data = failed
    resend_dead_letters()
    run_due_tasks()
    file = file_of(row["file_id"])
    assert file["state"] == "failed" and "changed on this machine's disk" in file["error"] and file["finished_at"]
    assert len(execute_query("dead_letters").data) == 1
    spooled.write_bytes(data)
    assert batch_file_operations.batch_file_manager.retry_failed(file["batch_id"]) == 1
    assert execute_query("dead_letters").data == []
    run_due_tasks()
    assert document_of(row)["state"] == "stored"


@pytest.mark.parametrize("direction", ["archive", "download"])
def test_sending_the_dead_letter_of_an_archive_or_a_download_again_repeats_it(client, database, direction):
    [old] = rows_of(upload_multiple_policy_files([{"file": pdf(), "client_id": client}]))
    run_due_tasks()
    stored = database.data_dir / "documents" / document_of(old)["store_key"]
    hidden = stored.rename(stored.with_name("hidden"))
    if direction == "archive":
        upload_multiple_policy_files([{"file": pdf(), "client_id": client, "replaces_id": old["document_id"]}])
    else:
        batch_file_operations.download_multiple_policy_files([old["document_id"]])
    run_due_tasks()
    filters = {"document_id_eq": old["document_id"], "state_eq": "failed"}
    [file] = execute_query("batch_files", filters=filters).data
    hidden.rename(stored)
    assert resend_dead_letters() == 1
    run_due_tasks()
    assert (file_of(file["file_id"])["state"], file_of(file["file_id"])["error"]) == ("done", None)
    assert document_of(old)["store_key"].startswith("Archive/") == (direction == "archive")


def test_a_document_that_failed_and_was_deleted_is_gone_after_30_days(failed):
    row, spooled, _ = failed
    entry = {"entry_eq": f"document:{row['document_id']}"}

    def deleted_for(days: int) -> None:
        moment = datetime.now(UTC) - timedelta(days=days)
        execute_query(
            "documents", "update", data={"deleted_at": moment}, filters={"document_id_eq": row["document_id"]}
        )
        os.utime(spooled, (moment.timestamp(), moment.timestamp()))
        batch_file_operations.sweep_files()

    deleted_for(days=29)
    assert spooled.exists() and execute_query("trash_list", filters=entry).data
    deleted_for(days=31)
    assert not spooled.exists() and execute_query("trash_list", filters=entry).data == []
    assert (document_of(row)["state"], file_of(row["file_id"])["state"]) == ("refused", "cancelled")
    resend_dead_letters()
    run_due_tasks()
    assert document_of(row)["state"] == "refused"


def test_a_replaced_document_is_archived_after_the_new_one_is_safe(client):
    old = rows_of(upload_multiple_policy_files([{"file": pdf(), "client_id": client, "file_name": "old.pdf"}]))[0]
    run_due_tasks()
    new = rows_of(
        upload_multiple_policy_files(
            [{"file": pdf(2), "client_id": client, "file_name": "new.pdf", "replaces_id": old["document_id"]}]
        )
    )[0]
    assert document_of(old)["state"] == "stored"
    run_due_tasks()
    document = document_of(old)
    assert (document["state"], document["replaced_by_id"]) == ("archived", new["document_id"])
    assert document["store_key"].startswith("Archive/2026-27/Rohan Mehta RM01/")
    assert stored_bytes(old["document_id"]).startswith(b"%PDF")


def test_documents_are_fetched_and_compared(client):
    data = pdf()
    document_id = rows_of(upload_multiple_policy_files([{"file": data, "client_id": client}]))[0]["document_id"]
    run_due_tasks()
    batch = batch_file_operations.download_multiple_policy_files([document_id])
    run_due_tasks()
    assert (batch_file_operations.batch_file_manager.downloads(batch) / str(document_id)).read_bytes() == data


@pytest.mark.parametrize("limit", [{"most_waiting": 1}, {"most_waiting_bytes": 10}, {"least_free": 2**60}])
def test_without_room_nothing_is_kept(client, limit):
    full = BatchFileManager(**{"least_free": 1, **limit})
    before = sorted(full.spool.iterdir())
    with pytest.raises(QueueFull) as refusal:
        full.accept([{"file": pdf(), "client_id": client}, {"file": pdf(), "client_id": client}])
    assert refusal.value.retry_after > 0
    assert sorted(full.spool.iterdir()) == before


def test_nothing_and_too_much_are_refused(manager):
    for files in ([], [{"file": b"x", "client_id": "RM01"}] * 501):
        with pytest.raises(NothingToDo):
            manager.accept(files)


def test_only_who_has_a_file_says_that_it_is_stored_and_twice_is_once(client):
    row = rows_of(upload_multiple_policy_files([{"file": pdf(), "client_id": client}]))[0]
    for claim in ("first", "second"):
        call_function("claim_file", {"of_file": row["file_id"], "new_claim": claim, "proposed_key": None})
    said = {"of_file": row["file_id"], "at_key": "here", "page_count": 1, "sort": "application/pdf"}
    assert call_function("finish_file", {**said, "by_claim": "first"}) is False
    assert document_of(row)["state"] == "waiting"
    versions = []
    for _ in range(2):
        assert call_function("finish_file", {**said, "by_claim": "second"}) is True
        versions.append(document_of(row)["version"])
    assert versions[0] == versions[1] and document_of(row)["store_key"] == "here"
    run_due_tasks()


def test_a_lost_file_is_asked_for_again(client):
    batch = upload_multiple_policy_files([{"file": pdf(), "client_id": client}])
    with transaction() as tx:
        tx.delete("tasks", filters={"batch_id_eq": batch})
        tx.update("batch_files", {"created_at": "2026-01-01T00:00:00Z"}, filters={"batch_id_eq": batch})
    run_due_tasks()
    assert rows_of(batch)[0]["state"] == "queued"
    batch_file_operations.sweep_files()
    run_due_tasks()
    assert rows_of(batch)[0]["state"] == "done"


def test_inspectors_serve_greenlets_one_after_another(tmp_path):
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdf())
    code = f"""
from gevent import monkey; monkey.patch_all()
import gevent, pathlib
from infrastructure.file_inspection import Inspectors
inspectors = Inspectors()
asked = [gevent.spawn(inspectors.inspect, pathlib.Path({str(path)!r}), "application/pdf") for _ in range(12)]
gevent.joinall(asked)
gevent.sleep(0.3)   # longer than the pipe is quiet between two files
asked += [gevent.spawn(inspectors.inspect, pathlib.Path({str(path)!r}), "application/pdf") for _ in range(3)]
gevent.joinall(asked)
print({{greenlet.value.refusal for greenlet in asked}})
"""
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert out.stdout.strip() == "{''}"


@pytest.mark.slow
def test_a_file_whose_rows_may_be_there_is_kept(impatient, client, database, embedded_server):
    line, name = FaultyLine(embedded_server.port), urlsplit(database.database_url).path
    over_the_line = portal_settings(database.data_dir, DATABASE_URL=f"postgresql://postgres@127.0.0.1:{line.port}{name}")
    data, manager = pdf(), batch_file_operations.batch_file_manager

    def lose(tx, documents):
        line.faults.extend([LOSE_ANSWER] + [b"not now"] * 1000)

    with point_portal_at(over_the_line), pytest.raises(OutcomeUnknown):
        manager.accept([{"file": data, "client_id": client, "file_name": "uncertain.pdf"}], also=lose)
    line.close()
    run_due_tasks()
    [row] = execute_query("batch_files", filters={"file_name_eq": "uncertain.pdf"}).data
    assert row["state"] == "done"
    assert stored_bytes(row["document_id"]) == data


def test_a_file_whose_rows_are_refused_is_not_kept(client, manager):
    before = sorted(manager.spool.iterdir())

    def refuse(tx, documents):
        tx.update("documents", {"title": "x"}, filters={"document_id_eq": 0}, expect=1)

    with pytest.raises(Conflict):
        manager.accept([{"file": pdf(), "client_id": client}], also=refuse)
    assert sorted(manager.spool.iterdir()) == before


@pytest.fixture
def inspectors():
    """One at a time."""
    made = Inspectors(1)
    yield made
    made.close()


@pytest.fixture
def paper(tmp_path):
    """A good PDF on the disk."""
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdf())
    return path


def test_an_inspector_that_was_killed_while_it_waited_costs_no_file(inspectors, paper):
    assert inspectors.inspect(paper, "application/pdf").refusal == ""
    child = inspectors._idle[0]._child
    child.kill()
    child.wait()
    findings = inspectors.inspect(paper, "application/pdf")
    assert (findings.pages, findings.refusal) == (1, "")


def test_an_inspector_gives_way_once_and_outlives_a_ctrl_c(inspectors, paper):
    inspectors.inspect(paper, "application/pdf")
    child = inspectors._idle[0]._child.pid
    assert os.getpriority(os.PRIO_PROCESS, child) == 10
    assert os.getpgid(child) == child != os.getpgrp()


def test_a_file_that_each_inspector_dies_of_is_refused(inspectors, paper, monkeypatch):
    died = []

    def die(inspector, question):
        inspector._child.kill()
        inspector._child.wait()
        died.append(inspector._child.pid)
        return ask(inspector, question)

    ask = file_inspection._Inspector.ask
    monkeypatch.setattr(file_inspection._Inspector, "ask", die)
    assert inspectors.inspect(paper, "application/pdf").refusal == file_inspection.UNREADABLE
    assert len(set(died)) == 2


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/false"])
def test_a_machine_without_room_for_an_inspector_costs_no_file(inspectors, paper, monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(StoreBusy):
        inspectors.inspect(paper, "application/pdf")
    monkeypatch.undo()
    assert inspectors.inspect(paper, "application/pdf").refusal == ""


def take_too_long(path, media_type):
    raise file_inspection.OutOfTime("not read within")


def test_a_file_that_takes_too_long_is_tried_again_and_refused_at_the_end(client, inspectors, paper, monkeypatch):
    inspectors.inspect(paper, "application/pdf")
    slow = inspectors._idle[0]
    slow._socket.settimeout(0.1)
    slow._child.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(batch_file_operations.batch_file_manager, "_inspectors", inspectors)
    batch = upload_multiple_policy_files([{"file": pdf(), "client_id": client}])
    run_due_tasks()
    [row] = rows_of(batch)
    assert row["state"] == "queued" and "not read within" in row["error"]
    monkeypatch.setattr(inspectors, "inspect", take_too_long)
    last = {"attempts": batch_file_operations.ATTEMPTS - 1, "run_at": "2026-01-01T00:00:00Z"}
    execute_query("tasks", "update", data=last, filters={"batch_id_eq": batch, "state_eq": "queued"})
    run_due_tasks()
    [row] = rows_of(batch)
    assert (row["state"], row["error"]) == ("refused", file_inspection.UNREADABLE)


def run_apart(code: str, database: Settings) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of its own, on the database of the test."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PATH": "/usr/bin:/bin", "DATABASE_URL": database.database_url or "", "DATA_DIR": str(database.data_dir)},
    )


def test_a_process_on_its_way_out_still_accepts_the_last_files(client, database, tmp_path):
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdf())
    code = f"""
import threading
threading._register_atexit(lambda: gevent.sleep(2))   # called after that of concurrent.futures, registered later
from gevent import monkey; monkey.patch_all()
import concurrent.futures.thread, gevent
from batch_file_operations import upload_multiple_policy_files
def last_request():
    gevent.sleep(0.2)   # the interpreter shuts down meanwhile
    assert concurrent.futures.thread._shutdown
    print(upload_multiple_policy_files([{{"file": {str(path)!r}, "client_id": {client!r}}}]))
gevent.spawn(last_request)
"""
    out = run_apart(code, database)
    assert rows_of(out.stdout.strip())[0]["state"] == "queued", out.stderr


def test_figures_come_without_an_application(database):
    code = "from batch_file_operations import batch_file_manager; print(batch_file_manager.get_stats())"
    out = run_apart(code, database)
    assert "'max_workers': 10" in out.stdout
    assert "'waiting': {'bytes'" in out.stdout
