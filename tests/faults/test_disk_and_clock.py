"""The disk fills up under the portal, and the clock jumps by an hour: told, survived, nothing lost or doubled."""

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import libfaketime
import pytest

from database_pool import execute_query, transaction
from portal.audit import THE_PORTAL
from portal.outbox.service import NewMessage, queue_messages
from portal.staff import passwords
from tests import cast
from tests.colleague import Colleague, largest_form
from tests.conftest import point_portal_at, portal_settings
from tests.servers.portal import RunningPortal
from tests.servers.processes import wait_for

pytestmark = pytest.mark.slow
BY_COMMAND = "takes half a minute: pytest tests/faults/test_disk_and_clock.py --all-faults"
LIBRARY = Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
DISK = 320   # MB


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
def small_disk(_wanted: None) -> Iterator[RunningPortal]:
    """A portal whose DATA_DIR is a disk of its own, and a small one."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    portal = RunningPortal(workers=1)
    data = portal.folder / "data"
    data.mkdir(mode=0o711)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=0711", "tmpfs", str(data)],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        portal.remove()
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        portal.start()
        yield portal
    finally:
        portal.stop()
        subprocess.run(["umount", "--lazy", str(data)])
        portal.remove()


def _settings(portal: RunningPortal, folder: Path):
    return portal_settings(folder, DATABASE_URL=f"postgresql://postgres@/postgres?host={portal.folder}/data/postgres")


def test_a_full_disk_is_told_keeps_what_is_stored_and_is_over_when_there_is_room(small_disk, tmp_path):
    with point_portal_at(_settings(small_disk, tmp_path)):
        colleague = _hire(small_disk)
        assert _add(colleague, "Before Full") == 303
        filler = small_disk.folder / "data" / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(1024 * 1024))
                    file.flush()
            except OSError:
                pass
        told = _health(small_disk)["disk"]
        assert told["status"] == "unhealthy" and "Make room" in str(told["problem"])
        answers = {name: _add_meanwhile(colleague, name) for name in ("Mehul Bravo", "Tara Chitale", "Om Dalal")}
        filler.unlink()
        wait_for(lambda: _works(colleague), "the portal after the full disk", seconds=60)
        assert _health(small_disk)["disk"]["status"] != "unhealthy"
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
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    clock.chmod(0o644)
    tmp_path.chmod(0o755)
    portal = RunningPortal(workers=1, TASK_WORKERS="3", LD_PRELOAD=str(LIBRARY), DONT_FAKE_MONOTONIC="1",
                           NO_FAKE_STAT="1", FAKETIME_CACHE_DURATION="1", FAKETIME_TIMESTAMP_FILE=str(clock))
    try:
        portal.start()
        with point_portal_at(_settings(portal, tmp_path)):
            colleague = _hire(portal)
            for number, jump in enumerate(("+0", "+1h", "+0")):
                clock.write_text(f"{jump}\n")
                with transaction() as tx:
                    queue_messages(tx, THE_PORTAL, [
                        NewMessage("email", "service", f"clock:{number}:{each}", "a@example.in", text="Hello.",
                                   subject="Hello", priority=1) for each in range(5)])  # fmt: skip
                assert colleague.get("/clients").status_code == 200, jump
                wait_for(lambda: not execute_query("messages", columns="message_id", limit=1,
                                                   filters={"state_eq": "queued"}).data, f"the messages at {jump}")
            assert _health(portal)["task_queue"]["status"] == "healthy"
            tasks = execute_query("tasks", columns="state, attempts", filters={"name_eq": "outbox.deliver"}).data
            assert [(row["state"], row["attempts"]) for row in tasks] == [("done", 1)] * 15
            events = execute_query("message_events", columns="message_id", filters={"status_eq": "kept"}).data
            assert len(events) == len({row["message_id"] for row in events}) == 15
    finally:
        portal.remove()
