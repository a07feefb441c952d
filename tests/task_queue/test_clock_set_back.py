"""A machine ran an hour ahead, and its clock was set right: nothing waits for that hour to come again."""

import datetime as dt

import pytest

from database_pool import call_function, execute_query, transaction
from portal.audit import THE_PORTAL
from portal.outbox.service import NewMessage, queue_messages

NAME = "tests.waits"
FIGURES = '{"busy": 0, "done": 0, "retried": 0, "failed": 0, "per_minute": 0}'


@pytest.fixture
def worker(sql):
    """A process that was last seen in the wrong hour."""
    for table in ("tasks", "task_workers", "task_schedules", "task_paces", "clock_corrections"):
        sql.execute(f"delete from {table}")
    found = sql.execute("insert into task_workers (host, process, workers, seen_at) values ('h', 1, 1, now() + interval"
                        " '1 hour') returning worker_id").fetchone()
    return found[0]


def tend(worker):
    return call_function("tend_tasks", {"worker": worker, "held": "[]", "figures": FIGURES})


def add_task(sql, **moments):
    """A task whose moments are so many seconds from now."""
    columns = ", ".join(moments)
    values = ", ".join(f"now() + interval '{seconds} seconds'" for seconds in moments.values())
    found = sql.execute(f"insert into tasks (name, {columns}) values ('{NAME}', {values}) returning task_id").fetchone()
    return found[0]


def seconds_until(sql, expression, where="true", table="tasks"):
    found = sql.execute(f"select extract(epoch from {expression} - now()) from {table} where {where}").fetchone()
    return None if found[0] is None else float(found[0])


def test_what_was_due_in_the_wrong_hour_is_due_now(sql, worker):
    at_once = add_task(sql, created_at=3600, run_at=3600)
    again = add_task(sql, created_at=-50, started_at=3600, run_at=3630)
    tend(worker)
    assert seconds_until(sql, "run_at", f"task_id = {at_once}") <= 0
    assert 20 < seconds_until(sql, "run_at", f"task_id = {again}") <= 30
    assert seconds_until(sql, "started_at", f"task_id = {at_once}") is None


def test_what_waits_for_its_time_of_day_waits(sql, worker):
    planned = add_task(sql, created_at=-60, run_at=7200)
    planned_meanwhile = add_task(sql, created_at=3600, run_at=40_000)
    tend(worker)
    assert seconds_until(sql, "run_at", f"task_id = {planned}") > 7000
    assert seconds_until(sql, "run_at", f"task_id = {planned_meanwhile}") > 39_000


def test_what_was_stored_a_little_later_is_found_as_well(sql, worker):
    tend(worker)
    late = add_task(sql, created_at=3600, run_at=3600)
    tend(worker)
    assert seconds_until(sql, "run_at", f"task_id = {late}") > 3500
    sql.execute("update clock_corrections set followed_at = now() - interval '6 seconds'")
    tend(worker)
    assert seconds_until(sql, "run_at", f"task_id = {late}") <= 0


def test_what_was_put_off_until_the_end_of_the_wrong_hour_begins_now(sql, worker):
    put_off = add_task(sql, created_at=-60, started_at=-1, run_at=3606)
    an_hour_later = add_task(sql, created_at=-60, started_at=-30, run_at=3606)
    tend(worker)
    assert seconds_until(sql, "run_at", f"task_id = {put_off}") <= 0
    assert seconds_until(sql, "run_at", f"task_id = {an_hour_later}") > 3500


def test_what_began_before_the_wrong_hour_and_was_put_off_in_it_does_not_wait_for_it(sql, worker):
    given_back = add_task(sql, created_at=-60, started_at=-40, waits_since=3590, run_at=3590)
    put_off = add_task(sql, created_at=-60, started_at=-40, waits_since=3600, run_at=3630)
    tend(worker)
    assert seconds_until(sql, "run_at", f"task_id = {given_back}") <= 0
    assert 20 < seconds_until(sql, "run_at", f"task_id = {put_off}") <= 30
    assert seconds_until(sql, "waits_since", f"task_id = {put_off}") <= 0


def test_whoever_changes_until_when_a_task_waits_says_since_when(sql, worker):
    task = add_task(sql, created_at=-60, run_at=-60)
    sql.execute(f"update tasks set state = 'running' where task_id = {task}")
    assert seconds_until(sql, "waits_since", f"task_id = {task}") is None
    sql.execute(f"update tasks set state = 'queued', run_at = now() + interval '1 minute' where task_id = {task}")
    assert -10 < seconds_until(sql, "waits_since", f"task_id = {task}") <= 0


def test_without_a_jump_nothing_moves(sql, worker):
    sql.execute("update task_workers set seen_at = now()")
    task = add_task(sql, created_at=3600, run_at=3600)
    tend(worker)
    assert seconds_until(sql, "run_at", f"task_id = {task}") > 3500


def test_the_dead_of_the_wrong_hour_are_noticed(sql, worker):
    sql.execute("insert into task_workers (host, process, workers, locked, seen_at, missing_since)"
                " values ('h', 2, 1, true, now() + interval '1 hour', now() + interval '1 hour')")
    tend(worker)
    assert seconds_until(sql, "max(missing_since)", table="task_workers") <= 0
    assert seconds_until(sql, "missing_since", f"worker_id = {worker}", table="task_workers") is None
    task = add_task(sql, created_at=-60, run_at=-60)
    sql.execute(f"update tasks set state = 'running', lease_seconds = 30, lease_until = now() + interval '1 hour'"
                f" where task_id = {task}")
    sql.execute("update task_workers set seen_at = now() + interval '1 hour'")
    tend(worker)
    assert seconds_until(sql, "lease_until", f"task_id = {task}") <= 30


def test_a_line_and_a_schedule_do_not_wait_either(sql, worker):
    sql.execute("insert into task_paces (name, next_at) values ('line', now() + interval '1 hour')")
    moment, turn = call_function("reserve_turns", {"bucket": "line", "per_second": 20, "burst": 1, "how_many": 2})
    assert turn <= moment
    sql.execute("insert into task_schedules (name, rule, next_at) values ('tests.s', 'r', now() + interval '1 hour')")
    asked = '[{"name": "tests.s", "rule": "r", "every": 60, "priority": 3, "attempts": 1, "lease": 60}]'
    assert call_function("fire_schedules", {"schedules": asked}) <= 60


def test_an_attempt_of_the_wrong_hour_began_when_it_really_did(sql, worker):
    with transaction() as tx:
        queue_messages(tx, THE_PORTAL, [NewMessage("email", "service", "attempt", "c@example.in", text="Hello.",
                                                   subject="Hello", priority=1)])
    sql.execute("update messages set state = 'unclear', claimed_at = now() + interval '3590 seconds',"
                " state_at = now() + interval '3591 seconds' where recipient = 'c@example.in'")
    tend(worker)
    assert -11 < seconds_until(sql, "claimed_at", "recipient = 'c@example.in'", table="messages") < -9


def test_a_message_of_the_wrong_hour_goes_out(sql, worker):
    with transaction() as tx:
        queue_messages(tx, THE_PORTAL, [NewMessage("email", "service", "set-back", "a@example.in", text="Hello.",
                                                   subject="Hello", priority=1)])
    sql.execute("update messages set state_at = now() + interval '1 hour', not_before = now() + interval '1 hour'")
    sql.execute("insert into contacts (channel, address, next_send_at) values ('email', 'b@example.in', now() +"
                " interval '1 hour') on conflict do nothing")
    tend(worker)
    row = execute_query("messages", columns="state, not_before, state_at, claimed_at",
                        filters={"recipient": "a@example.in"}).data[0]
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    assert row["not_before"] <= now and row["state_at"] <= now and row["claimed_at"] is None
    assert seconds_until(sql, "max(next_send_at)", table="contacts") <= 0
