"""Answers kept until something they were made from has changed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from database_pool import Unavailable, call_function, default_pool, execute_query, transaction
from portal import freshness
from portal.freshness import Fresh


@pytest.fixture(scope="module", autouse=True)
def _database(database):
    """Every test here talks to a database of its own."""


class Counted:
    """Computes, and counts how often."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return self.times


def asked(subject, key, compute):
    """What a new request gets."""
    return Fresh().value(subject, key, compute)


def add_agent(name):
    with transaction() as tx:
        tx.insert("agents", {"name": name})


def test_an_answer_is_kept_while_nothing_changes():
    compute = Counted()
    assert [asked("masters", "kept", compute) for _ in range(3)] == [1, 1, 1]


def test_a_change_of_the_subject_asks_again():
    compute = Counted()
    asked("masters", "changed", compute)
    add_agent("First")
    assert asked("masters", "changed", compute) == 2
    assert asked("masters", "changed", compute) == 2


def test_a_change_of_another_subject_does_not():
    compute = Counted()
    asked("policies", "elsewhere", compute)
    add_agent("Second")
    assert asked("policies", "elsewhere", compute) == 1


def test_a_change_of_one_of_several_subjects_asks_again():
    compute = Counted()
    both = ("policies", "masters")
    assert [asked(both, "several", compute) for _ in range(2)] == [1, 1]
    add_agent("Third")
    assert [asked(both, "several", compute) for _ in range(2)] == [2, 2]


def test_a_change_taken_back_does_not():
    compute = Counted()
    asked("masters", "rolled back", compute)
    with pytest.raises(ZeroDivisionError), transaction() as tx:
        tx.insert("agents", {"name": "Never"})
        raise ZeroDivisionError
    assert asked("masters", "rolled back", compute) == 1


def test_gathering_the_notes_changes_no_mark():
    for number in range(4):
        add_agent(f"Noted {number}")
    marks = {row["subject"]: row["mark"] for row in execute_query("change_marks").data}
    call_function("gather_changes")
    after = execute_query("change_marks").data
    assert {row["subject"]: row["mark"] for row in after} == marks
    assert all(row["rows"] == 1 for row in after)


def test_many_notes_are_gathered_by_who_meets_them(monkeypatch):
    monkeypatch.setattr(freshness, "MOST_ROWS", 3)
    compute = Counted()
    for number in range(5):
        add_agent(f"Many {number}")
    asked("masters", "many", compute)
    assert all(row["rows"] == 1 for row in execute_query("change_marks").data)
    assert asked("masters", "many", compute) == 1


def test_who_comes_while_somebody_gathers_leaves_it_to_them():
    for number in range(3):
        add_agent(f"Twice {number}")
    before = execute_query("change_marks", order="subject").data
    with psycopg.connect(default_pool().listening_address() or "") as other:
        other.execute("select pg_advisory_xact_lock(4713, 0)")
        call_function("gather_changes")
        assert execute_query("change_marks", order="subject").data == before
    call_function("gather_changes")
    assert all(row["rows"] == 1 for row in execute_query("change_marks").data)


def test_one_transaction_counts_once_however_much_it_changes():
    before = {row["subject"]: row["mark"] for row in execute_query("change_marks").data}
    with transaction() as tx:
        for number in range(10):
            tx.insert("agents", {"name": f"Ten {number}"})
    after = {row["subject"]: row["mark"] for row in execute_query("change_marks").data}
    assert after["masters"] == before["masters"] + 1


class Held:
    """A database that answers when it is told to, and a door at which those who wait for it are counted."""

    def __init__(self, monkeypatch):
        self.marks, self.times, self.problem = freshness.Marks(), 0, None
        self.asked, self.go_on, self.waiting = (threading.Semaphore(0) for _ in range(3))
        self._door = self.marks._asking
        self.marks._asking = self  # type: ignore[assignment]
        monkeypatch.setattr(freshness, "call_function", self._answer)

    def __enter__(self):
        self.waiting.release()
        self._door.acquire()

    def __exit__(self, *_):
        self._door.release()

    def _answer(self, *arguments, **options):
        self.times += 1
        self.asked.release()
        assert self.go_on.acquire(timeout=20)
        if self.problem:
            raise self.problem
        return call_function(*arguments, **options)

    @contextmanager
    def crowd(self, number):
        """So many who wait for the question after the one that is on its way; gives what each of them will get."""
        with ThreadPoolExecutor(number + 1) as people:
            first = people.submit(self.marks.latest)
            assert self.waiting.acquire(timeout=20) and self.asked.acquire(timeout=20)
            others = [people.submit(self.marks.latest) for _ in range(number)]
            assert all(self.waiting.acquire(timeout=20) for _ in others)
            yield first, others


def test_one_question_answers_all_who_came_before_it(monkeypatch):
    held = Held(monkeypatch)
    with held.crowd(8) as (first, others):
        add_agent("While the first question is on its way")
        held.go_on.release(2)
        newest = {row["subject"]: row["mark"] for row in execute_query("change_marks").data}
        assert [other.result(20) for other in others] == [newest] * 8
        first.result(20)
    assert held.times == 2


def test_all_who_wait_learn_that_the_database_is_away(monkeypatch):
    held = Held(monkeypatch)
    held.problem = Unavailable("away")
    with held.crowd(3) as (first, others):
        held.go_on.release(2)
        for each in (first, *others):
            with pytest.raises(Unavailable):
                each.result(20)
    assert held.times == 2
    held.problem = None
    held.go_on.release()
    assert held.marks.latest()["masters"] > 0
