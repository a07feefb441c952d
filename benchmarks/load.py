"""500 signed-in colleagues at once, through nginx and gunicorn, on the embedded database with Redis.

    venv/bin/pip install -r requirements_benchmarks.txt
    venv/bin/python benchmarks/load.py [--minutes 10] [--at-once 3] [--users 500] [--clients 2000] [--processes 2]
                                       [--pool 4] [--faults]

They read (80 of 100 clicks), search, edit and upload on the demo book, and bulk jobs of reminders run: no failed
request, p95 under 500 ms, p99 under 1 s, 12,000 requests a minute. Then, for --at-once minutes, five times what the
guide promises, all at once: 5,000 requests, 2,500 WhatsApp messages to a provider that answers after 100 ms, 10,000
questions to the database a minute, and 250 uploads at the same moment; again none fails. At the end nothing is lost or
doubled, and the memory of the portal has not grown. Exit code 1 when a target is missed. Locust is the crowd.

The figures hold for a Python that was built with optimizations, as Debian's and Ubuntu's are (make the environment with
/usr/bin/python3), and for as many web processes as the machine has processors (docs/operations.md, Sizes).

With --faults all of it comes at once and lasts the whole time, while a web process, the master, PostgreSQL and Redis
are killed with -9 under it, PostgreSQL and the web processes are restarted, the disk is filled (as root), the clock
jumps an hour ahead and back, and the provider is slow for a while, and answers 429 or cuts the line now and then. Then
requests may fail; judged is that everybody is served again within 15 s, that alerts tell of it, and that nothing that
was accepted is lost or doubled.
"""

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import psycopg
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.load_faults import Faults
from benchmarks.load_stage import SECRET, Stage, running
from database_pool import DatabaseError, execute_query, transaction
from portal import measures
from portal.audit import THE_PORTAL
from portal.demo import seed
from portal.formats import now
from portal.outbox import service
from portal.staff import passwords, sessions
from tests import cast
from tests.conftest import point_portal_at, portal_settings
from tests.deploy.test_nginx_site import Nginx
from tests.documents.conftest import pdf
from tests.servers.portal import RunningPortal
from tests.servers.processes import wait_for

SCANNERS = 250
ARRIVALS = 8   # a second: they come within a minute, and nothing counts before all are there
MESSAGES_A_MINUTE = 2800
LEAST_REQUESTS = 12_000   # a minute
GUIDE_REQUESTS, GUIDE_MESSAGES, GUIDE_QUESTIONS = 5_000, 2_500, 10_000   # a minute: five times the guide's figures
UNHURRIED = (4.0, 7.0)   # seconds that somebody looks at a page while everything comes at once
P95, P99 = 500.0, 1000.0   # milliseconds
RECOVERED_WITHIN = 15.0   # seconds
LONG_ENOUGH = 7.0   # minutes, for all faults
MOST_GROWTH = 0.15   # of the portal's memory between the second minute and the last
MEGABYTE = 1024**2


class Line:
    """What is judged: one target each, printed as it was met or missed."""

    def __init__(self) -> None:
        self.missed = 0

    def judge(self, what: str, value: float, *, most: float | None = None, least: float | None = None) -> None:
        good = (most is None or value <= most) and (least is None or value >= least)
        self.missed += not good
        wanted = f"at most {most:g}" if most is not None else f"at least {least:g}"
        print(f"{'met   ' if good else 'MISSED'} {what}: {value:,.1f} ({wanted})", flush=True)


def prepare(clients: int, users: int, messages: int) -> tuple[list[str], list[int], list[str]]:
    """The demo book, the colleagues, and people who have just written, so that free text may go to them.

    Answers ids of clients and of policies, and a cookie for each colleague.
    """
    for start in range(0, messages, 5000):
        with transaction() as tx:
            tx.insert("contacts", [{"channel": "whatsapp", "last_inbound_at": now(), "address": _phone(number)}
                                   for number in range(start, min(start + 5000, messages))], returning=False)
    seed(clients=clients)
    stored = passwords.hashed(cast.PASSWORD)
    with transaction() as tx:
        tx.insert("users", [{"email": f"load{number}@example.in", "name": f"Load {number}", "role": "manager",
                             "password_hash": stored} for number in range(users)])
    rows = execute_query("clients", columns="client_id", order="client_id", limit=clients).data
    terms = execute_query("policies", columns="policy_id", order="policy_id", filters={"state": "live"}, limit=1000)
    people = execute_query("users", columns="user_id", filters={"email_like": "load%"}, limit=users).data
    with transaction() as tx:
        cookies = [_signed(sessions.begin(tx, row["user_id"], ip="127.0.0.1", user_agent="locust")) for row in people]
    return [row["client_id"] for row in rows], [row["policy_id"] for row in terms.data], cookies


def send_messages(stop: threading.Event, queued: list[int]) -> None:
    """Messages come up evenly. While the database is away the same ones are asked for again."""
    number, part = 0, 40
    while not stop.is_set():
        began = time.monotonic()
        phones = [_phone(each) for each in range(number, number + part)]
        try:
            with transaction() as tx:
                service.queue_messages(tx, THE_PORTAL, [
                    service.NewMessage("whatsapp", "service", f"load:{phone}", phone, text="Your policy is ready.",
                                       priority=1) for phone in phones])  # fmt: skip
        except DatabaseError:
            stop.wait(1)
            continue
        number += part
        queued.append(part)
        stop.wait(max(0.0, part * 60 / MESSAGES_A_MINUTE - (time.monotonic() - began)))


def _signed(token: str) -> str:
    """The cookie that the portal would have set at signing in."""
    portal = Flask("load")
    portal.secret_key = SECRET
    serializer = SecureCookieSessionInterface().get_signing_serializer(portal)
    assert serializer is not None
    return str(serializer.dumps({"_permanent": True, "token": token}))


def _phone(number: int) -> str:
    return f"+9198{10_000_000 + number}"


def watch_memory(portal: RunningPortal, stop: threading.Event, seen: list[tuple[float, float]]) -> None:
    """The proportional set size of all web processes, every ten seconds."""
    while not stop.wait(10):
        total = 0.0
        for process in portal.processes():
            try:
                weight = measures.weight(process)
            except psutil.Error:
                continue
            total += weight.get("pss", weight.get("rss", 0)) / MEGABYTE
        seen.append((time.time(), total))


def questions(address: str) -> int:
    """Transactions that the database has finished so far: each question of the portal is one."""
    with psycopg.connect(address) as connection:
        found = connection.execute("select xact_commit from pg_stat_database where datname = current_database()")
        return int(found.fetchall()[0][0])


def crowd(nginx: Nginx, facts: dict[str, Any], folder: Path, minutes: float) -> dict[str, dict[str, str]]:
    """Runs locust and answers its table by name."""
    people = facts["users"] + facts["scanners"]
    Path(facts["begun"]).unlink(missing_ok=True)
    (folder / "facts.json").write_text(json.dumps(facts))
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "benchmarks" / "load_users.py"), "--headless",
               "--host", f"http://127.0.0.1:{nginx.http_port}", "-u", str(people + 1), "-r", str(ARRIVALS),
               "-t", f"{int(minutes * 60) + people // ARRIVALS + 5}s", "--reset-stats", "--only-summary",
               "--csv", str(folder / "load"), "--stop-timeout", "30"]
    environment = {**os.environ, "LOAD_FACTS": str(folder / "facts.json"), "PYTHONPATH": str(ROOT),
                   "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not (folder / "load_stats.csv").exists():
        sys.exit(f"locust failed:\n{done.stderr[-3000:]}")
    for text in done.stderr.splitlines():
        if "/ERROR/" in text:   # a colleague of the crowd broke down: what came of that is in no table
            print(f"       {text}")
    with (folder / "load_failures.csv").open() as file:
        for row in csv.DictReader(file):
            print(f"       failed {row['Occurrences']} times: {row['Name']}: {row['Error'][:160]}")
    with (folder / "load_stats.csv").open() as file:
        table = {row["Name"]: row for row in csv.DictReader(file) if row["Name"]}
    for name, row in table.items():
        if name != "Aggregated":
            print(f"       {name}: {row['Request Count']} requests, p50 {row['50%']} ms, p95 {row['95%']} ms, "
                  f"p99 {row['99%']} ms, {row['Failure Count']} failed", flush=True)
    return table


class Run:
    """One run on one stage: what came of it is judged as it comes, and at the end what was promised."""

    def __init__(self, stage: Stage, folder: Path, facts: dict[str, Any], address: str) -> None:
        self.stage, self.folder, self.facts, self.address = stage, folder, facts, address
        self.line, self.tables = Line(), list[dict[str, dict[str, str]]]()
        self._memory: list[tuple[float, float]] = []
        self._queued: list[int] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._beside(watch_memory, stage.portal, self._stop, self._memory)

    def _beside(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()
        return thread

    def _crowd(self, minutes: float, **facts: Any) -> dict[str, dict[str, str]]:
        self.tables.append(crowd(self.stage.nginx, {**self.facts, **facts}, self.folder, minutes))
        return self.tables[-1]

    def a_day(self, minutes: float) -> None:
        """What colleagues do, as fast as 500 of them do it."""
        print(f"{self.facts['users']} colleagues for {minutes:g} minutes", flush=True)
        table = self._crowd(minutes, scanners=0)
        memory = self._memory.copy()
        every = table["Aggregated"]
        self.line.judge("failed requests", int(every["Failure Count"]), most=0)
        self.line.judge("requests a minute", requests_a_minute(table), least=LEAST_REQUESTS)
        self.line.judge("p95 of all, ms", float(every["95%"]), most=P95)
        self.line.judge("p99 of all, ms", float(every["99%"]), most=P99)
        judge_memory(self.line, memory)

    def all_at_once(self, minutes: float) -> None:
        """Five times the guide's figures."""
        print(f"everything at once for {minutes:g} minutes", flush=True)
        self._beside(send_messages, self._stop, self._queued)
        before, started = questions(self.address), time.monotonic()
        table = self._crowd(minutes, pause=UNHURRIED)
        asked, lasted = questions(self.address) - before, time.monotonic() - started
        self.line.judge("failed requests", int(table["Aggregated"]["Failure Count"]), most=0)
        self.line.judge("requests a minute", requests_a_minute(table), least=GUIDE_REQUESTS)
        self.line.judge("questions to the database a minute", asked * 60 / lasted, least=GUIDE_QUESTIONS)
        self.line.judge("messages sent a minute", _sent_since(self.stage.sent, started) * 60 / lasted,
                        least=GUIDE_MESSAGES)
        self._judge_at_once(table)

    def with_faults(self, minutes: float) -> None:
        """Everything at once, as fast as in `a_day`, and one fault after the other."""
        faults = Faults(self.stage, Path(self.facts["begun"]))
        doing_them = self._beside(faults.run)
        self._beside(send_messages, self._stop, self._queued)
        table = self._crowd(minutes)
        every = table["Aggregated"]
        print(f"       {every['Failure Count']} of {every['Request Count']} requests failed")
        doing_them.join()   # the last fault is over
        judge_faults(self.line, faults)
        self._judge_at_once(table)

    def _judge_at_once(self, table: dict[str, dict[str, str]]) -> None:
        at_once = table.get("upload at once")
        self.line.judge("uploads at once", int(at_once["Request Count"]) if at_once else 0, least=SCANNERS)

    def stop(self) -> None:
        """No further message comes up."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def end(self) -> int:
        """Judges what became of all that was accepted. Answers how many targets were missed."""
        self.stop()
        judge_messages(self.line, self.stage.sent, sum(self._queued))
        judge_uploads(self.line, self.tables)
        self.stage.portal.stop()
        print("\n".join(text for text in self.stage.portal.logs().splitlines() if '"error"' in text)[:3000])
        return self.line.missed


def measure(given: argparse.Namespace) -> int:
    """The whole of it; answers the exit code."""
    minutes = max(given.minutes, LONG_ENOUGH) if given.faults else given.minutes
    with tempfile.TemporaryDirectory(prefix="portal-load-") as name, ExitStack() as stack:
        folder = Path(name)
        stage = stack.enter_context(
            running(folder, faults=given.faults, processes=given.processes, pool=given.pool))
        address = f"postgresql://postgres@/postgres?host={stage.portal.folder}/data/postgres"
        stack.enter_context(point_portal_at(portal_settings(folder, DATABASE_URL=address, SECRET_KEY=SECRET)))
        sending = minutes if given.faults else given.at_once
        ids, policies, cookies = prepare(given.clients, given.users, int((sending + 5) * MESSAGES_A_MINUTE))
        run = Run(stage, folder, {
            "users": given.users, "scanners": SCANNERS, "clients": ids, "policies": policies, "pause": given.pause,
            "cookies": cookies, "pdf": pdf().hex(), "begun": str(folder / "begun")}, address)  # fmt: skip
        stack.callback(run.stop)
        if given.faults:
            run.with_faults(minutes)
        else:
            run.a_day(minutes)
            run.all_at_once(given.at_once)
        return 1 if run.end() else 0


def requests_a_minute(table: dict[str, dict[str, str]]) -> float:
    """Those of colleagues; uploads at once and bulk jobs are others'."""
    every = table["Aggregated"]
    lasted = int(every["Request Count"]) / float(every["Requests/s"]) / 60
    return sum(int(row["Request Count"]) for name, row in table.items()
               if name not in ("Aggregated", "upload at once", "bulk job")) / lasted


def judge_faults(line: Line, faults: Faults) -> None:
    for name, seconds in faults.recovered.items():
        line.judge(f"{name}: seconds", seconds, most=RECOVERED_WITHIN)
    line.judge("faults survived", len(faults.recovered), least=8)
    print(f"       alerts seen: {', '.join(sorted(faults.alerts)) or 'none'}")
    for alert in sorted(faults.due):
        line.judge(f"alert {alert} seen", float(alert in faults.alerts), least=1)


def _sent_since(sent: Path, began: float) -> int:
    """Messages that the provider took since then (monotonic seconds), reminders included."""
    return sum(float(text.split()[0]) >= began for text in sent.read_text().splitlines())


def judge_messages(line: Line, sent: Path, queued: int) -> None:
    ours = {_phone(number) for number in range(queued)}

    def arrived() -> list[str]:
        came = [text.split()[1].removeprefix("whatsapp:") for text in sent.read_text().splitlines()]
        return [phone for phone in came if phone in ours]

    wait_for(lambda: len(set(arrived())) >= queued, "the last messages", seconds=480)
    line.judge("messages lost or doubled", abs(len(arrived()) - queued), most=0)


def judge_uploads(line: Line, tables: list[dict[str, dict[str, str]]]) -> None:
    taken = sum(int(row["Request Count"]) - int(row["Failure Count"]) for table in tables for name, row in table.items()
                if name in ("upload", "upload at once"))
    stored = execute_query("documents", columns="document_id", filters={"file_name_eq": "paper.pdf"}, limit=1,
                           count=True)
    waiting = {"state_eq": "waiting"}
    wait_for(lambda: not execute_query("documents", columns="document_id", filters=waiting, limit=1).data,
             "the last documents", seconds=180)
    line.judge("accepted uploads that are not stored", max(taken - (stored.count or 0), 0), most=0)


def judge_memory(line: Line, memory: list[tuple[float, float]]) -> None:
    if len(memory) < 12:
        print(f"       memory of the portal: {memory[-1][1] if memory else 0:.0f} MB (too short a run to say more)")
        return
    early, late = memory[6:12], memory[-6:]
    before, after = (sum(size for _, size in part) / len(part) for part in (early, late))
    print(f"       memory of the portal: {before:.0f} MB in the second minute, {after:.0f} MB in the last")
    line.judge("growth of its memory", after / before - 1, most=MOST_GROWTH)


def main() -> int:
    processors = os.cpu_count() or 1
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10.0, help="of a usual day, or with faults")
    options.add_argument("--at-once", type=float, default=3.0, help="minutes in which everything comes at once")
    options.add_argument("--users", type=int, default=500)
    options.add_argument("--clients", type=int, default=2000)
    # 500 people who look at a page for two and a half seconds make a little more than the 12,000 requests a minute.
    options.add_argument("--pause", type=float, nargs=2, default=(1.7, 3.4), metavar="SECONDS",
                         help="how long somebody looks at a page, from and to")
    options.add_argument("--processes", type=int, default=processors, help="WEB_CONCURRENCY")
    options.add_argument("--pool", type=int, default=4, help="DB_POOL_SIZE")
    options.add_argument("--faults", action="store_true", help="kill and restart its parts (7 minutes or more)")
    given = options.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return measure(given)


if __name__ == "__main__":
    sys.exit(main())
