"""Work by the hundred gives way to a crowd: one at a time, with rests, while all other tasks go on as ever."""

import threading
import time

import pytest

import database_pool
import task_queue
from tests.task_queue.conftest import wait_until

pytestmark = pytest.mark.usefixtures("database")
WORKERS = 4
MANY = 12
TAKES = 0.02   # seconds


class Crowd:
    """Whether people wait, and how many of the tasks that give way run meanwhile."""

    def __init__(self):
        self.waits, self.inside, self.most, self.lock = True, 0, 0, threading.Lock()

    def work(self, what):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(TAKES)
        with self.lock:
            self.inside -= 1

    def is_there(self):
        return self.waits


@pytest.fixture
def crowd():
    return Crowd()


def ask_for_many(name):
    with database_pool.transaction() as tx:
        return task_queue.enqueue_many(tx, name, [{"what": number} for number in range(MANY)])


def states(task_ids):
    return {row["state"] for row in database_pool.execute_query("tasks", filters={"task_id_in": task_ids}).data}


def test_with_a_crowd_one_runs_at_a_time_and_rests_as_long_as_it_took(tried, workers, crowd):
    patient = tried.task(crowd.work, gives_way=True)
    workers(WORKERS, is_crowded=crowd.is_there)
    began = time.monotonic()
    ids = ask_for_many(patient)
    wait_until(lambda: len(tried.ran) == MANY)
    assert time.monotonic() - began > (2 * MANY - 1) * TAKES
    assert (crowd.most, set(tried.ran.values())) == (1, {1})
    wait_until(lambda: states(ids) == {"done"})


def test_without_a_crowd_all_workers_do_it(tried, workers, crowd):
    crowd.waits = False
    patient = tried.task(crowd.work, gives_way=True)
    workers(WORKERS, is_crowded=crowd.is_there)
    ids = ask_for_many(patient)
    wait_until(lambda: states(ids) == {"done"})
    assert crowd.most > 1
    assert set(tried.ran.values()) == {1}


def test_what_lies_aside_holds_no_other_task_up(tried, workers, crowd):
    held = threading.Event()
    patient = tried.task(lambda what: held.wait(60), gives_way=True)
    other = tried.task()
    queue = workers(WORKERS, is_crowded=crowd.is_there)
    ids = ask_for_many(patient)
    wait_until(lambda: len(queue.runner.buffer.held()) >= WORKERS)   # as many as there are workers, one of them runs
    for number in range(MANY):
        tried.ask(other, f"other {number}")
    wait_until(lambda: sum(str(what).startswith("other") for what in tried.ran) == MANY)
    assert len(tried.ran) == MANY + 1
    held.set()
    wait_until(lambda: states(ids) == {"done"})


def test_when_the_crowd_has_left_those_that_lay_aside_begin_together(tried, workers, crowd):
    patient = tried.task(crowd.work, gives_way=True)
    workers(WORKERS, is_crowded=crowd.is_there)
    ids = ask_for_many(patient)
    wait_until(lambda: len(tried.ran) == 2)
    assert crowd.most == 1
    crowd.waits = False
    wait_until(lambda: states(ids) == {"done"})
    assert crowd.most > 1


def test_a_process_that_stops_hands_back_what_lies_aside(tried, workers, crowd):
    patient = tried.task(crowd.work, gives_way=True)
    queue = workers(WORKERS, is_crowded=crowd.is_there)
    ids = ask_for_many(patient)
    wait_until(lambda: len(tried.ran) == 1)
    assert queue.stop(10)
    assert states(ids) <= {"done", "queued"}
    rows = database_pool.execute_query("tasks", filters={"task_id_in": ids, "state_eq": "queued"}).data
    assert len(rows) == MANY - len(tried.ran)
    assert {(row["attempts"], row["rescues"]) for row in rows} == {(0, 0)}
    database_pool.execute_query("tasks", "delete", filters={"task_id_in": ids})


def test_a_task_that_gives_way_has_no_limit_of_its_own(tried):
    with pytest.raises(ValueError, match="no limit of its own"):
        tried.task(gives_way=True, limit=2)
