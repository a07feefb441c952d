"""Backups are made while the portal runs and come back into an empty place with the same rows and contents."""

import hashlib
import io
import json
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta

import pikepdf
import pytest
from click.testing import CliRunner
from werkzeug.datastructures import FileStorage

import config
import database_pool
import task_queue
from batch_file_operations import batch_file_manager
from database_pool import execute_query, transaction
from portal import commands
from portal.areas import TASKS
from portal.audit import THE_PORTAL
from portal.errors import Refused
from portal.formats import now
from portal.jobs.service import resume_name
from portal.monitoring import backups
from portal.monitoring.service import REMINDERS, SENDING
from portal.outbox import delivery
from portal.outbox.service import NewMessage, queue_message
from portal.outbox.tasks import sending
from portal.renewals import tasks as renewals_tasks
from task_queue import run_due_tasks
from tests.conftest import point_portal_at
from tests.outbox.conftest import Scripted

pytestmark = pytest.mark.slow


def pdf(title):
    """A document of one page that is like no other."""
    made = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        document.docinfo["/Title"] = title
        document.save(made)
    return made.getvalue()


@pytest.fixture(scope="module")
def place(database, tmp_path_factory):
    """A portal with two clients and three documents, one of which still waits in the spool."""
    folder = tmp_path_factory.mktemp("place")
    settings = replace(database, data_dir=folder / "data")
    with point_portal_at(settings):
        with transaction() as tx:
            tx.insert("clients", [{"client_id": f"BK{n:02}", "name": f"Client {n}", "client_type": "individual"}
                                  for n in (1, 2)])
        accept("first.pdf", "BK01")
        accept("second.pdf", "BK02")
        run_due_tasks()
        accept("third.pdf", "BK02")
        yield settings


def accept(name, client_id):
    file = FileStorage(io.BytesIO(pdf(name)), filename=name)
    return batch_file_manager.accept([{"file": file, "client_id": client_id}])


def contents():
    rows = execute_query("documents", columns="document_id, sha256, state", order="document_id").data
    return [(row["sha256"], row["state"], b"".join(batch_file_manager.read(row["document_id"]))) for row in rows]


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_restore_gives_the_same_rows_and_contents(place, fresh_database, embedded_server, tmp_path, encrypted):
    public, secret = backups.new_key()
    made = backups.make(tmp_path / "backups", recipient=public if encrypted else None)
    before = contents()
    assert len(before) == 3 and made.documents == 3 and made.missing == 0
    elsewhere = replace(place, data_dir=tmp_path / "new", database_url=embedded_server.address(fresh_database()))
    with point_portal_at(elsewhere):
        put_back = backups.restore(made.folder, identity=secret)
        assert put_back.backup.rows == made.rows and made.rows["clients"] == 2
        assert put_back.problems == [] and put_back.migrations == []
        assert contents() == before
        assert database_pool.migrate() == []


@pytest.fixture
def empty_place(place, fresh_database, embedded_server, tmp_path):
    """Another portal, set up and empty, in use for the test."""
    elsewhere = replace(place, data_dir=tmp_path / "new", database_url=embedded_server.address(fresh_database()))
    with point_portal_at(elsewhere):
        yield elsewhere


@pytest.fixture
def backup_of_place(place, tmp_path):
    return backups.make(tmp_path / "backups")


@pytest.fixture
def provider(monkeypatch):
    """Takes every message, at any time of the day."""
    scripted = Scripted(name="mail")
    scripted.capabilities = replace(scripted.capabilities, window=False)
    monkeypatch.setattr(sending, "gateway_for", lambda channel: scripted)
    monkeypatch.setattr(delivery, "end_of_quiet_hours", lambda moment: None)
    return scripted


def restore(backup, *options):
    return CliRunner().invoke(commands.restore, [str(backup.folder), *options])


def test_a_restored_book_sends_nothing_that_went_out_meanwhile_before_it_is_told_to(
    place, provider, fresh_database, embedded_server, tmp_path
):
    message = NewMessage(channel="email", purpose="service", to="a@example.in", key="one", subject="One", text="1")
    assert renewals_tasks in TASKS   # which declares them
    reminders = task_queue._registry.schedules[REMINDERS]
    missed = {"name": REMINDERS, "rule": reminders.rule, "next_at": now() - timedelta(hours=6)}
    with transaction() as tx:
        message_id = queue_message(tx, THE_PORTAL, message)
        tx.insert("task_schedules", missed)
    made = backups.make(tmp_path / "backups")
    run_due_tasks()
    assert [sent.own_id for sent in provider.sent] == [f"{message_id}.1"]
    elsewhere = replace(place, data_dir=tmp_path / "new", database_url=embedded_server.address(fresh_database()))
    with point_portal_at(elsewhere):
        said = restore(made)
        assert said.exit_code == 0 and "Sending is paused" in said.output
        task_queue._store().fire_schedules(task_queue._registry.due([reminders]))
        run_due_tasks()
        assert len(provider.sent) == 1
        waiting = execute_query("tasks", columns="name", filters={"state": "queued"}).data
        assert {"outbox.deliver", REMINDERS} <= {row["name"] for row in waiting}
        assert database_pool.new_id("messages") > message_id + 100_000   # late reports meet no other message
        with transaction() as tx:
            resume_name(tx, THE_PORTAL, SENDING)
        run_due_tasks()
        assert [sent.own_id for sent in provider.sent] == [f"{message_id}.1", f"{message_id}.1"]


def test_a_document_that_is_not_there_is_told_before_anything_is_changed(backup_of_place, empty_place):
    content = next((backup_of_place.folder.parent / "objects").glob("*/*"))
    away = content.rename(content.with_suffix(".away"))
    said = restore(backup_of_place)
    assert said.exit_code == 1 and "contents of 1 documents are not whole" in said.output
    assert not execute_query("clients").data
    content.write_bytes(away.read_bytes()[:-1])
    assert restore(backup_of_place).exit_code == 1
    away.rename(content)
    assert restore(backup_of_place).exit_code == 0
    assert len(contents()) == 3


def test_without_one_document_the_rest_of_a_book_comes_back_where_that_is_wished(backup_of_place, empty_place):
    next((backup_of_place.folder.parent / "objects").glob("*/*")).unlink()
    said = restore(backup_of_place, "--incomplete")
    assert said.exit_code == 1 and "its content is not in" in said.output and "Sending is paused" in said.output
    there = sum((empty_place.data_dir / folder).exists() and sum(path.is_file() for path in (
        empty_place.data_dir / folder).rglob("*")) for folder in ("documents", "spool"))
    assert there == 2 and len(execute_query("clients").data) == 2


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_damaged_document_does_not_keep_the_others_away(place, fresh_database, embedded_server, tmp_path, encrypted):
    public, secret = backups.new_key()
    made = backups.make(tmp_path / "backups", recipient=public if encrypted else None)
    content = min((tmp_path / "backups" / "objects").glob("*/*"))
    content.write_bytes(content.read_bytes()[:-1] + b"x")
    elsewhere = replace(place, data_dir=tmp_path / "new", database_url=embedded_server.address(fresh_database()))
    with point_portal_at(elsewhere):
        put_back = backups.restore(made.folder, identity=secret)
        assert len(put_back.problems) == 1 and "is damaged" in put_back.problems[0]


def test_after_a_copy_that_cannot_be_restored_another_one_can(backup_of_place, empty_place, tmp_path):
    broken = shutil.copytree(backup_of_place.folder, backup_of_place.folder.with_name("20200101T000000Z"))
    dump, manifest = broken / "database.dump", broken / "manifest.json"
    dump.write_bytes(dump.read_bytes()[:-100])
    described = json.loads(manifest.read_text())
    described["database"]["sha256"] = hashlib.sha256(dump.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(described))
    said = restore(replace(backup_of_place, folder=broken))
    assert said.exit_code == 1 and "pg_restore" in said.output
    said = restore(backup_of_place)
    assert said.exit_code == 0, said.output
    assert len(execute_query("clients").data) == 2


def test_an_encrypted_backup_shows_nothing_without_its_key(place, tmp_path):
    public, _ = backups.new_key()
    made = backups.make(tmp_path, recipient=public)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"Client 1" not in file.read_bytes() and b"BK01" not in file.read_bytes()
    with pytest.raises(Refused, match="does not open"):
        backups.restore(made.folder, identity=backups.new_key()[1])
    with pytest.raises(Refused, match="encrypted"):
        backups.restore(made.folder)


def test_a_book_in_use_is_not_overwritten(place, tmp_path):
    made = backups.make(tmp_path)
    with pytest.raises(database_pool.DumpFailed, match="in use"):
        backups.restore(made.folder)


def test_a_damaged_copy_is_noticed(place, fresh_database, embedded_server, tmp_path):
    made = backups.make(tmp_path / "backups")
    dump = made.folder / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-1] + b"x")
    elsewhere = replace(place, data_dir=tmp_path / "new", database_url=embedded_server.address(fresh_database()))
    with point_portal_at(elsewhere), pytest.raises(Refused, match="damaged"):
        backups.restore(made.folder)


def test_a_document_that_is_gone_is_told_and_the_rest_is_kept(place, tmp_path):
    row = execute_query("documents", filters={"state": "stored"}, order="document_id", limit=1).data[0]
    path = place.data_dir / "documents" / row["store_key"]
    hidden = path.rename(path.with_suffix(".away"))
    try:
        assert backups.make(tmp_path).missing == 1
    finally:
        hidden.rename(path)


def test_a_backup_that_fails_is_tried_again_and_is_a_dead_letter_in_the_end(place, monkeypatch):
    """What was in its way, a full disk or a database that is away, mostly passes."""
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="No space left on device")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with transaction() as tx:
        task_id = task_queue.enqueue(tx, "backups.make")
    for attempt in (1, 2, 3):
        run_due_tasks()
        row = execute_query("tasks", filters={"task_id_eq": task_id}).data[0]
        assert row["attempts"] == attempt and "No space left" in row["last_error"]
        assert row["state"] == ("queued" if attempt < 3 else "dead")
        if attempt < 3:
            assert row["run_at"] > now() + timedelta(minutes=10)
            execute_query("tasks", "update", data={"run_at": now()}, filters={"task_id_eq": task_id})


def test_old_backups_go_and_the_first_of_each_month_stays(place, tmp_path):
    made = backups.make(tmp_path)
    kept = {made.folder.name}
    for age in (1, 20, 21, 40, 41):
        copy = tmp_path / (now() - timedelta(days=age)).strftime(backups.STAMP)
        copy.mkdir()
        text = (made.folder / "manifest.json").read_text()
        copy.joinpath("manifest.json").write_text(
            text.replace(made.made_at.isoformat(), (now() - timedelta(days=age)).isoformat()))
        copy.joinpath("documents.json").write_text((made.folder / "documents.json").read_text())
    backups.prune(tmp_path, days=14)
    left = backups.backups(tmp_path)
    assert kept <= {backup.folder.name for backup in left}
    assert all(backup.made_at > now() - timedelta(days=14) or backup.made_at == min(
        other.made_at for other in left if other.made_at.date().replace(day=1) == backup.made_at.date().replace(day=1))
        for backup in left)
    assert len(left) < 6
    assert list((tmp_path / "objects").glob("*/*"))


def test_settings_say_where_backups_lie():
    settings = config.load_settings({"FLASK_ENV": "testing", "BACKUP_RECIPIENT": backups.new_key()[0]})
    assert settings.backup_keep_days == 14 and settings.backup_dir.name == "backups"


def test_what_waits_for_drive_comes_back_too(place, empty_place, tmp_path):
    """Its content lies on this machine until Drive has it."""
    with point_portal_at(place):
        accept("fourth.pdf", "BK01")
        waiting = execute_query("documents", filters={"state": "waiting"}).data[0]["document_id"]
        execute_query("documents", "update", data={"store": "drive"}, filters={"document_id_eq": waiting})
        made = backups.make(tmp_path / "backups")
    assert restore(made).exit_code == 0
    assert b"".join(batch_file_manager.read(waiting))
