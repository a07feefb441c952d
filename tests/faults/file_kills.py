"""Files under kill -9: worker processes die again and again while a batch is stored in a Drive that has its own faults.

    python -m tests.faults.file_kills              # 84 files, 20 kills
"""

import hashlib
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import config
from batch_file_operations import batch_file_manager, upload_multiple_policy_files
from database_pool import execute_query, migrate, transaction
from tests import conftest
from tests.documents.conftest import pdf
from tests.servers.drive import DriveServer
from tests.servers.postgres import PostgresServer

ROOT = Path(__file__).parents[2]
FILES, KILLS = 84, 20
PROCESSES = 3
LEASE = 3.0       # seconds; so that the files of the dead are taken over soon
PATIENCE = 240.0  # seconds
UPLOAD = "upload/drive/v3/files$"
FAULTS: tuple[dict[str, Any], ...] = (
    {"action": "reset_after", "method": "POST", "path": UPLOAD},
    {"action": "reset_after", "method": "PUT", "path": UPLOAD},
    {"action": "reset_after", "method": "POST", "path": "/drive/v3/files$"},
    {"action": "reset", "path": UPLOAD},
    {"action": "mid_body", "bytes": 300_000, "method": "PUT", "path": UPLOAD},
    {"action": "status", "status": 429, "reason": "rateLimitExceeded", "path": UPLOAD},
    {"action": "status", "status": 403, "reason": "userRateLimitExceeded", "path": UPLOAD},
    {"action": "status", "status": 500, "path": UPLOAD},
    {"action": "hang", "secs": 2, "method": "PUT", "path": UPLOAD},
)


@dataclass
class Report:
    """What became of it."""

    files: int
    kills: int = 0
    seconds: float = 0.0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    doubled_folders: int = 0
    states: dict[str, int] = field(default_factory=dict)


def run(drive: DriveServer, settings: config.Settings, *, files: int, kills: int) -> Report:
    """Accepts the files under two clients, kills workers meanwhile, and counts what lies in Drive at the end."""
    chance, report, began = random.Random(11), Report(files), time.monotonic()
    drive.configure(list_lag=2.0)
    sizes = [chance.randrange(100, 3_000_000 if number % 4 == 0 else 200_000) for number in range(files)]
    contents = [pdf() + bytes(size) for size in sizes]
    batches = [upload_multiple_policy_files([
        {"file": data, "client_id": f"KL0{number % 2 + 1}", "file_name": f"{number} {part}.pdf"}
        for number, data in enumerate(contents[part::4])]) for part in range(4)]
    with transaction() as tx:
        tx.update("tasks", {"lease_seconds": LEASE}, filters={"batch_id_in": batches})
    workers = [_worker(settings) for _ in range(PROCESSES)]
    try:
        while not _finished(batches) or report.kills < kills:
            if time.monotonic() - began > PATIENCE:
                break
            if report.kills < kills and time.monotonic() - began > 1:
                _break_something(drive, report.kills)
                time.sleep(chance.uniform(0.3, 1.2))
                victim = chance.randrange(PROCESSES)
                workers[victim].send_signal(signal.SIGKILL)
                workers[victim].wait()
                workers[victim] = _worker(settings)
                report.kills += 1
            time.sleep(0.1)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    report.seconds = time.monotonic() - began
    _count(drive, contents, batches, report)
    return report


def _worker(settings: config.Settings) -> "subprocess.Popen[bytes]":
    environment = {
        "PATH": "/usr/bin:/bin", "FLASK_ENV": "testing", "DATABASE_URL": settings.database_url or "",
        "DATA_DIR": str(settings.data_dir), "LOG_DIR": str(settings.log_dir), "SECRET_KEY": settings.secret_key,
        "GOOGLE_CREDENTIALS_FILE": str(settings.google_credentials_file),
        "ROOT_FOLDER_ID": settings.root_folder_id or "",
        "GOOGLE_API_BASE_URL": settings.google_api_base_url or "", "DRIVE_WRITES_PER_SECOND": "1000",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app_multiuser", "work", "--names", "files.*", "--workers", "6"],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _break_something(drive: DriveServer, turn: int) -> None:
    """Every fault has its turn, two at a time."""
    drive.fail(**FAULTS[2 * turn % len(FAULTS)])
    drive.fail(**FAULTS[(2 * turn + 1) % len(FAULTS)])
    if turn % 3 == 1:
        drive.ask("revoke", {})
    if turn % 3 == 2:
        drive.ask("expire_sessions", {})


def _finished(batches: list[str]) -> bool:
    """Whether every file is stored; those that were given up are tried again, as a colleague would."""
    for batch in batches:
        batch_file_manager.retry_failed(batch)
    waiting = {"batch_id_in": batches, "state_in": ["queued", "working"]}
    # A retry waits longer and longer for a server that is down; here it comes at once.
    soon = {"batch_id_in": batches, "state_eq": "queued"}
    execute_query("tasks", "update", data={"run_at": "2026-01-01T00:00:00Z", "lease_seconds": LEASE}, filters=soon)
    return not execute_query("batch_files", columns="file_id", filters=waiting, limit=1).data


def _count(drive: DriveServer, contents: list[bytes], batches: list[str], report: Report) -> None:
    rows = execute_query("batch_files", columns="state", filters={"batch_id_in": batches}).data
    for row in rows:
        report.states[row["state"]] = report.states.get(row["state"], 0) + 1
    wanted = {hashlib.md5(data).hexdigest() for data in contents}
    there = [file["md5Checksum"] for file in drive.files() if not file["trashed"]]
    report.lost = len(wanted - set(there))
    report.doubled = len(there) - len(set(there))
    report.wrong = len(set(there) - wanted)
    paths = [drive.path_of(folder) for folder in drive.folders()]
    report.doubled_folders = len(paths) - len(set(paths))


def main() -> None:
    """The full size, on a database and a Drive of its own."""
    server, drive = PostgresServer(), DriveServer()
    server.start()
    drive.start()
    try:
        server.create_database("kills")
        settings = conftest.portal_settings(
            server.folder / "data", DATABASE_URL=server.address("kills"), **drive.settings)
        with conftest.point_portal_at(settings):
            prepare()
            print(run(drive, settings, files=FILES, kills=KILLS))
    finally:
        drive.remove()
        server.remove()


def prepare() -> None:
    """The schema, and two clients."""
    migrate()
    with transaction() as tx:
        tx.insert("clients", [{"client_id": f"KL0{number}", "name": f"Example {number}"} for number in (1, 2)])


if __name__ == "__main__":
    main()
