"""The portal behind a real nginx: large uploads, streams, slow clients; killed, replaced and reloaded while asked.

What is acknowledged is stored once, and what only reads is never answered with an error. How soon everything is well
again is judged by benchmarks/load.py --faults, alone on a machine.
"""

import contextlib
import http.client
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from benchmarks.uploads import files_of, send
from database_pool import execute_query, transaction
from portal import measures
from portal.staff import passwords
from tests import cast
from tests.colleague import Colleague, largest_form
from tests.conftest import point_portal_at, portal_settings
from tests.deploy.test_nginx_site import Nginx
from tests.servers.portal import RunningPortal
from tests.servers.processes import free_port, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/usr/sbin/nginx").exists(), reason="nginx is not installed"),
]
ROOT = Path(__file__).resolve().parents[2]
MOST_IDLE_MEMORY = 80    # MB, the proportional set size of a web process that has nothing to do
READERS = 6


class Office:
    """The portal behind nginx, with a colleague and what the readers were told."""

    def __init__(self) -> None:
        self.portal = RunningPortal(workers=2, TASK_WORKERS="3")
        # What systemd would hear.
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._systemd.bind(str(self.portal.folder / "notify"))
        self._systemd.setblocking(False)
        self.portal.environment["NOTIFY_SOCKET"] = str(self.portal.folder / "notify")
        self.portal.start()
        site = (ROOT / "nginx.conf").read_text().replace("/opt/insurance-portal", str(ROOT))
        site = re.sub(r"rate=\d+r/[sm];", "rate=10000r/s;", site)
        self.nginx = Nginx(site, self.portal.port, free_port(), free_port())
        (self.nginx.folder / "nginx.conf").write_text(
            (self.nginx.folder / "nginx.conf").read_text().replace("worker_connections 512", "worker_connections 4096"))
        self.nginx.start()
        self.url = f"http://127.0.0.1:{self.nginx.http_port}"

    @property
    def master(self) -> int:
        return int((self.portal.folder / "data" / "gunicorn.pid").read_text())

    def has_one_master(self) -> bool:
        data = self.portal.folder / "data"
        return (data / "gunicorn.pid").exists() and not (data / "gunicorn.pid.2").exists()

    def heard(self) -> set[str]:
        """What systemd was told since the last look."""
        lines: set[str] = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                lines |= set(self._systemd.recv(4096).decode().splitlines())
        return lines

    def workers(self) -> set[int]:
        """Those of the present master; none while one gives way to another."""
        try:
            return {child.pid for child in psutil.Process(self.master).children()}
        except (OSError, ValueError, psutil.NoSuchProcess):
            return set()

    def has_workers_without(self, gone: int) -> bool:
        return len(self.workers() - {gone}) == 2

    def is_healthy(self) -> bool:
        try:
            return bool(self.nginx.ask("/health", Host="127.0.0.1")[0] == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    opened = Office()
    folder = tmp_path_factory.mktemp("settings")
    address = f"postgresql://postgres@/postgres?host={opened.portal.folder}/data/postgres"
    try:
        with point_portal_at(portal_settings(folder, DATABASE_URL=address)):
            with transaction() as tx:
                tx.insert("users", {"email": "load@example.in", "name": "Load", "role": "administrator",
                                    "password_hash": passwords.hashed(cast.PASSWORD)})
            yield opened
    finally:
        opened.nginx.remove()
        opened.portal.remove()


class Readers:
    """Colleagues who ask for a page again and again, each over one kept connection, without a second try."""

    def __init__(self, office: Office) -> None:
        self.told: Counter[str] = Counter()
        self._stop, self._office = threading.Event(), office
        self._threads = [threading.Thread(target=self._read) for _ in range(READERS)]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.told["200"] > READERS, "the first answers")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _read(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self._office.nginx.http_port, timeout=30)
        while not self._stop.is_set():
            try:
                line.request("GET", "/login")
                answer = line.getresponse()
                answer.read()
                self.told[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.told[type(error).__name__] += 1
                line.close()
            time.sleep(0.01)


def _new_client(colleague: Colleague, name: str) -> bool:
    """Adds a client; whether the portal said that it is saved."""
    form = largest_form(colleague.get("/clients/new").text)
    return colleague.send(form, to="/clients/new", name=name, prefix="ZZ").status_code == 303


def test_an_idle_web_process_is_small(office):
    wait_for(lambda: len(office.workers()) == 2, "both workers")
    sizes = [measures.weight(psutil.Process(pid)).get("pss", 0) / 1024**2 for pid in office.workers()]
    assert max(sizes) <= MOST_IDLE_MEMORY, sizes


@pytest.mark.skipif(shutil.which("slowhttptest") is None, reason="slowhttptest is not installed")
def test_slow_clients_hold_nobody_up(office):
    """Headers, bodies and reads that trickle, all at once; somebody from another address is answered as ever."""
    attacks = [subprocess.Popen(
        ["slowhttptest", "-c", "400", way, "-i", "3", "-r", "400", "-l", "4", "-p", "2", "-x", "24",
         "-u", f"{office.url}/login"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for way in ("-H", "-B", "-X")]  # fmt: skip
    waits = []
    try:
        while any(attack.poll() is None for attack in attacks):
            began = time.monotonic()
            line = http.client.HTTPConnection("127.0.0.1", office.nginx.http_port, timeout=10,
                                              source_address=("127.0.0.7", 0))
            line.request("GET", "/login")
            assert line.getresponse().status == 200
            line.close()
            waits.append(time.monotonic() - began)
            time.sleep(0.1)
    finally:
        for attack in attacks:
            attack.kill()
            attack.wait()
    assert len(waits) > 5
    assert statistics.median(waits) < 1.0, waits


def test_fifty_megabytes_go_through_and_are_stored(office):
    with transaction() as tx:
        tx.insert("clients", {"client_id": "KL01", "name": "Kavita Lele"})
    colleague = Colleague(office.url, "load@example.in", cast.PASSWORD)
    token = largest_form(colleague.get("/clients/new").text).fields["csrf_token"]
    cookie = "; ".join(f"{name}={value}" for name, value in colleague.cookies().items())
    files = files_of(1, 50 * 1000**2)
    assert send(office.nginx.http_port, cookie, token, files, files.marks[0]) == 202
    rows = execute_query("documents", columns="size, sha256", filters={"client_id_eq": "KL01"}).data
    assert [(row["size"], {row["sha256"]}) for row in rows] == [(files.size, files.sums)]


def test_a_stream_of_events_comes_as_it_is_made(office):
    colleague = Colleague(office.url, "load@example.in", cast.PASSWORD)
    line = http.client.HTTPConnection("127.0.0.1", office.nginx.http_port, timeout=15)
    cookie = "; ".join(f"{name}={value}" for name, value in colleague.cookies().items())
    line.request("GET", "/monitoring/events", headers={"Cookie": cookie})
    answer = line.getresponse()
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (200, "text/event-stream")
    seen = [answer.readline() for _ in range(8)]
    assert seen.count(b"event: live\n") >= 2   # the second one is seconds younger: nothing waits for the end
    line.close()


@pytest.mark.parametrize("wish", [signal.SIGHUP, signal.SIGUSR2])
def test_a_reload_and_a_rolling_restart_lose_no_request(office, wish):
    old, master = office.workers(), office.master
    office.heard()
    with Readers(office) as readers:
        os.kill(master, wish)
        wait_for(lambda: office.workers() and not office.workers() & old and all(_is_gone(pid) for pid in old),
                 "new processes alone", seconds=60)
        after = readers.told["200"] + 50
        wait_for(lambda: readers.told["200"] > after, "answers of the new ones")
    assert set(readers.told) == {"200"}, readers.told
    wait_for(office.has_one_master, "one master")
    assert (office.master == master) is (wish == signal.SIGHUP)
    serving = office.portal.master()   # which buries the old one: its number takes no signals any more
    assert serving is not None and serving.pid == office.master
    assert wish == signal.SIGHUP or f"MAINPID={office.master}" in office.heard()


def test_a_killed_web_process_costs_no_reader_anything_and_nothing_that_was_saved(office):
    colleague = Colleague(office.url, "load@example.in", cast.PASSWORD)
    acknowledged = []
    with Readers(office) as readers:
        for number in range(3):
            victim = sorted(office.workers())[0]
            os.kill(victim, signal.SIGKILL)
            name = f"Survivor {'ABC'[number]}{number}{victim}"
            if _new_client(colleague, name):
                acknowledged.append(name)
            wait_for(partial(office.has_workers_without, victim), "a successor")
    # The first process that nginx tries again may be the next victim; once in a thousand readers that shows.
    assert readers.told["200"] >= sum(readers.told.values()) * 0.99, readers.told
    stored = Counter(row["name"] for row in execute_query("clients", columns="name",
                                                          filters={"name_like": "Survivor%"}).data)
    assert set(acknowledged) <= set(stored) and set(stored.values()) <= {1}


def test_after_the_masters_death_a_new_one_serves_the_same_database(office):
    colleague = Colleague(office.url, "load@example.in", cast.PASSWORD)
    assert _new_client(colleague, "Before Death")
    master, workers = office.master, office.workers()
    os.kill(master, signal.SIGKILL)
    wait_for(lambda: all(_is_gone(pid) for pid in workers), "the orphans' end")
    assert office.nginx.ask("/clients")[0] == 503   # nginx excuses it meanwhile
    office.portal.start()   # as systemd (RestartSec=2) or start_multiuser.sh --keep would
    wait_for(office.is_healthy, "the portal")
    assert colleague.get("/clients?q=Before+Death").text.count("Before Death") >= 1


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
