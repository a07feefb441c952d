"""Backups are made while the portal runs and come back into an empty place with the same rows and contents."""

import io
from dataclasses import replace
from datetime import timedelta

import pikepdf
import pytest
from werkzeug.datastructures import FileStorage

import config
import database_pool
from batch_file_operations import batch_file_manager
from database_pool import execute_query, transaction
from portal.errors import Refused
from portal.formats import now
from portal.monitoring import backups
from task_queue import run_due_tasks
from tests.conftest import point_portal_at

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
        assert put_back.rows == made.rows and made.rows["clients"] == 2
        assert contents() == before
        assert database_pool.migrate() == []


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
