"""50 files of 200 KB into a Drive 100 ms away: durable batches against a plain pool of Google's client, in one run.

    venv/bin/python benchmarks/batch_files.py [--latency 0.1] [--rounds 3]

`pool` is ten services of google-api-python-client, each with a connection of its own, uploading from memory: nothing of
it would survive a crash. `one by one` is one such service. `ours` counts from the call that accepts the files until the
last one is stored and verified; accepting alone is named too. Exit code 1 when a target is missed.
"""

from gevent import monkey

monkey.patch_all()

import argparse
import io
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import google_auth_httplib2
import httplib2
from google.oauth2.service_account import Credentials
from googleapiclient.discovery import build_from_document
from googleapiclient.http import MediaIoBaseUpload

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from batch_file_operations import batch_file_manager, upload_multiple_policy_files
from database_pool import execute_query
from infrastructure.drive_client import SCOPE, DriveClient
from task_queue import TaskQueue
from tests.conftest import point_portal_at, portal_settings
from tests.documents.conftest import scan
from tests.faults.file_kills import prepare
from tests.servers.drive import FOLDER, SHARED_DRIVE, DriveServer
from tests.servers.postgres import PostgresServer

FILES, SIZE, WORKERS = 50, 200_000, 10
OF_THE_POOL, OF_ONE_BY_ONE = 0.9, 8.0
OPEN = {"state_in": ["queued", "working"]}


def contents() -> list[bytes]:
    """PDFs of the size, each unlike all others, as a scanner makes them: a page with a picture."""
    return [scan(SIZE) for _ in range(FILES)]


class PlainPool:
    """What a careful programme without a queue would do: as many services as workers, built once and lent out."""

    def __init__(self, drive: DriveServer, size: int) -> None:
        credentials = Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
            str(drive.credentials_file), scopes=[SCOPE])
        document = DriveClient(drive.credentials_file, base_url=drive.url, connections=1, pace=lambda _: None).document
        self._free: SimpleQueue[Any] = SimpleQueue()
        self._size = size
        for _ in range(size):
            http = google_auth_httplib2.AuthorizedHttp(credentials, http=httplib2.Http(timeout=60))
            self._free.put(build_from_document(document, http=http))
        service = self._free.get()
        self._folder = service.files().create(
            body={"name": "plain", "mimeType": FOLDER, "parents": [SHARED_DRIVE]}, supportsAllDrives=True,
            fields="id").execute()["id"]
        self._free.put(service)

    def upload(self, data: bytes) -> None:
        """One file."""
        service = self._free.get()
        try:
            media = MediaIoBaseUpload(io.BytesIO(data), "application/pdf", resumable=False)
            service.files().create(
                body={"name": "x.pdf", "parents": [self._folder]}, media_body=media, supportsAllDrives=True,
                fields="id,md5Checksum").execute(num_retries=3)
        finally:
            self._free.put(service)

    def run(self, files: list[bytes]) -> float:
        """Seconds for all of them."""
        began = time.perf_counter()
        with ThreadPoolExecutor(self._size) as workers:
            list(workers.map(self.upload, files))
        return time.perf_counter() - began


def ours(files: list[bytes], latency: float) -> tuple[float, float]:
    """(seconds until accepted, seconds until all are stored), which cannot be before each worker has sent its share."""
    began = time.perf_counter()
    batch = upload_multiple_policy_files([
        {"file": data, "client_id": "KL01", "file_name": f"{number}.pdf"} for number, data in enumerate(files)])
    accepted = time.perf_counter() - began
    time.sleep(len(files) / WORKERS * latency)
    while execute_query("batch_files", columns="file_id", filters={"batch_id_eq": batch, **OPEN}, limit=1).data:
        time.sleep(0.01)
    stored = time.perf_counter() - began
    status = batch_file_manager.status(batch, limit=1)
    assert status is not None and status["done"] == len(files), status
    return accepted, stored


def main() -> None:
    """Rounds of the three, one after the other, so that the machine's moods meet all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    server, drive = PostgresServer(durable=True), DriveServer(in_memory=True, latency=options.latency)
    server.start()
    drive.start()
    server.create_database("files")
    settings = portal_settings(
        server.folder / "data", DATABASE_URL=server.address("files"), FILE_WORKERS=str(WORKERS), **drive.settings)
    queue = TaskQueue(15)
    try:
        with point_portal_at(settings):
            prepare()
            queue.start(["files.*"])
            met = measure(drive, options.rounds, options.latency)
            queue.stop()
    finally:
        drive.remove()
        server.remove()
    sys.exit(0 if met else 1)


def measure(drive: DriveServer, rounds: int, latency: float) -> bool:
    """Prints the medians and the two comparisons, and answers whether both targets are met."""
    pool, single = PlainPool(drive, WORKERS), PlainPool(drive, 1)
    ours(contents()[:WORKERS], latency)   # connections, token and folders: the pool has them as well
    times: dict[str, list[float]] = {"accepted": [], "ours": [], "pool": [], "one by one": []}
    for _ in range(rounds):
        times["pool"].append(pool.run(contents()))
        accepted, stored = ours(contents(), latency)
        times["accepted"].append(accepted)
        times["ours"].append(stored)
        times["one by one"].append(single.run(contents()))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, seconds in medians.items():
        print(f"{name:12} {seconds:6.2f} s")
    pooled, single_file = medians["pool"] / medians["ours"], medians["one by one"] / medians["ours"]
    print(f"against the plain pool  {pooled:.2f} x its speed (target {OF_THE_POOL})")
    print(f"against one by one      {single_file:.1f} x its speed (target {OF_ONE_BY_ONE:g})")
    kept = execute_query("documents", columns="document_id", filters={"state_eq": "stored"}).data
    print(f"{len(kept)} documents stored and verified")
    return pooled >= OF_THE_POOL and single_file >= OF_ONE_BY_ONE


if __name__ == "__main__":
    main()
