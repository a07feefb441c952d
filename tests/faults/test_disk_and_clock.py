"""The disk fills up under the portal, and the clock jumps by an hour: told, survived, nothing lost or doubled."""

import datetime as dt
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from database_pool import execute_query, transaction
from portal.audit import THE_PORTAL
from portal.formats import now
from portal.outbox.service import NewMessage, queue_messages
from portal.staff import passwords
from tests import cast
from tests.colleague import Colleague, largest_form
from tests.conftest import point_portal_at, portal_settings
from tests.servers.clock import LIBRARY, Clock
from tests.servers.portal import RunningPortal
from tests.servers.processes import wait_for
from tests.servers.small_disk import CannotMount, filled, small_disk

pytestmark = pytest.mark.slow
BY_COMMAND = "takes half a minute: pytest tests/faults/test_disk_and_clock.py --all-faults"
DISK = 320   # MB
MOST_OF_AN_HOUR = 3000   # seconds


@pytest.fixture(autouse=True)
def _wanted(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("all_faults"):
        pytest.skip(BY_COMMAND)


def _health(portal: RunningPortal) -> dict[str, dict[str, object]]:
    line = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=60)
    line.request("GET", "/health/detailed")
    found: dict[str, dict[str, object]] = json.loads(line.getresponse().read())["services"]
    line.close()
    return found


def _hire(portal: RunningPortal) -> Colleague:
    with transaction() as tx:
        tx.insert("users", {"email": "asha@example.in", "name": "Asha", "role": "administrator",
                            "password_hash": passwords.hashed(cast.PASSWORD)})
    return Colleague(portal.url, "asha@example.in", cast.PASSWORD)


def _add(colleague: Colleague, name: str) -> int:
    form = largest_form(colleague.get("/clients/new").text)
    return colleague.send(form, to="/clients/new", name=name, prefix="ZZ").status_code


@pytest.fixture
def portal_on_small_disk(_wanted: None) -> Iterator[RunningPortal]:
    """A portal whose DATA_DIR is a disk of its own, and a small one."""
    portal = RunningPortal(workers=1)
    try:
        with small_disk(portal.folder / "data", DISK):
            portal.start()
            yield portal
            portal.stop()
    except CannotMount as reason:
        pytest.skip(str(reason))
    finally:
        portal.remove()


def _settings(portal: RunningPortal, folder: Path):
    return portal_settings(folder, DATABASE_URL=f"postgresql://postgres@/postgres?host={portal.folder}/data/postgres")


def test_a_full_disk_is_told_keeps_what_is_stored_and_is_over_when_there_is_room(portal_on_small_disk, tmp_path):
    portal = portal_on_small_disk
    with point_portal_at(_settings(portal, tmp_path)):
        colleague = _hire(portal)
        assert _add(colleague, "Before Full") == 303
        with filled(portal.folder / "data"):
            told = _health(portal)["disk"]
            assert told["status"] == "unhealthy" and "Make room" in str(told["problem"])
            answers = {name: _add_meanwhile(colleague, name) for name in ("Mehul Bravo", "Tara Chitale", "Om Dalal")}
        wait_for(lambda: _works(colleague), "the portal after the full disk", seconds=60)
        assert _health(portal)["disk"]["status"] != "unhealthy"
        stored = {row["name"] for row in execute_query("clients", columns="name").data}
    acknowledged = {name for name, status in answers.items() if status == 303}
    assert {"Before Full", "After Full", *acknowledged} <= stored
    assert set(answers.values()) <= {303, 503, 507}, answers


def _add_meanwhile(colleague: Colleague, name: str) -> int:
    page = colleague.get("/clients/new")
    return page.status_code if page.status_code != 200 else _add(colleague, name)


def _works(colleague: Colleague) -> bool:
    page = colleague.get("/clients/new")
    return page.status_code == 200 and _add(colleague, "After Full") in (303, 409)


@pytest.mark.skipif(not LIBRARY.exists(), reason="libfaketime has no library for this system")
def test_the_clock_jumps_an_hour_ahead_and_back(tmp_path):
    portal = RunningPortal(workers=1, TASK_WORKERS="3")
    clock = Clock(portal.folder / "clock", exact=True)   # where the database's account can read it
    portal.environment |= clock.environment
    try:
        portal.start()
        with point_portal_at(_settings(portal, tmp_path)):
            colleague = _hire(portal)
            _queue_messages(0, 5)
            wait_for(_all_are_sent, "the first messages")
            clock.jump("+1h")
            wait_for(lambda: _ahead(portal, "min(seen_at) from task_workers") > MOST_OF_AN_HOUR, "the wrong hour")
            assert colleague.get("/clients").status_code == 200
            _queue_messages(1, 200, now() + dt.timedelta(hours=1))   # most of them are not sent in that hour
            clock.jump("+0")
            wait_for(lambda: _ahead(portal, "now()") < 60, "the right time")
            assert colleague.get("/clients").status_code == 200
            _queue_messages(2, 5)
            wait_for(_all_are_sent, "the messages of the wrong hour", seconds=20)
            assert _health(portal)["task_queue"]["status"] == "healthy"
            tasks = execute_query("tasks", columns="state, attempts", filters={"name_eq": "outbox.deliver"}).data
            assert [(row["state"], row["attempts"]) for row in tasks] == [("done", 1)] * 210
            events = execute_query("message_events", columns="message_id", filters={"status_eq": "kept"}).data
            assert len(events) == len({row["message_id"] for row in events}) == 210
    finally:
        portal.remove()


def _ahead(portal: RunningPortal, moment: str) -> float:
    """Seconds that a moment of the database's is ahead of the machine's clock."""
    with psycopg.connect(f"postgresql://postgres@/postgres?host={portal.folder}/data/postgres") as connection:
        return float(connection.execute(f"select extract(epoch from x) from (select {moment}) of (x)").fetchall()[0][0]
                     ) - time.time()


def _queue_messages(number: int, how_many: int, moment: dt.datetime | None = None) -> None:
    """As the portal would at that moment."""
    with transaction() as tx:
        queue_messages(tx, THE_PORTAL, [
            NewMessage("email", "service", f"clock:{number}:{each}", "a@example.in", text="Hello.", subject="Hello",
                       priority=1, not_before=moment) for each in range(how_many)])  # fmt: skip


def _all_are_sent() -> bool:
    return not execute_query("messages", columns="message_id", limit=1, filters={"state_eq": "queued"}).data
