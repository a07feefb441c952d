"""Ten thousand reminders at WhatsApp's pace, and people who write HI in between.

    python benchmarks/messages.py [--messages 10000] [--pace 70] [--processes 2]

Two worker processes send to a stub whose answer takes 100 ms. Printed: messages in the fullest second, messages a
second over the time in which there were some to send, and how long the bot's answer to a HI (one every five seconds)
took. Exit code 1 when a second had more than the pace and 2, when the pace fell below 65 of 70, when an answer
took 2 s, or when a message came twice.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import config
import database_pool
import portal.areas
from database_pool import transaction
from portal.audit import THE_PORTAL
from portal.formats import now
from portal.outbox import arrivals, service
from portal.outbox.webhooks import Inbound
from tests.conftest import point_portal_at, portal_settings
from tests.faults.killed_senders import settings_of
from tests.servers.postgres import PostgresServer
from tests.servers.processes import ending_with_us, free_port, wait_for

LATENCY = 0.1
ANSWER_EVERY = 5.0
WORKERS = 15


def queue_reminders(messages: int) -> None:
    """Reminders of low priority to people who have just written (so that free text may go)."""
    phones = [f"+9198{number:08d}" for number in range(10_000_000, 10_000_000 + messages)]
    for start in range(0, messages, 500):
        part = phones[start : start + 500]
        with transaction() as tx:
            wrote = {"channel": "whatsapp", "last_inbound_at": now()}
            tx.insert("contacts", [{**wrote, "address": phone} for phone in part], returning=False)
            service.queue_messages(tx, THE_PORTAL, [
                service.NewMessage("whatsapp", "service", f"reminder:{phone}", phone, text="Your policy ends soon.",
                                   priority=3) for phone in part])  # fmt: skip


def say_hi(number: int) -> str:
    """Somebody writes HI, as the webhook stores it; their number."""
    phone = f"+9197{number:08d}"
    found = arrivals.news([Inbound("twilio", f"SMhi{number}", phone, phone=phone, body="HI")], [])
    with transaction() as tx:
        arrivals.store(tx, found)
    return phone


def start(command: list[str], environment: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    with output.open("ab") as file:
        return subprocess.Popen([*ending_with_us("KILL"), sys.executable, "-m", *command], cwd=ROOT,
                                env={**kept, **environment}, stdout=file, stderr=file)  # fmt: skip


def read_stub(output: Path) -> list[tuple[float, str]]:
    """When each message came in (monotonic seconds of this machine), and to whom it went."""
    lines = (line.split() for line in output.read_text().splitlines())
    return [(float(moment), to.removeprefix("whatsapp:")) for moment, to in lines]


def fullest_second(moments: list[float]) -> int:
    """The most messages in any stretch of one second, wherever it begins."""
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def measure(messages: int, pace: int, processes: int, server: PostgresServer, folder: Path) -> int:
    port, output, log = free_port(), folder / "stub", folder / "senders"
    environment = {
        **settings_of(server.address("messages"), folder, f"http://127.0.0.1:{port}"), "MESSAGES_PER_SECOND": str(pace),
        "TASK_WORKERS": str(WORKERS), "DB_POOL_SIZE": "15", "DB_MAX_OVERFLOW": "30"}  # fmt: skip
    settings = config.load_settings(environment)
    running: list[subprocess.Popen[bytes]] = []
    with point_portal_at(settings):
        queue_reminders(messages)
        try:
            running.append(start(["tests.servers.twilio_stub", str(port), str(LATENCY)], environment, output))
            running += [start(["benchmarks.message_sender"], environment, log) for _ in range(processes)]
            wait_for(lambda: bool(read_stub(output)), "the first message", log=log, seconds=60)
            asked = answers_meanwhile(output, messages)
        finally:
            for process in running:
                process.kill()
                process.wait()
    return report(read_stub(output), asked, pace)


def answers_meanwhile(output: Path, messages: int) -> dict[str, float]:
    """Somebody writes HI every five seconds until all reminders are out; when each did."""
    asked: dict[str, float] = {}
    while sum(to not in asked for _, to in read_stub(output)) < messages:
        began = time.monotonic()
        asked[say_hi(10_000_000 + len(asked))] = began
        time.sleep(max(0.0, ANSWER_EVERY - (time.monotonic() - began)))
    time.sleep(ANSWER_EVERY)
    return asked


def report(came: list[tuple[float, str]], asked: dict[str, float], pace: int) -> int:
    came.sort()
    reminders = [moment for moment, to in came if to not in asked]
    answers: dict[str, float] = {}
    for moment, to in came:
        if to in asked:
            answers.setdefault(to, moment)   # the first of what the bot has to say
    moments = [moment for moment, _ in came]
    # An answer that was asked for when the last reminders were out stretches no pace.
    busy = [moment for moment in moments if moment <= reminders[-1]]
    rate = (len(busy) - 1) / (busy[-1] - busy[0])
    waits = sorted(moment - asked[to] for to, moment in answers.items())
    most = fullest_second(moments)
    print(f"{len(reminders)} reminders, {len(waits)} of {len(asked)} answers in between")
    print(f"fullest second: {most} (at most {pace + 2}); sustained: {rate:.1f}/s (at least {pace * 65 / 70:.0f})")
    print(f"answers after {waits[len(waits) // 2]:.2f} s in the middle, {waits[-1]:.2f} s at most (under 2)")
    doubled = len(reminders) - len({to for _, to in came if to not in asked})
    print(f"sent twice: {doubled}")
    good = most <= pace + 2 and rate >= pace * 65 / 70 and waits[-1] < 2 and len(waits) == len(asked) and not doubled
    return 0 if good else 1


def main() -> int:
    assert portal.areas.TASKS   # so that the bot's tasks are known here too
    parser = argparse.ArgumentParser(description="Pace of the outbox, and answers in between.")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--pace", type=int, default=70)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    server = PostgresServer()
    server.start()
    try:
        server.create_database("messages")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with point_portal_at(portal_settings(folder, DATABASE_URL=server.address("messages"))):
                database_pool.migrate()
            return measure(given.messages, given.pace, given.processes, server, folder)
    finally:
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
