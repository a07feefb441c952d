"""Worker processes die in the middle of their work: nothing is lost, nothing happens twice."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest

import task_queue
from config import Settings
from database_pool import migrate, transaction
from tests.conftest import point_portal_at, portal_settings
from tests.database.colleagues import environment
from tests.servers.portal import RunningPortal
from tests.servers.postgres import PostgresServer
from tests.task_queue.processes import ROOT, Worker, count, make_records

pytestmark = pytest.mark.slow
TASKS = 1000
KILLS = 4  # in each run of the suite; the full run: pytest tests/faults/test_killed_workers.py --kills 15
PATIENCE = 120.0  # seconds, on a busy machine
OPEN = "select count(*) from tasks where state in ('queued', 'running')"
RUNNING = "select count(*) from tasks where state = 'running'"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL that keeps what it acknowledged."""
    server = PostgresServer(durable=True)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def settings(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The portal's schema on that server."""
    server.create_database("portal")
    folder = tmp_path_factory.mktemp("data")
    given = portal_settings(folder, DATABASE_URL=server.address("portal"))
    with point_portal_at(given):
        migrate()
        with psycopg.connect(server.address("portal"), autocommit=True) as sql:
            make_records(sql, 0)
        yield given


@pytest.fixture
def sql(settings: Settings) -> Iterator[psycopg.Connection]:
    """Straight to the database; no task is left over from another test."""
    with psycopg.connect(settings.database_url or "", autocommit=True) as connection:
        connection.execute("truncate tasks")
        yield connection


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Returns once it is so; fails after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def works_or_is_over(sql: psycopg.Connection, at_work: str) -> bool:
    """Whether a process is in the middle of its work, or there is none left."""
    return count(sql, at_work) > 0 or count(sql, OPEN) == 0


def ask_for_work(sql: psycopg.Connection, number: int, seconds: float) -> None:
    """As many records, and a task for each that takes so long."""
    make_records(sql, number)
    with transaction() as tx:
        payloads = [{"record_id": record, "seconds": seconds} for record in range(1, number + 1)]
        task_queue._registry.declared.pop("tests.work", None)
        task_queue.enqueue_many(tx, "tests.work", payloads)


def check_each_happened_once(sql: psycopg.Connection, number: int) -> None:
    """0 lost, 0 doubled."""
    assert count(sql, "select count(*) from test_records where state <> 'done'") == 0
    assert count(sql, "select count(distinct record_id) from test_ledger") == number
    assert count(sql, "select count(*) from test_ledger") == number
    assert count(sql, "select count(*) from tasks where state = 'done'") == number


def test_workers_killed_at_random_lose_nothing_and_double_nothing(settings, sql, request):
    kills = request.config.getoption("--kills", default=None) or KILLS
    ask_for_work(sql, TASKS, seconds=max(0.03, kills * 0.006))
    workers = [Worker(settings, mode) for mode in ("threads", "gevent")]
    chance = random.Random()
    try:
        for number in range(kills):
            victim = number % 2
            pid = workers[victim].process.pid
            at_work = (f"select count(*) from tasks t join task_workers w using (worker_id) "
                       f"where t.state = 'running' and w.process = {pid}")  # fmt: skip
            wait_until(partial(works_or_is_over, sql, at_work), "nobody works")
            assert count(sql, OPEN) > 0, f"all was done after {number} kills: nothing was left to be killed in"
            time.sleep(chance.uniform(0, 0.2))
            workers[victim].kill()
            workers[victim] = Worker(settings, ("threads", "gevent")[victim])
        wait_until(lambda: count(sql, OPEN) == 0, "tasks are left over")
        print(f"{kills} kills, {count(sql, 'select sum(rescues) from tasks')} tasks rescued")
    finally:
        for worker in workers:
            worker.kill()
    check_each_happened_once(sql, TASKS)
    assert count(sql, "select sum(rescues) from tasks") >= 1


def test_what_a_dead_process_held_is_taken_over_within_seconds_not_at_the_end_of_its_lease(settings, sql):
    ask_for_work(sql, 2, seconds=0)
    sql.execute("update tasks set payload = payload || '{\"seconds\": 300}'")
    first = Worker(settings)
    wait_until(lambda: count(sql, RUNNING) == 2, "nobody began")
    sql.execute("update tasks set payload = payload || '{\"seconds\": 0}'")
    second = Worker(settings)
    wait_until(lambda: count(sql, "select count(*) from task_workers where missing_since is null") >= 2, "no second")
    first.kill()
    died = time.monotonic()
    wait_until(lambda: count(sql, OPEN) == 0, "the tasks of the dead are not taken over")
    took = time.monotonic() - died
    second.kill()
    check_each_happened_once(sql, 2)
    print(f"taken over after {took:.1f} s")
    assert took < 30  # half a lease: timing decides nothing else


def test_who_runs_a_task_keeps_it_when_the_database_is_away_for_seconds(server, settings, sql):
    make_records(sql, 0)
    sql.execute("truncate task_workers")
    workers = [Worker(settings, mode) for mode in ("threads", "gevent", "threads")]
    at_work = "select distinct worker_id from tasks where state = 'running' order by 1"
    try:
        wait_until(lambda: count(sql, "select count(*) from task_workers where busy = 0") == 3, "nobody waits")
        with transaction() as tx:
            task_queue.enqueue_many(tx, "tests.note_run", [{"record_id": n, "seconds": 16} for n in range(12)])
        wait_until(lambda: count(sql, "select count(*) from test_ledger") == 12, "not all began")
        before = sql.execute(at_work).fetchall()
        server.stop()
        time.sleep(7)
        server.start()
        with psycopg.connect(settings.database_url or "", autocommit=True) as again:
            time.sleep(3)
            assert again.execute(at_work).fetchall() == before
            wait_until(lambda: count(again, OPEN) == 0, "tasks are left over")
            assert count(again, "select count(*) from test_ledger") == 12, "some ran twice"
            assert count(again, "select count(*) from tasks where result = '{\"slept\": 16}' and rescues = 0") == 12
    finally:
        for worker in workers:
            worker.kill()
    assert len(before) == 3


def test_a_worker_asked_to_stop_ends_what_runs_and_hands_back_the_rest(settings, sql):
    ask_for_work(sql, 300, seconds=0.1)
    worker = Worker(settings)
    wait_until(lambda: count(sql, "select count(*) from test_ledger") >= 20, "nobody works")
    ended, took = worker.stop()
    assert ended and took < 25  # it waits no longer than half a minute
    assert count(sql, RUNNING) == 0, "it left tasks behind as if they were running"
    done = count(sql, "select count(*) from test_ledger")
    assert 20 <= done < 300
    assert count(sql, "select count(*) from tasks where state = 'queued' and attempts = 0") == 300 - done
    sql.execute("update tasks set payload = payload || '{\"seconds\": 0}'")
    other = Worker(settings, "gevent")
    wait_until(lambda: count(sql, OPEN) == 0, "the rest is not done")
    other.stop()
    check_each_happened_once(sql, 300)


def visit(portal: RunningPortal, enough: Callable[[], bool]) -> None:
    """Asks for a page again and again until it is enough."""
    deadline = time.monotonic() + PATIENCE
    while not enough():
        assert time.monotonic() < deadline, portal.logs()[-3000:]
        portal.is_healthy()


def test_tasks_in_gunicorn_happen_once_through_recycled_processes_and_a_stop(settings, sql):
    ask_for_work(sql, 400, seconds=0.3)  # 15 seconds of work: recycling takes its time on a busy machine
    portal = RunningPortal(
        workers=2, application="tests.task_queue.web_with_work:application", DATABASE_URL=settings.database_url or "",
        TASK_WORKERS="4", WEB_MAX_REQUESTS="25", WEB_MAX_REQUESTS_JITTER="0", WEB_GRACEFUL_TIMEOUT="10")  # fmt: skip
    ran = "select count(*) from test_ledger"
    worked = "select count(*) from tasks where name = 'tests.work' and state = '{}'"
    try:
        portal.start()
        seen: set[int] = set()

        def recycled() -> bool:
            seen.update(process.pid for process in portal.processes()[1:])
            return len(seen) >= 5 and count(sql, ran) >= 40

        visit(portal, recycled)
        portal.stop()
        left = count(sql, worked.format("queued"))
        assert 0 < left < 360, "nothing was left to be stopped in"
        assert count(sql, worked.format("done")) == count(sql, ran) == 400 - left
        assert count(sql, worked.format("queued") + " and attempts = 0") == left
        sql.execute("update tasks set payload = payload || '{\"seconds\": 0}' where name = 'tests.work'")
        portal.start()
        visit(portal, lambda: count(sql, worked.format("done")) == 400)
    finally:
        portal.remove()
    assert count(sql, ran) == count(sql, "select count(distinct record_id) from test_ledger") == 400
    assert count(sql, "select sum(rescues) + max(attempts) from tasks where name = 'tests.work'") == 1


def test_the_command_runs_tasks_until_it_is_asked_to_stop_and_hands_back_the_rest(settings, sql):
    with transaction() as tx:
        task_queue.enqueue_many(tx, "outbox.send_whatsapp", [
            {"phone": f"+9198{number:08d}", "message": "Your card is ready."} for number in range(300)])  # fmt: skip
    command = [sys.executable, "-m", "flask", "--app", "app_multiuser", "work",
               "--names", "outbox.send*", "--workers", "2"]  # fmt: skip
    sent = "select count(*) from messages"
    waiting = "select count(*) from tasks where state = 'queued' and attempts = 0"

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, cwd=ROOT, env=environment(settings), text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)  # fmt: skip

    first, second = start(), None
    try:
        wait_until(lambda: count(sql, sent) >= 5, "the command runs nothing")
        first.send_signal(signal.SIGTERM)
        said, complaints = first.communicate(timeout=60)
        assert first.returncode == 0, complaints[-3000:]
        assert "Running 2 kinds of tasks, 2 at once" in said and said.endswith("Stopped.\n")
        assert 5 <= (done := count(sql, sent)) < 300 and count(sql, RUNNING) == 0
        # Each message asked for its own delivery, which is not this command's.
        assert count(sql, waiting + " and name = 'outbox.send_whatsapp'") == 300 - done
        assert count(sql, waiting + " and name = 'outbox.deliver'") == done
        second = start()
        wait_until(lambda: count(sql, "select count(*) from tasks where state = 'done'") == 300, "the rest is not done")
        second.send_signal(signal.SIGTERM)
        second.communicate(timeout=60)
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
    assert count(sql, sent) == count(sql, "select count(distinct recipient) from messages") == 300


def test_a_schedule_fires_once_however_many_processes_run(settings, sql):
    sql.execute("truncate task_schedules")
    make_records(sql, 0)
    workers = [Worker(settings, mode, 2, "schedule") for mode in ("threads", "gevent", "threads")]
    wait_until(lambda: count(sql, "select count(*) from test_ledger") >= 4, "the schedule does not fire")
    for worker in workers:
        worker.stop()
    fired = count(sql, "select count(*) from tasks where name = 'tests.tick'")
    span = "select extract(epoch from max(created_at) - min(created_at))::float8 from tasks where name = 'tests.tick'"
    lasted = float(sql.execute(span).fetchone()[0])
    assert fired <= lasted + 1.5, "more often than once a second"
