"""Answers kept until something they were made from has changed."""

import pytest

from database_pool import call_function, execute_query, transaction
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


def test_one_transaction_counts_once_however_much_it_changes():
    before = {row["subject"]: row["mark"] for row in execute_query("change_marks").data}
    with transaction() as tx:
        for number in range(10):
            tx.insert("agents", {"name": f"Ten {number}"})
    after = {row["subject"]: row["mark"] for row in execute_query("change_marks").data}
    assert after["masters"] == before["masters"] + 1
