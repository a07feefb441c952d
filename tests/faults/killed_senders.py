"""Messages while the processes that send them are killed at random and the provider behaves badly.

    python -m tests.faults.killed_senders 1000 15        # the full size: messages, kills

The provider answers 2 % of the requests 429, accepts another 2 % and cuts the connection; its reports come twice, in
any order, often before the answer to the send. Found in the end: how many messages never came, and how many came twice.
"""

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import app_multiuser
import config
import database_pool
from database_pool import execute_query, transaction
from portal.audit import THE_PORTAL
from portal.formats import now
from portal.outbox import service
from tests.conftest import point_portal_at, portal_settings
from tests.servers.postgres import PostgresServer
from tests.servers.processes import ending_with_us, wait_for
from tests.servers.twilio_stub import ACCOUNT, NUMBER, TOKEN, Message, TwilioStub, signature

ROOT = Path(__file__).parents[2]
BASE = "https://portal.example.com"
SENDERS = 2
REPORTS = ("sent", "delivered", "read")


@dataclass(frozen=True)
class Result:
    """What came of it. `lost` and `doubled` count recipients; `states` the messages as the portal sees them."""

    lost: int
    doubled: int
    kills: int
    refused: int
    attempts: int
    unclear: int
    states: dict[str, int]
    dead_tasks: int
    seconds: float


def settings_of(database_url: str, data_dir: Path, stub_url: str) -> dict[str, str]:
    """The settings of a sender and of the web process that hears the reports."""
    return {
        "FLASK_ENV": "testing", "DATABASE_URL": database_url, "DATA_DIR": str(data_dir),
        "LOG_DIR": str(data_dir / "logs"), "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-tests-only",
        "APP_BASE_URL": BASE, "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_WHATSAPP_FROM": NUMBER,
        "TWILIO_API_BASE_URL": stub_url, "MESSAGES_PER_SECOND": "1000", "DB_POOL_SIZE": "8", "DB_MAX_OVERFLOW": "4",
    }  # fmt: skip


class Reporter:
    """The provider's reports, each twice, shuffled among those of others, some before the answer to the send."""

    def __init__(self, settings: config.Settings) -> None:
        self._app = app_multiuser.create_app(settings)
        self._waiting: list[tuple[Message, str]] = []
        self._lock = threading.Lock()
        self._random = random.Random(11)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.odd_answers: list[int] = []

    def note(self, message: Message) -> None:
        with self._lock:
            self._waiting += [(message, status) for status in REPORTS] * 2

    def __enter__(self) -> "Reporter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        client = self._app.test_client(use_cookies=False)
        while not self._over.is_set() or self._waiting:
            with self._lock:
                some = len(self._waiting) // 3 + 1 if self._waiting else 0
                self._random.shuffle(self._waiting)
                now_told, self._waiting = self._waiting[:some], self._waiting[some:]
            for message, status in now_told:
                path = message.fields["StatusCallback"].removeprefix(BASE)
                fields = {"AccountSid": ACCOUNT, "MessageSid": message.sid, "MessageStatus": status}
                answer = client.post(path, data=fields, headers={"X-Twilio-Signature": signature(BASE + path, fields)})
                if answer.status_code != 200:
                    self.odd_answers.append(answer.status_code)
            time.sleep(0.02)


def queue(messages: int) -> None:
    """Puts the messages into the outbox, to people who have just written."""
    phones = [f"+9198{number:08d}" for number in range(10_000_000, 10_000_000 + messages)]
    for start in range(0, messages, 500):
        part = phones[start : start + 500]
        with transaction() as tx:
            wrote = {"channel": "whatsapp", "last_inbound_at": now()}
            tx.insert("contacts", [{**wrote, "address": phone} for phone in part])
            service.queue_messages(tx, THE_PORTAL, [
                service.NewMessage("whatsapp", "service", f"kill:{phone}", phone, text=f"For {phone}") for phone in part
            ])  # fmt: skip


def counted() -> dict[str, int]:
    """How many messages are in which state."""
    return dict(Counter(row["state"] for row in execute_query("messages", columns="state").data))


@contextmanager
def senders(environment: dict[str, str], log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many sending processes; the caller may kill some and call `start` for others."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        running += [start(environment, log) for _ in range(SENDERS)]
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def start(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """One sending process."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    with log.open("ab") as output:
        return subprocess.Popen(
            [*ending_with_us("KILL"), sys.executable, "-m", "tests.faults.message_worker"], cwd=ROOT,
            env={**kept, **environment}, stdout=output, stderr=output)  # fmt: skip


def run(database_url: str, data_dir: Path, *, messages: int, kills: int, patience: float = 240.0) -> Result:
    """The whole trial on a migrated, empty database; the default pool points at it meanwhile."""
    began = time.monotonic()
    stub = TwilioStub(latency=0.05, busy=0.02, dropped=0.02)
    stub.start()
    environment = settings_of(database_url, data_dir, stub.url)
    settings = config.load_settings(environment)
    log = data_dir / "senders.log"
    with point_portal_at(settings), Reporter(settings) as reporter:
        stub.on_message = reporter.note
        queue(messages)
        with senders(environment, log) as running:
            killed = _kill_at_random(running, kills, messages, stub, environment, log)
            wait_for(lambda: set(counted()) <= {"read", "delivered"}, "the last message", log=log, seconds=patience)
        states, rows = counted(), execute_query("messages", columns="attempts").data
        unclear = execute_query("message_events", columns="event_id", filters={"status_eq": "unclear"}).data
        dead = execute_query("tasks", columns="task_id", filters={"state_eq": "dead"}).data
        assert reporter.odd_answers == []
    stub.stop()
    came = Counter(message.fields["To"] for message in stub.accepted)
    return Result(
        lost=messages - len(came), doubled=sum(1 for times in came.values() if times > 1), kills=killed,
        refused=stub.refused, attempts=sum(row["attempts"] for row in rows), unclear=len(unclear), states=states,
        dead_tasks=len(dead), seconds=time.monotonic() - began,
    )  # fmt: skip


def _kill_at_random(
    running: list[subprocess.Popen[bytes]], kills: int, messages: int, stub: TwilioStub, environment: dict[str, str],
    log: Path,
) -> int:  # fmt: skip
    """Kills a sender each time the provider has got some more messages, and starts another."""
    chance = random.Random(5)
    moments = sorted(chance.sample(range(1, int(messages * 0.9)), kills))
    for moment in moments:
        wait_for(partial(_has_accepted, stub, moment), "the next message", log=log, seconds=120)
        victim = chance.randrange(len(running))
        running[victim].kill()
        running[victim].wait()
        running[victim] = start(environment, log)
    return len(moments)


def _has_accepted(stub: TwilioStub, messages: int) -> bool:
    return len(stub.accepted) >= messages


def main(messages: int, kills: int) -> int:
    server = PostgresServer()
    server.start()
    try:
        server.create_database("killed")
        with tempfile.TemporaryDirectory() as folder:
            with point_portal_at(portal_settings(Path(folder), DATABASE_URL=server.address("killed"))):
                database_pool.migrate()
            result = run(server.address("killed"), Path(folder), messages=messages, kills=kills, patience=600)
    finally:
        server.remove()
    print(result)
    return 0 if (result.lost, result.doubled, result.dead_tasks) == (0, 0, 0) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
