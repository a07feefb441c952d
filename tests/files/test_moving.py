"""From this machine's disk to Google Drive, by a command that may be stopped and goes on."""

import pytest
from click.testing import CliRunner

import batch_file_operations
from batch_file_operations import BatchFileManager, upload_multiple_policy_files
from config import use_settings
from database_pool import execute_query, transaction
from portal.commands import documents_check, documents_migrate
from portal.documents.tasks import check_store
from task_queue import run_due_tasks
from tests.conftest import portal_settings
from tests.documents.conftest import pdf
from tests.servers.drive import MY_DRIVE

COUNT = 5


@pytest.fixture
def local_documents(database):
    """Documents on the disk, one of them replaced by another."""
    with transaction() as tx:
        tx.insert("clients", {"client_id": "MV01", "name": "Rohan Mehta"})
    contents = [pdf() for _ in range(COUNT)]
    upload_multiple_policy_files([{"file": data, "client_id": "MV01", "file_name": "paper.pdf"} for data in contents])
    run_due_tasks()
    first = execute_query("documents", order="document_id", limit=1).data[0]["document_id"]
    newer = pdf()
    upload_multiple_policy_files([{"file": newer, "client_id": "MV01", "replaces_id": first}])
    run_due_tasks()
    return sorted([*contents, newer])


def test_every_document_moves_once_though_the_command_is_stopped(database, drive, local_documents, monkeypatch):
    on_drive = portal_settings(database.data_dir, DATABASE_URL=database.database_url or "", **drive.settings)
    use_settings(on_drive)
    try:
        assert "which works" in CliRunner().invoke(documents_check).output
        stop_the_third(monkeypatch)
        assert CliRunner().invoke(documents_migrate).exit_code != 0
        monkeypatch.undo()
        # The answer of one upload is lost: the repetition finds the file under the id that was written down.
        drive.fail("reset_after", method="POST", path="upload/drive/v3/files$")
        assert f"{COUNT + 1 - 2} documents moved to Google Drive." in CliRunner().invoke(documents_migrate).output
        rows = execute_query("documents", order="document_id").data
        assert {(row["store"], row["moving_key"]) for row in rows} == {("drive", None)}
        read = batch_file_operations.batch_file_manager.read
        assert sorted(b"".join(read(row["document_id"])) for row in rows) == local_documents
        paths = [drive.path_of(file) for file in drive.files()]
        assert len(paths) == COUNT + 1
        assert sum(path.startswith("Archive/2026-27/Rohan Mehta MV01/") for path in paths) == 1
        left = [path for path in (database.data_dir / "documents").rglob("*MV01*/**/*") if path.is_file()]
        assert left == []
    finally:
        use_settings(database)


def stop_the_third(monkeypatch):
    """The command dies at its third document, after the upload and before the row is written."""
    moves, before = [], BatchFileManager.move_to_drive

    def move(self, document_id):
        moves.append(document_id)
        if len(moves) == 3:
            raise KeyboardInterrupt
        return before(self, document_id)

    monkeypatch.setattr(BatchFileManager, "move_to_drive", move)


def test_without_a_drive_the_command_says_what_to_set(database):
    outcome = CliRunner().invoke(documents_migrate)
    assert outcome.exit_code == 1
    assert "GOOGLE_CREDENTIALS_FILE" in outcome.output


def test_a_folder_outside_a_shared_drive_is_told_to_the_log(database, drive, caplog):
    wrong = {**drive.settings, "ROOT_FOLDER_ID": MY_DRIVE}
    use_settings(portal_settings(database.data_dir, DATABASE_URL=database.database_url or "", **wrong))
    try:
        assert "shared drive" in check_store()["problems"][0]
        assert "shared drive" in caplog.text
    finally:
        use_settings(database)


def test_a_document_of_a_drive_that_is_gone_says_so(database):
    with pytest.raises(batch_file_operations.StoreError, match="not configured"):
        batch_file_operations.batch_file_manager.store("drive")
