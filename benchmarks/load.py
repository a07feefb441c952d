"""500 signed-in colleagues at once, through nginx and gunicorn, on the embedded database with Redis.

    venv/bin/pip install -r requirements_benchmarks.txt
    venv/bin/python benchmarks/load.py [--minutes 10] [--users 500] [--clients 2000] [--processes 5] [--pool 15]
                                       [--faults]

They read (80 of 100 clicks), search, edit and upload on the demo book, while 250 uploads come at the same moment (each
five minutes), WhatsApp messages go out to a provider that answers after 100 ms, and bulk jobs of reminders run. Locust
is the crowd. Exit code 1 when a target is missed: no failed request, p95 under 500 ms, p99 under 1 s, 12,000 requests a
minute; five times what the guide promises, all at once: 2,500 messages and 10,000 questions to the database a minute,
250 uploads at once; nothing lost or doubled; memory of the portal that does not grow.

With --faults a web process, the master, PostgreSQL and Redis are killed with -9 under it, PostgreSQL and the web
processes are restarted, the disk is filled (as root), the clock jumps an hour ahead and back, and the provider is slow
for a while, and answers 429 or cuts the line now and then. Then requests may fail; judged is that everybody is served
again within 15 s, that alerts tell of it, and that nothing that was accepted is lost or doubled.
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
from benchmarks.load_stage import SECRET, running
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
ARRIVALS = 40   # a second
MESSAGES_A_MINUTE = 2800
LEAST_REQUESTS, LEAST_MESSAGES, LEAST_QUESTIONS = 12_000, 2_500, 10_000   # a minute
P95, P99 = 500.0, 1000.0   # milliseconds
RECOVERED_WITHIN = 15.0   # seconds
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


def crowd(nginx: Nginx, facts: dict[str, Any], folder: Path, minutes: float, users: int) -> dict[str, dict[str, str]]:
    """Runs locust and answers its table by name."""
    (folder / "facts.json").write_text(json.dumps(facts))
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "benchmarks" / "load_users.py"), "--headless",
               "--host", f"http://127.0.0.1:{nginx.http_port}", "-u", str(users + SCANNERS + 1), "-r", str(ARRIVALS),
               "-t", f"{int(minutes * 60) + (users + SCANNERS) // ARRIVALS + 5}s", "--reset-stats", "--only-summary",
               "--csv", str(folder / "load"), "--stop-timeout", "30"]
    environment = {**os.environ, "LOAD_FACTS": str(folder / "facts.json"), "PYTHONPATH": str(ROOT),
                   "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not (folder / "load_stats.csv").exists():
        sys.exit(f"locust failed:\n{done.stderr[-3000:]}")
    with (folder / "load_failures.csv").open() as file:
        for row in csv.DictReader(file):
            print(f"       failed {row['Occurrences']} times: {row['Name']}: {row['Error'][:160]}")
    with (folder / "load_stats.csv").open() as file:
        return {row["Name"]: row for row in csv.DictReader(file)}


def measure(
    minutes: float, users: int, clients: int, pause: tuple[float, float], *, with_faults: bool, **sizes: int
) -> int:
    line, stop = Line(), threading.Event()
    queued: list[int] = []
    memory: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="portal-load-") as name, ExitStack() as stack:
        folder = Path(name)
        stage = stack.enter_context(running(folder, faults=with_faults, **sizes))
        portal = stage.portal
        address = f"postgresql://postgres@/postgres?host={portal.folder}/data/postgres"
        stack.enter_context(point_portal_at(portal_settings(folder, DATABASE_URL=address, SECRET_KEY=SECRET)))
        ids, policies, cookies = prepare(clients, users, int((minutes + 5) * MESSAGES_A_MINUTE))
        facts = {"users": users, "scanners": SCANNERS, "clients": ids, "policies": policies, "pause": pause,
                 "cookies": cookies, "pdf": pdf().hex(), "begun": str(folder / "begun")}
        threads = [threading.Thread(target=send_messages, args=(stop, queued)),
                   threading.Thread(target=watch_memory, args=(portal, stop, memory))]
        faults = Faults(stage, folder / "begun")
        if with_faults:
            threads.append(threading.Thread(target=faults.run))
        for thread in threads:
            thread.start()
        stack.callback(stop.set)
        before, started = questions(address), time.monotonic()
        table = crowd(stage.nginx, facts, folder, minutes, users)
        asked, lasted = questions(address) - before, time.monotonic() - started
        sent = _sent_since(stage.sent, started)
        stop.set()
        for thread in threads:
            thread.join()
        judge_pages(line, table, minutes, strict=not with_faults)
        if with_faults:
            judge_faults(line, faults)
        else:
            line.judge("questions to the database a minute", asked * 60 / lasted, least=LEAST_QUESTIONS)
            judge_memory(line, memory)
            line.judge("messages sent a minute", sent * 60 / lasted, least=LEAST_MESSAGES)
        judge_messages(line, stage.sent, sum(queued))
        judge_uploads(line, table)
        portal.stop()
        print("\n".join(text for text in portal.logs().splitlines() if '"error"' in text)[:3000])
    return 1 if line.missed else 0


def judge_pages(line: Line, table: dict[str, dict[str, str]], minutes: float, *, strict: bool) -> None:
    for name, row in table.items():
        if name not in ("Aggregated", ""):
            print(f"       {name}: {row['Request Count']} requests, p50 {row['50%']} ms, p95 {row['95%']} ms, "
                  f"p99 {row['99%']} ms, {row['Failure Count']} failed")
    every = table["Aggregated"]
    if not strict:
        print(f"       {every['Failure Count']} of {every['Request Count']} requests failed")
        return
    pages = [row for name, row in table.items() if name not in ("Aggregated", "", "upload at once", "bulk job")]
    number = sum(int(row["Request Count"]) for row in pages)
    lasted = int(every["Request Count"]) / float(every["Requests/s"]) / 60 if float(every["Requests/s"]) else minutes
    line.judge("failed requests", int(every["Failure Count"]), most=0)
    line.judge("requests a minute", number / lasted, least=LEAST_REQUESTS)
    # The crowd's own table, uploads at once included.
    line.judge("p95 of all, ms", float(every["95%"]), most=P95)
    line.judge("p99 of all, ms", float(every["99%"]), most=P99)


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

    wait_for(lambda: len(set(arrived())) >= queued, "the last messages", seconds=240)
    line.judge("messages lost or doubled", abs(len(arrived()) - queued), most=0)


def judge_uploads(line: Line, table: dict[str, dict[str, str]]) -> None:
    taken = sum(int(row["Request Count"]) - int(row["Failure Count"]) for name, row in table.items()
                if name in ("upload", "upload at once"))
    stored = execute_query("documents", columns="document_id", filters={"file_name_eq": "paper.pdf"}, limit=1,
                           count=True)
    waiting = {"state_eq": "waiting"}
    wait_for(lambda: not execute_query("documents", columns="document_id", filters=waiting, limit=1).data,
             "the last documents", seconds=180)
    at_once = table.get("upload at once")
    line.judge("uploads at once", SCANNERS if at_once and int(at_once["Request Count"]) >= SCANNERS else 0, least=250)
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
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--users", type=int, default=500)
    options.add_argument("--clients", type=int, default=2000)
    # 500 people who look at a page for 2.2 s and wait 0.3 s for the next make the 12,000 requests a minute.
    options.add_argument("--pause", type=float, nargs=2, default=(1.4, 3.0), metavar="SECONDS",
                         help="how long somebody looks at a page, from and to")
    options.add_argument("--processes", type=int, default=(os.cpu_count() or 1) * 2 + 1, help="WEB_CONCURRENCY")
    options.add_argument("--pool", type=int, default=15, help="DB_POOL_SIZE")
    options.add_argument("--faults", action="store_true", help="kill and restart its parts meanwhile (7 minutes)")
    given = options.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    minutes = max(given.minutes, 7.0) if given.faults else given.minutes
    return measure(minutes, given.users, given.clients, tuple(given.pause), with_faults=given.faults,
                   processes=given.processes, pool=given.pool)


if __name__ == "__main__":
    sys.exit(main())
