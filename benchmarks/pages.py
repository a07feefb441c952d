"""The portal's pages against the least that could show the same rows, in one run, as ratios.

    venv/bin/python benchmarks/pages.py [--seconds 8] [--rounds 5] [--clients 2000] [--large 0]

Signed in, on a demo book: the list of policies with 25 rows and the page of a client, against one Flask view with
psycopg_pool and a minimal table, and against an empty view; the same gunicorn, two processes, wrk with 100
connections. With --large CLIENTS a second, larger book is made (67000 clients have 200,000 policies), and the waits on
it are compared with those on the small one. Exit code 1 when a target is missed.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from database_pool import execute_query, migrate
from portal.demo import seed
from tests import cast
from tests.conftest import point_portal_at, portal_settings
from tests.servers.portal import RunningPortal
from tests.servers.postgres import PostgresServer

CONNECTIONS = 100
LIST = "/policies?size=25"
SEARCHES = ("mehta", "98200", "MH 02", "kavita iy", "5417", "patel 2026", "zzzz", "shah")


@dataclass
class Measured:
    """What the rounds of one page gave: answers per second and p99 in milliseconds."""

    rates: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def tail(self) -> float:
        return statistics.median(self.tails)


class Book:
    """A portal with a demo book, a colleague signed in, and the addresses of the pages."""

    def __init__(self, postgres: PostgresServer, name: str, clients: int, folder: Path) -> None:
        postgres.create_database(name)
        self.address = postgres.address(name)
        with point_portal_at(portal_settings(folder, DATABASE_URL=self.address)):
            migrate()
            seed(clients=clients)
            cast.make_cast()
            busy = execute_query("client_list", filters={"live_policies_gte": 3}, order="client_id", limit=1).data[0]
            self.policies = execute_query("policies", columns="policy_id", limit=1, count=True).count or 0
        self.client = f"/clients/{busy['client_id']}"
        self.portal = RunningPortal(workers=2, DATABASE_URL=self.address, WEB_MAX_REQUESTS="0", TASK_WORKERS="0")
        self.portal.start()
        self.cookie = self._sign_in()

    def _sign_in(self) -> str:
        session = requests.Session()
        token = cast.found(r'name="csrf_token" value="([^"]+)"', session.get(f"{self.portal.url}/login").text)
        answer = session.post(f"{self.portal.url}/login", allow_redirects=False, data={
            "csrf_token": token, "email": cast.email_of("manager"), "password": cast.PASSWORD})
        if answer.status_code != 303:
            raise SystemExit(f"the sign-in was answered with {answer.status_code}")
        session.get(self.portal.url + LIST)   # the first page gives the cookie its form token, as in every browser
        return "; ".join(f"{name}={value}" for name, value in session.cookies.items())

    def waits(self, path: str, times: int) -> list[float]:
        """Seconds that each of so many requests took, one after another, sorted."""
        taken, session = [], requests.Session()
        for _ in range(times):
            began = time.perf_counter()
            answer = session.get(self.portal.url + path, headers={"Cookie": self.cookie}, allow_redirects=False)
            taken.append(time.perf_counter() - began)
            if answer.status_code != 200:
                raise SystemExit(f"{path} was answered with {answer.status_code}")
        return sorted(taken)


def load(url: str, cookie: str, seconds: float) -> tuple[float, float]:
    """Answers per second and p99 in milliseconds under 100 connections. Stops the run when an answer is an error."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "30s", "--latency",
               "-H", f"Cookie: {cookie}", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"errors at {url}:\n{said}")
    rate = float(cast.found(r"Requests/sec:\s+([\d.]+)", said))
    amount, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return rate, float(amount) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def compare_pages(book: Book, reference: RunningPortal, rounds: int, seconds: float) -> list[str]:
    """Prints the ratios of the pages and answers the targets missed."""
    pages = {
        "empty": reference.url + "/empty", "reference": reference.url + "/page",
        "list": book.portal.url + LIST, "client": book.portal.url + book.client,
    }
    measured = {name: Measured() for name in pages}
    for url in pages.values():
        load(url, book.cookie, 2)
    for _ in range(rounds):
        for name, url in pages.items():
            rate, tail = load(url, book.cookie, seconds)
            measured[name].rates.append(rate)
            measured[name].tails.append(tail)
    missed = []
    for name, found in measured.items():
        of_reference = found.rate / measured["reference"].rate
        of_empty = found.rate / measured["empty"].rate
        tails = found.tail / measured["reference"].tail
        print(f"{name:10} {found.rate:8.0f}/s  p99 {found.tail:7.1f} ms   of the reference {of_reference:.2f}   "
              f"of the empty view {of_empty:.3f}   p99 to the reference's {tails:.2f}")
        if name in ("list", "client"):
            missed += [f"{name}: {what}" for what, good in (
                ("0.5 of the reference", of_reference >= 0.5), ("0.12 of the empty view", of_empty >= 0.12),
                ("p99 within 3 times the reference's", tails <= 3)) if not good]
    return missed


def compare_books(small: Book, large: Book, times: int) -> list[str]:
    """Prints how the waits grow with the book and answers the targets missed."""
    missed = []
    print(f"\n{small.policies:,} policies against {large.policies:,}, one request at a time")
    for name, path in (("list", LIST), ("client", None)):
        pair = [book.waits(path or book.client, times)[int(times * 0.95)] for book in (small, large)]
        print(f"{name:10} p95 {pair[0] * 1000:6.1f} ms and {pair[1] * 1000:6.1f} ms: {pair[1] / pair[0]:.2f} times")
        if pair[1] > 1.5 * pair[0]:
            missed.append(f"{name}: p95 on the large book within 1.5 times the small one's")
    found = sorted(wait for words in SEARCHES for wait in large.waits(f"/search?q={words}", times // 4))
    p95 = found[int(len(found) * 0.95)]
    print(f"search     p95 {p95 * 1000:6.1f} ms, slowest {found[-1] * 1000:.1f} ms")
    return missed + (["search: p95 under 200 ms on the large book"] if p95 >= 0.2 else [])


@contextmanager
def books(sizes: list[int]) -> Iterator[list[Book]]:
    """A portal for each size, on one durable PostgreSQL."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
        postgres = PostgresServer(durable=True)
        cleanup.callback(postgres.remove)
        postgres.start()
        made = []
        for number, clients in enumerate(sizes):
            made.append(Book(postgres, f"book_{number}", clients, folder))
            cleanup.callback(made[-1].portal.remove)
        yield made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=2000, help="size of the book")
    parser.add_argument("--large", type=int, default=0, help="clients of a second, larger book")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed (Debian and Ubuntu: apt-get install wrk)")
    with books([options.clients, *([options.large] if options.large else [])]) as made:
        reference = RunningPortal(
            workers=2, application="benchmarks.reference_pages:application", DATABASE_URL=made[0].address,
            WEB_MAX_REQUESTS="0")
        reference.start()
        try:
            missed = compare_pages(made[0], reference, options.rounds, options.seconds)
        finally:
            reference.remove()
        if options.large:
            missed += compare_books(made[0], made[1], 200)
    for target in missed:
        print(f"missed: {target}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
