"""Callers who come about the same time share one trip, and each gets its own answer."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from infrastructure.errors import InvalidData, Unavailable
from infrastructure.gathering import Gathering


class Trips:
    """Stands where the database would: notes what was asked together, and doubles numbers."""

    def __init__(self, refuses: int | None = None, lasts: float = 0.0) -> None:
        self.made: list[list[int]] = []
        self.refuses, self.lasts = refuses, lasts

    def __call__(self, numbers: list[int]) -> Sequence[int]:
        self.made.append(sorted(numbers))
        time.sleep(self.lasts)
        if self.refuses in numbers:
            raise InvalidData("cannot be stored")
        return [2 * number for number in numbers]


def together(*calls: Callable[[], int]) -> list[object]:
    """What each call answers or raises when all are made at once."""
    told: list[object] = [None] * len(calls)

    def make(place: int) -> None:
        try:
            told[place] = calls[place]()
        except Exception as error:  # noqa: BLE001 - told to the test
            told[place] = type(error)

    callers = [threading.Thread(target=make, args=(place,)) for place in range(len(calls))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return told


def test_callers_at_the_same_time_make_one_trip_and_each_gets_its_own_answer():
    trips = Trips()
    gathering = Gathering(trips)
    assert together(*(lambda n=n: gathering.ask(n, within=0.1) for n in range(5))) == [0, 2, 4, 6, 8]
    assert trips.made == [[0, 1, 2, 3, 4]]


def test_who_comes_while_a_trip_is_under_way_makes_the_next_one():
    trips = Trips(lasts=0.2)
    gathering = Gathering(trips)

    def later() -> int:
        time.sleep(0.1)
        return gathering.ask(2, within=0.01)

    assert together(lambda: gathering.ask(1, within=0.0), later) == [2, 4]
    assert trips.made == [[1], [2]]


def test_who_has_time_is_not_taken_along_too_early():
    trips = Trips()
    gathering = Gathering(trips, early=0.1)
    patience = {1: 0.05, 2: 0.1, 3: 0.4}
    calls = [lambda n=n: gathering.ask(n, within=patience[n]) for n in patience]
    assert together(*calls) == [2, 4, 6]
    assert trips.made == [[1, 2], [3]]


def test_what_cannot_be_stored_spoils_nobody_elses_question():
    gathering = Gathering(Trips(refuses=2))
    assert together(*(lambda n=n: gathering.ask(n, within=0.1) for n in (1, 2, 3))) == [2, InvalidData, 6]


def test_all_learn_that_the_database_was_away():
    def away(numbers: list[int]) -> list[int]:
        raise Unavailable("away")

    gathering: Gathering[int, int] = Gathering(away)
    assert together(*(lambda n=n: gathering.ask(n, within=0.1) for n in (1, 2))) == [Unavailable, Unavailable]
    with pytest.raises(Unavailable):
        gathering.ask(3, within=0.0)
