"""A place in a line that all processes share: given out by the database's clock, waited for by one's own."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from infrastructure.gathering import Gathering

LOOK_AROUND = 0.5  # seconds between looks whether the process is stopping
DRIFT = 1e-4  # seconds a second by which two clocks may part
LEAST_ALLOWANCE = 0.01  # seconds: nobody comes closer to the moment than that in a busy process
GATHER_PLACES = 0.002  # seconds in which callers of one line come together: tasks that were claimed together do
MOST_PLACES = 4  # that one caller takes: a process that is always late goes on all the same


class ServerClock:
    """The database's clock, as this process's monotonic one shows it.

    An answer that took long says little about when it was given, and turns that are off by it come in heaps. So the
    quickest answer decides, until the clocks may have parted by more than that.
    """

    def __init__(self) -> None:
        self._offset, self._doubt, self._learned_at = 0.0, float("inf"), 0.0

    def learn(self, told: float, asked: float, answered: float) -> None:
        """The database's clock showed `told` (seconds) at a moment between `asked` and `answered` (monotonic)."""
        doubt = answered - asked
        refuted = not asked - told <= self._offset <= answered - told
        if refuted or doubt <= self._doubt + DRIFT * (answered - self._learned_at):
            self._offset, self._doubt, self._learned_at = asked + doubt / 2 - told, doubt, answered

    def here(self, moment: float) -> float:
        """A moment of the database's clock in monotonic seconds of this process."""
        return moment + self._offset


class Lines:
    """Places in lines, taken in one trip for callers of this process that come about the same time."""

    def __init__(self, reserve: Callable[[str, float, int, int], tuple[float, list[float]]]) -> None:
        """`reserve` answers the database's clock and so many turns in the line of that name, pace and burst."""
        self._reserve = reserve
        self._clock = ServerClock()
        self._lines: dict[tuple[str, float, int], Gathering[None, float]] = {}

    def take(self, bucket: str, per_second: float, burst: int) -> float:
        """When the next free place's turn is, in monotonic seconds."""
        line = bucket, per_second, burst
        if line not in self._lines:
            self._lines.setdefault(line, Gathering(partial(self._taken, *line)))
        return self._lines[line].ask(None, within=GATHER_PLACES)

    def _taken(self, bucket: str, per_second: float, burst: int, callers: Sequence[None]) -> list[float]:
        asked = time.monotonic()
        moment, turns = self._reserve(bucket, per_second, burst, len(callers))
        answered = time.monotonic()
        self._clock.learn(moment, asked, answered)
        return [answered if turn <= moment else self._clock.here(turn) for turn in turns]


class Turn:
    """One place in the line. Who comes later than `allowance` seconds has lost it and takes another, a few times: a
    process that was held up must not send in a heap what it could not send evenly.
    """

    def __init__(self, take: Callable[[], float], allowance: float, leaving: Callable[[], bool]) -> None:
        """`take` answers when a new place's turn is (monotonic seconds); `leaving` whether waiting is in vain."""
        self._take, self._allowance, self._leaving = take, max(allowance, LEAST_ALLOWANCE), leaving
        self._at = take()

    def come_near(self, ahead: float) -> bool:
        """Waits until `ahead` seconds before the turn, for what is to be done first; False when the process leaves."""
        while (wait := self._at - ahead - time.monotonic()) > 0:
            if wait > LOOK_AROUND and self._leaving():
                return False
            time.sleep(min(wait, LOOK_AROUND))
        return True

    def seconds_left(self) -> float:
        """Until the turn; less than nothing when it is over."""
        return self._at - time.monotonic()

    def come(self) -> None:
        """Returns when it is this caller's turn."""
        for left in reversed(range(MOST_PLACES)):
            if (wait := self._at - time.monotonic()) > 0:
                time.sleep(wait)
            if time.monotonic() - self._at <= self._allowance or not left:
                return
            self._at = self._take()


class Granted:
    """Turns that this process took together and has not used: they last for a while, for the line has moved on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, tuple[int, float]] = {}

    def use(self, bucket: str) -> bool:
        """Whether one was left."""
        with self._lock:
            left, until = self._left.get(bucket, (0, 0.0))
            if left == 0 or time.monotonic() > until:
                return False
            self._left[bucket] = left - 1, until
            return True

    def add(self, bucket: str, turns: int, lasting: float) -> None:
        """Turns for the next `lasting` seconds, in place of those that nobody used."""
        with self._lock:
            self._left[bucket] = turns, time.monotonic() + lasting
