"""What the queue promises, on each of the three ways to the database."""

import datetime as dt
import threading
import time

import pytest

import database_pool
import task_queue
from task_queue import PermanentFailure, Postpone, TemporaryFailure
from tests.task_queue.conftest import PATIENCE, wait_until

pytestmark = pytest.mark.usefixtures("backend")


def row(task_id):
    return database_pool.execute_query("tasks", filters={"task_id_eq": task_id}).data[0]


def make_due(backend, task_id):
    """The pause before the next try is over."""
    backend.sql.execute("update tasks set run_at = now() where task_id = %s", (task_id,))


def test_a_task_runs_once_and_keeps_its_result(tried):
    name = tried.task(lambda what: {"said": what.upper()})
    task_id = tried.ask(name, "grüße, नमस्ते")
    task_queue.run_due_tasks()
    task_queue.run_due_tasks()
    done = row(task_id)
    assert tried.ran == {"grüße, नमस्ते": 1}
    assert (done["state"], done["attempts"], done["result"]) == ("done", 1, {"said": "GRÜSSE, नमस्ते"})
    assert done["lease_token"] is None and done["finished_at"] is not None


def test_a_task_exists_exactly_if_its_transaction_does(tried):
    name = tried.task()
    with pytest.raises(ZeroDivisionError), database_pool.transaction() as tx:
        task_queue.enqueue(tx, name, what="lost")
        raise ZeroDivisionError
    task_queue.run_due_tasks()
    assert tried.ran == {}


def test_a_lone_task_whose_answer_was_lost_is_stored_once(tried):
    name = tried.task()
    with database_pool.transaction() as tx:
        task_id = task_queue.enqueue(tx, name, what="once")
        shortcut = tx.shortcut()
    assert shortcut is not None and shortcut[1]["task_id"] == task_id
    assert database_pool.call_function(*shortcut) is True
    with database_pool.transaction() as tx:
        task_queue.enqueue(tx, name, what="not alone")
        tx.upsert("settings", {"key": "beside a task", "value": 1})
        assert tx.shortcut() is None
    with database_pool.transaction(f"key {name}") as tx:
        task_queue.enqueue(tx, name, what="by key")
        assert tx.shortcut() is None
    task_queue.run_due_tasks()
    assert tried.ran == {"once": 1, "not alone": 1, "by key": 1}


def test_many_tasks_are_stored_in_one_transaction(tried):
    name = tried.task()
    with database_pool.transaction() as tx:
        ids = task_queue.enqueue_many(tx, name, [{"what": number} for number in range(300)])
    assert task_queue.run_due_tasks() == 300
    assert len(set(ids)) == 300 and set(tried.ran.values()) == {1} and len(tried.ran) == 300


def test_the_more_urgent_goes_first_and_equals_in_their_order(tried):
    name = tried.task()
    for what, priority in (("low", 3), ("first", 1), ("medium", 2), ("second", 1)):
        tried.ask(name, what, priority=priority)
    task_queue.run_due_tasks()
    assert tried.order == ["first", "second", "medium", "low"]


def test_a_delayed_task_waits_for_its_time(tried, backend):
    name = tried.task()
    task_id = tried.ask(name, run_at=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    assert task_queue.run_due_tasks() == 0
    make_due(backend, task_id)
    assert task_queue.run_due_tasks() == 1


def test_while_one_with_the_key_waits_another_is_not_made(tried):
    name = tried.task()
    first = tried.ask(name, "first", unique_key="sweep")
    tried.ask(name, "second", unique_key="sweep")
    with database_pool.transaction() as tx:
        task_queue.enqueue_many(tx, name, [{"what": "third"}, {"what": "other"}], unique_keys=["sweep", "sweep 2"])
    task_queue.run_due_tasks()
    assert tried.ran == {"first": 1, "other": 1} and row(first)["state"] == "done"
    tried.ask(name, "again", unique_key="sweep")
    task_queue.run_due_tasks()
    assert tried.ran["again"] == 1


def test_a_temporary_failure_is_tried_again_later_and_later_until_it_is_a_dead_letter(tried, backend):
    def fail(what):
        raise TemporaryFailure("The provider is busy.")

    task_id = tried.ask(tried.task(fail, attempts=3))
    waits = []
    for _ in range(3):
        task_queue.run_due_tasks()
        now = row(task_id)
        waits.append((now["run_at"] - dt.datetime.now(dt.UTC)).total_seconds())
        make_due(backend, task_id)
    assert (now["state"], now["attempts"], now["last_error"]) == ("dead", 3, "The provider is busy.")
    assert 0.5 < waits[0] < 3 and 5 < waits[1] < 11


def test_the_providers_own_wish_decides_when(tried):
    def fail(what):
        raise TemporaryFailure("Too many requests.", retry_after=600)

    task_id = tried.ask(tried.task(fail))
    task_queue.run_due_tasks()
    assert 500 < (row(task_id)["run_at"] - dt.datetime.now(dt.UTC)).total_seconds() <= 600


def test_a_permanent_failure_is_a_dead_letter_at_once(tried):
    def fail(what):
        raise PermanentFailure("The number is not on WhatsApp.")

    task_id = tried.ask(tried.task(fail))
    task_queue.run_due_tasks()
    now = row(task_id)
    assert (now["state"], now["attempts"], now["last_error"]) == ("dead", 1, "The number is not on WhatsApp.")


def test_postponing_costs_no_attempt(tried):
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)

    def wait(what):
        raise Postpone(until=until)

    task_id = tried.ask(tried.task(wait))
    task_queue.run_due_tasks()
    now = row(task_id)
    assert (now["state"], now["attempts"]) == ("queued", 0)
    assert abs((now["run_at"] - until).total_seconds()) < 5


def test_a_task_put_off_for_a_while_waits_that_long(tried):
    def wait(what):
        raise Postpone(after=20)

    task_id = tried.ask(tried.task(wait))
    task_queue.run_due_tasks()
    waits = row(task_id)["run_at"] - dt.datetime.now(dt.UTC)
    assert dt.timedelta(seconds=15) < waits <= dt.timedelta(seconds=20)


@pytest.mark.parametrize("given", [{}, {"until": dt.datetime.now(dt.UTC), "after": 3}])
def test_a_task_is_put_off_in_one_way(given):
    with pytest.raises(ValueError, match="either until= a moment or by after= seconds"):
        Postpone(**given)


def test_an_unexpected_error_is_tried_again_and_its_message_stays_in_the_log(tried):
    task_id = tried.ask(tried.task(lambda what: 1 / 0))
    task_queue.run_due_tasks()
    now = row(task_id)
    assert now["state"] == "queued" and "ZeroDivisionError" in now["last_error"]
    assert str(task_id) in now["last_error"]


@pytest.mark.parametrize("result", ["text", {"text": "\0"}, {"number": float("nan")}, {"half": "\ud800"}, {1: {2, 3}}])
def test_a_result_that_cannot_be_stored_costs_nobody_else_theirs(tried, result):
    odd, plain = tried.task(lambda what: result), tried.task(lambda what: {"fine": True})
    ids = [tried.ask(odd), tried.ask(plain)]
    task_queue.run_due_tasks()
    assert [row(task_id)["state"] for task_id in ids] == ["done", "done"]
    assert row(ids[1])["result"] == {"fine": True}


def test_a_paused_name_is_left_alone(tried, backend):
    name, other = tried.task(), tried.task()
    backend.sql.execute("insert into task_pauses (name) values (%s)", (name,))
    tried.ask(name, "paused")
    tried.ask(other, "goes on")
    task_queue.run_due_tasks()
    assert tried.ran == {"goes on": 1}
    backend.sql.execute("delete from task_pauses")
    task_queue.run_due_tasks()
    assert tried.ran["paused"] == 1


def test_whose_lease_ran_out_may_no_longer_say_what_became_of_it(tried, backend):
    def lose(what):
        backend.sql.execute("update tasks set lease_token = 'somebody else' where task_id = %s", (ids[0],))
        return {"stale": True}

    ids = [tried.ask(tried.task(lose))]
    task_queue.run_due_tasks()
    now = row(ids[0])
    assert now["state"] == "running" and now["result"] is None


def test_the_pace_is_kept_over_all_callers():
    bucket = f"tests {dt.datetime.now(dt.UTC).timestamp()}"
    began, _ = task_queue._store().reserve_turns(f"before {bucket}", 10, 2, 1)   # its first moment comes a little late
    moments, turns = zip(*(task_queue._store().reserve_turns(bucket, 10, 2, 1) for _ in range(5)), strict=True)
    assert ([moments[0]], [moments[1]]) == (turns[0], turns[1])
    assert turns[4][0] - began >= 0.299


def ends_with_a_message(provider_id):
    """What a task answers that ends with a message (which nobody knows) being taken by the provider under this id."""
    return task_queue.EndsWith("accept_messages", {
        "id": 10**12, "token": "t", "attempt": 1, "state": "accepted", "provider": "twilio",
        "provider_id": provider_id, "as_template": False}, {"provider_id": provider_id.replace("\0", "")})  # fmt: skip


def test_tasks_that_end_with_something_more_are_written_together_with_it(tried, workers):
    name = tried.task(lambda what: ends_with_a_message(f"SM{what}"))
    ids = [tried.ask(name, number) for number in range(3)]
    workers()
    wait_until(lambda: all(row(number)["state"] == "done" for number in ids))
    assert [row(number)["result"] for number in ids] == [{"provider_id": f"SM{n}"} for n in range(3)]


def test_what_a_task_ends_with_and_cannot_be_stored_spoils_nobody_elses_end(tried, workers):
    name = tried.task(lambda what: ends_with_a_message("SM\0" if what == "bad" else f"SM {what}"))
    good, bad, plain = tried.ask(name, "good"), tried.ask(name, "bad"), tried.ask(tried.task(), "plain")
    workers()
    wait_until(lambda: all(row(number)["state"] in ("done", "dead") for number in (good, bad, plain)))
    assert [row(number)["state"] for number in (good, bad, plain)] == ["done", "dead", "done"]
    assert "cannot be stored" in row(bad)["last_error"]


def test_places_taken_together_lie_one_behind_the_other():
    store, bucket = task_queue._store(), f"places {dt.datetime.now(dt.UTC).timestamp()}"
    moment, turns = store.reserve_turns(bucket, 10, 2, 4)
    assert [round(turn - moment, 2) for turn in turns] == [0, 0, 0.1, 0.2]
    later, (next_turn,) = store.reserve_turns(bucket, 10, 2, 1)
    assert next_turn >= later and next_turn - turns[3] == pytest.approx(0.1, abs=0.002)


def test_turns_taken_together_cost_one_trip(monkeypatch):
    bucket, asked, take_turn = f"together {dt.datetime.now(dt.UTC).timestamp()}", [], task_queue.take_turn

    def counted(*given, **named):
        asked.append(given)
        return take_turn(*given, **named)

    monkeypatch.setattr(task_queue, "take_turn", counted)
    began = time.monotonic()
    for _ in range(10):
        task_queue.pace(bucket, per_second=0.01, burst=10, together=5)
    assert len(asked) == 2 and time.monotonic() - began < 30, "the burst was not given"
    turn = take_turn(bucket, per_second=0.01 / 5, burst=2)
    assert turn._at - time.monotonic() > 400, "ten turns at a hundred seconds each were not counted"


def test_the_figures_tell_what_waits(tried, backend):
    name = tried.task(lambda what: 1 / 0)
    tried.ask(name, priority=3)
    figures = task_queue.task_queue.statistics()
    assert figures["names"][name] == {"queued": 1} and figures["states"]["queued"] >= 1
    assert figures["oldest_seconds"] >= 0 and figures["process"]["running"] is False
    task_queue.run_due_tasks()


def test_what_is_stored_here_begins_here_at_once(tried, workers):
    going, go_on = threading.Event(), threading.Event()

    def work(what):
        going.set()
        assert go_on.wait(PATIENCE)
        return {"attempt": task_queue.current_task().attempt}

    name = tried.task(work)
    queue = workers()
    task_id = tried.ask(name)
    stored = row(task_id)
    assert (stored["state"], stored["attempts"]) == ("running", 1), "it was not handed over"
    assert stored["worker_id"] == queue.runner.worker and stored["lease_until"] > stored["created_at"]
    assert going.wait(PATIENCE)
    go_on.set()
    wait_until(lambda: row(task_id)["state"] == "done")
    assert row(task_id)["result"] == {"attempt": 1} and tried.ran == {None: 1}


def test_a_failure_is_tried_again_by_itself(tried, workers):
    def fail_once(what):
        if task_queue.current_task().attempt == 1:
            raise TemporaryFailure("Not yet.", retry_after=0.2)

    name = tried.task(fail_once)
    workers()
    task_id = tried.ask(name)
    wait_until(lambda: row(task_id)["state"] == "done")
    assert row(task_id)["attempts"] == 2


def test_a_long_task_keeps_its_lease(tried, workers):
    done = threading.Event()
    name = tried.task(lambda what: done.wait(PATIENCE) and None, lease=3)
    workers()
    task_id = tried.ask(name)
    first = row(task_id)["lease_until"]
    wait_until(lambda: row(task_id)["lease_until"] > first)
    done.set()
    wait_until(lambda: row(task_id)["state"] == "done")
    assert row(task_id)["rescues"] == 0
