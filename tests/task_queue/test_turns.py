"""Turns in a shared line: by the database's clock, and lost by who comes too late."""

import pytest

from infrastructure import task_pace
from infrastructure.task_pace import Granted, ServerClock, Turn


class Time:
    """Stands where the module `time` would: sleeping takes as long as asked, and more where `oversleeps` says so."""

    def __init__(self, *oversleeps: float) -> None:
        self.now, self.oversleeps = 100.0, list(oversleeps)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + (self.oversleeps.pop(0) if self.oversleeps else 0.0)


@pytest.fixture
def clock(monkeypatch):
    """Sets what the turns take for the time."""

    def use(*oversleeps: float) -> Time:
        time = Time(*oversleeps)
        monkeypatch.setattr(task_pace, "time", time)
        return time

    return use


def test_the_quickest_answer_tells_what_the_databases_clock_shows():
    clock = ServerClock()
    clock.learn(1_000.0, asked=10.0, answered=10.2)
    assert clock.here(1_000.0) == pytest.approx(10.1)
    clock.learn(1_001.0, asked=11.04, answered=11.06)
    assert clock.here(1_001.0) == pytest.approx(11.05)
    clock.learn(1_002.0, asked=12.0, answered=12.4)     # says less than is known already
    assert clock.here(1_002.0) == pytest.approx(12.05)
    clock.learn(1_063.0, asked=13.05, answered=13.07)   # the clock was set: what was known is refuted
    assert clock.here(1_063.0) == pytest.approx(13.06)


@pytest.mark.parametrize(("late", "came_at", "places"), [(0.0, 101.0, 1), (0.01, 101.01, 1), (0.5, 102.0, 2)])
def test_who_comes_too_late_takes_another_place(clock, late, came_at, places):
    time = clock(late)
    free = iter((101.0, 102.0, 103.0))
    taken: list[float] = []

    def take() -> float:
        taken.append(next(free))
        return taken[-1]

    Turn(take, 0.02, lambda: False).come()
    assert (time.now, len(taken)) == (pytest.approx(came_at), places)


def test_there_is_time_for_what_must_be_done_before_the_turn(clock):
    time = clock()
    turn = Turn(lambda: 103.0, 0.02, lambda: False)
    assert turn.come_near(0.2) is True and time.now == pytest.approx(102.8)
    turn.come()
    assert time.now == pytest.approx(103.0)


def test_nobody_waits_long_in_a_process_that_leaves(clock):
    time = clock()
    assert Turn(lambda: 130.0, 0.02, lambda: time.now > 101).come_near(0.0) is False
    assert time.now < 102
    assert Turn(lambda: time.now + 0.3, 0.02, lambda: True).come_near(0.0) is True   # a short wait is waited


def test_a_process_that_is_always_late_goes_on_all_the_same(clock):
    time = clock(*[1.0] * 9)
    taken: list[float] = []

    def take() -> float:
        taken.append(time.now + 0.1)
        return taken[-1]

    Turn(take, 0.02, lambda: False).come()
    assert len(taken) == task_pace.MOST_PLACES


def test_turns_that_nobody_used_are_gone_after_a_while() -> None:
    granted = Granted()
    granted.add("a", 2, lasting=60.0)
    granted.add("b", 2, lasting=-1.0)
    assert [granted.use(bucket) for bucket in ("a", "a", "a", "b", "c")] == [True, True, False, False, False]
