"""Workers at work in this process: woken at once, handed over, limited by name, at a pace, and stopped in order."""

import datetime as dt
import threading
import time

import pytest

import database_pool
import task_queue
from infrastructure.task_workers import WorkerProcess
from task_queue import Postpone, TaskQueue, pace
from tests.task_queue.conftest import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("database")


def row(task_id):
    return database_pool.execute_query("tasks", filters={"task_id_eq": task_id}).data[0]


def test_nothing_is_handed_over_that_was_not_stored(tried, workers):
    name = tried.task()
    queue = workers(1)
    with pytest.raises(ZeroDivisionError), database_pool.transaction() as tx:
        task_queue.enqueue(tx, name, what="undone")
        raise ZeroDivisionError
    tried.ask(name, "first", unique_key=f"key {name}", run_at=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    tried.ask(name, "held back by the key", unique_key=f"key {name}")
    for _ in range(2):
        with database_pool.transaction(f"the same wish {name}") as tx:
            task_queue.enqueue(tx, name, what="asked twice")
    tried.ask(name, "last")
    wait_until(lambda: tried.ran["last"] == 1)
    assert tried.ran == {"asked twice": 1, "last": 1}
    wait_until(lambda: queue.runner.buffer.busy() == 0)   # no worker is kept for a task that will not come


def test_many_tasks_run_once_each_and_not_more_of_a_name_than_its_limit(tried, workers):
    at_once, most, lock = [0], [0], threading.Lock()

    def work(what):
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.01)
        with lock:
            at_once[0] -= 1

    limited, free = tried.task(work, limit=2), tried.task()
    workers(6)
    with database_pool.transaction() as tx:
        task_queue.enqueue_many(tx, limited, [{"what": f"limited {n}"} for n in range(30)])
        task_queue.enqueue_many(tx, free, [{"what": f"free {n}"} for n in range(100)])
    wait_until(lambda: len(tried.ran) == 130)
    assert set(tried.ran.values()) == {1} and most[0] <= 2


def test_a_stopping_process_hands_back_what_waits_for_its_turn(tried, workers):
    waiting = threading.Event()
    bucket = f"slow {dt.datetime.now(dt.UTC).timestamp()}"

    def work(what):
        waiting.set()
        pace(bucket, per_second=0.01)
        pace(bucket, per_second=0.01)

    name = tried.task(work)
    queue = workers(1)
    task_id = tried.ask(name)
    assert waiting.wait(PATIENCE)
    assert queue.stop(30)
    assert (row(task_id)["state"], row(task_id)["attempts"], row(task_id)["rescues"]) == ("queued", 0, 0)
    database_pool.execute_query("tasks", "delete", filters={"task_id_eq": task_id})


def test_names_are_shared_between_processes_by_pattern(tried, workers):
    mine, other = tried.task(), tried.task()
    workers(2, names=[mine])
    tried.ask(other, "not mine")
    tried.ask(mine, "mine")
    wait_until(lambda: tried.ran["mine"] == 1)
    assert "not mine" not in tried.ran
    task_queue.run_due_tasks()
    assert tried.ran["not mine"] == 1


def test_the_figures_of_a_process_are_seen_by_all(tried, workers):
    name = tried.task()
    queue = workers(3)
    for what in range(5):
        tried.ask(name, what)
    wait_until(lambda: queue.runner.figures()["done"] == 5)
    queue.runner._tend()
    told = task_queue.task_queue.statistics()
    assert (told["processes"], told["workers"], told["done"], told["per_minute"]) == (1, 3, 5, 5)
    queue.stop()
    assert task_queue.task_queue.statistics()["processes"] == 0


def test_low_priority_gets_its_share_behind_endless_high_priority(tried, sql):
    name = tried.task()
    low = [tried.ask(name, f"low {n}", priority=3) for n in range(5)]
    sql.execute("update tasks set run_at = now() - interval '1 minute' where task_id = any (%s)", (low,))
    with database_pool.transaction() as tx:
        task_queue.enqueue_many(tx, name, [{"what": f"high {n}"} for n in range(200)], priority=1)
    task_queue.run_due_tasks()
    assert min(tried.order.index(f"low {n}") for n in range(5)) < 40
    assert sum(what.startswith("high") for what in tried.order[:40]) >= 25


def test_importing_the_queue_starts_nothing():
    assert task_queue.task_queue.runner is None or task_queue.task_queue.runner.stopping
    with pytest.raises(ValueError, match="1 worker or more"):
        TaskQueue(0)
    assert TaskQueue().max_workers == 0 and TaskQueue().start() is False
    assert TaskQueue(max_workers=20).max_workers == 20


def test_a_postponed_task_comes_back_by_itself(tried, workers):
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.5)

    def wait(what):
        if dt.datetime.now(dt.UTC) < until:
            raise Postpone(until=until)

    name = tried.task(wait)
    workers()
    task_id = tried.ask(name)
    wait_until(lambda: row(task_id)["state"] == "done")
    assert row(task_id)["attempts"] == 1


def test_a_stop_in_the_middle_of_the_start_ends_too():
    runner = WorkerProcess(task_queue._store(), task_queue._registry, workers=2, patterns=None, address=lambda: None)
    runner._finisher = threading.Thread(target=runner._finish)  # made and not started yet, as under greenlets
    assert runner.stop(1) is True


def test_a_process_that_has_just_started_begins_nothing_that_is_paused(tried, workers):
    held = tried.task()
    first = tried.task(lambda what: tried.ask(held, "held"))
    database_pool.execute_query("task_pauses", "insert", data={"name": held})
    task_id = tried.ask(first)
    workers()
    wait_until(lambda: row(task_id)["state"] == "done")
    assert tried.ran["held"] == 0
    with database_pool.transaction() as tx:
        tx.delete("task_pauses", filters={"name_eq": held})
    wait_until(lambda: tried.ran["held"] == 1)
