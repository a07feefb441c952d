"""50 colleagues upload at once over HTTP, first 200 KB and then 50 MB each, while another one opens a page.

    venv/bin/python benchmarks/uploads.py [--files 50] [--megabytes 50] [--rounds 8]

One web process, documents on the local disk. The small files come in several rounds: one is over before thirty pages
were asked for, and the 99th percentile of so few is the slowest of them. Prints how the process's memory grew, how long
the page took meanwhile, and whether every file is stored once with the checksum it was sent with. Exit code 1 when a
target is missed.
"""

import argparse
import hashlib
import http.client
import multiprocessing
import secrets
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from database_pool import execute_query
from tests import cast
from tests.colleague import Colleague
from tests.conftest import point_portal_at, portal_settings
from tests.documents.conftest import scan
from tests.faults.file_kills import prepare
from tests.servers.portal import RunningPortal
from tests.servers.postgres import PostgresServer

MOST_GROWTH, SLOWEST_PAGE = 150.0, 0.3   # MB, seconds
BLOCK = 256 * 1024
SEPARATE = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Files:
    """PDFs of `size` bytes as a scanner makes them, which differ in a mark in the middle of the picture."""

    before: bytes
    marks: list[bytes]
    after: bytes

    @property
    def size(self) -> int:
        """Bytes of each."""
        return len(self.before) + len(self.marks[0]) + len(self.after)

    @property
    def sums(self) -> set[str]:
        """The checksum of each."""
        common = hashlib.sha256(self.before)
        found = []
        for mark in self.marks:
            found.append(common.copy())
            found[-1].update(mark + self.after)
        return {digest.hexdigest() for digest in found}

    def blocks(self, mark: bytes) -> Iterator[bytes | memoryview]:
        """One of them, block by block."""
        before = memoryview(self.before)
        for start in range(0, len(before), BLOCK):
            yield before[start:start + BLOCK]
        yield mark + self.after


def files_of(count: int, size: int) -> Files:
    """So many files of that size."""
    one = scan(size)
    middle = one.index(b"endstream") - 1000
    return Files(one[:middle], [secrets.token_bytes(16) for _ in range(count)], one[middle + 16:])


def send(port: int, cookie: str, token: str, files: Files, mark: bytes) -> int:
    """Uploads one file; the status of the answer."""
    boundary = secrets.token_hex(8)
    before = (f'--{boundary}\r\nContent-Disposition: form-data; name="client_id"\r\n\r\nKL01\r\n--{boundary}\r\n'
              'Content-Disposition: form-data; name="files"; filename="a.pdf"\r\n'
              'Content-Type: application/pdf\r\n\r\n').encode()
    after = f"\r\n--{boundary}--\r\n".encode()
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    line.putrequest("POST", "/api/files/batch-upload")
    for name, value in {"Cookie": cookie, "X-CSRFToken": token, "Sec-Fetch-Site": "same-origin",
                        "Content-Type": f"multipart/form-data; boundary={boundary}",
                        "Content-Length": str(len(before) + files.size + len(after))}.items():
        line.putheader(name, value)
    line.endheaders(before)
    for block in files.blocks(mark):
        line.send(block)
    line.send(after)
    answer = line.getresponse()
    if answer.status != 202:
        print(answer.status, answer.read()[:300])
    line.close()
    return answer.status


def send_all(port: int, cookie: str, token: str, files: Files, line: "Connection[Any, Any]") -> None:
    """In a process of its own, which does not share a lock with whoever times the page: says that it is ready, waits
    for the word, sends all files at once and answers the statuses.
    """
    with ThreadPoolExecutor(len(files.marks)) as threads:
        line.send("ready")
        line.recv()
        line.send(list(threads.map(partial(send, port, cookie, token, files), files.marks)))


def page_times(colleague: Colleague, stop: threading.Event, times: list[float]) -> None:
    """Opens a simple page again and again."""
    while not stop.is_set():
        began = time.perf_counter()
        assert colleague.get("/account").status_code == 200
        times.append(time.perf_counter() - began)
        time.sleep(0.02)


@dataclass
class Measured:
    """What the rounds of one size gave: seconds of each page, and of each round; MB that the memory grew by at most."""

    pages: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    growth: float = 0.0
    stored: int = 0
    answers: set[int] = field(default_factory=set)


def measure(portal: RunningPortal, count: int, size: int, rounds: int) -> bool:
    """All rounds of one size; whether every target is met."""
    colleague = Colleague(portal.url, cast.email_of("staff"), cast.PASSWORD)
    found = Measured()
    for _ in range(rounds):
        measure_once(portal, colleague, files_of(count, size), found)
    times = found.pages
    p99 = statistics.quantiles(times, n=100, method="inclusive")[-1] if len(times) > 1 else times[0]
    print(f"{rounds} x {count} x {size / 1e6:.1f} MB: {statistics.median(found.seconds):.1f} s, answers "
          f"{sorted(found.answers)}, stored once with the right checksum: {found.stored} of {count * rounds}, memory "
          f"grew by {found.growth:.0f} MB, page p50 {1000 * statistics.median(times):.0f} ms, p99 {1000 * p99:.0f} ms, "
          f"slowest {1000 * max(times):.0f} ms of {len(times)}", flush=True)  # fmt: skip
    return found.stored == count * rounds and found.growth < MOST_GROWTH and p99 < SLOWEST_PAGE


def measure_once(portal: RunningPortal, colleague: Colleague, files: Files, found: Measured) -> None:
    """One round: all files at once, until the last of them is stored."""
    token = cast.found(r'name="csrf_token" value="([^"]+)"', colleague.get("/account").text)
    cookie = "; ".join(f"{name}={value}" for name, value in colleague.cookies().items())
    here, there = SEPARATE.Pipe()
    senders = SEPARATE.Process(target=send_all, args=(portal.port, cookie, token, files, there))
    senders.start()
    here.recv()
    worker = portal.processes()[1]
    resting, peak, stop = worker.memory_info().rss, 0, threading.Event()
    watcher = threading.Thread(target=page_times, args=(colleague, stop, found.pages))
    began = time.monotonic()
    watcher.start()
    here.send("go")
    while not here.poll() or _waiting():
        peak = max(peak, worker.memory_info().rss)
        time.sleep(0.1)
    found.seconds.append(time.monotonic() - began)
    stop.set()
    watcher.join()
    senders.join()
    found.answers |= set(here.recv())
    found.growth = max(found.growth, (peak - resting) / 1024**2)
    found.stored += _stored(files.sums)


def _waiting() -> bool:
    return bool(execute_query("batch_files", filters={"state_in": ["queued", "working"]}, limit=1).data)


def _stored(wanted: set[str]) -> int:
    rows = execute_query("documents", columns="sha256", filters={"state_eq": "stored"}).data
    found = [row["sha256"] for row in rows if row["sha256"] in wanted]
    return len(found) if len(found) == len(set(found)) else -1


def main() -> None:
    """Both sizes, on a portal and a database of their own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=8, help="of the small files, so that enough pages are seen")
    options = parser.parse_args()
    server = PostgresServer()
    server.start()
    server.create_database("uploads")
    address = server.address("uploads")
    portal = RunningPortal(workers=1, DATABASE_URL=address)
    try:
        with point_portal_at(portal_settings(server.folder / "data", DATABASE_URL=address)):
            prepare()
            cast.make_cast()
            portal.start()
            met = [
                measure(portal, options.files, 200_000, options.rounds),
                measure(portal, options.files, options.megabytes * 1_000_000, 1),
            ]
    finally:
        portal.remove()
        server.remove()
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
