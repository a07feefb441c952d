"""A process answers a few requests at a time, in the order in which they came."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from portal.web import turns
from portal.web.turns import Turns
from tests.servers.processes import wait_for

AT_ONCE = 2
MANY = 10


class Office:
    """An application behind the door that counts who is in it at once, and answers when it is told to."""

    def __init__(self):
        self.inside, self.most, self.order = 0, 0, []
        self.lock, self.may_end = threading.Lock(), threading.Event()
        self.door = turns.behind_the_door(self.answer, Turns(AT_ONCE))

    def answer(self, environ, start_response):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.order.append(environ["PATH_INFO"])
        self.may_end.wait(30)
        with self.lock:
            self.inside -= 1
        return iter([b"kept"])

    def ask(self, path="/clients", method="GET", **more):
        return self.door({"PATH_INFO": path, "REQUEST_METHOD": method, **more}, lambda *_: None)

    def answer_a_crowd(self, *, when_inside):
        """What MANY who come at once are answered; the answers begin when so many are in."""
        with ThreadPoolExecutor(MANY) as colleagues:
            asked = [colleagues.submit(self.ask) for _ in range(MANY)]
            wait_for(lambda: self.inside == when_inside, f"{when_inside} of them")
            self.may_end.set()
            return [b"".join(one.result()) for one in asked]


@pytest.fixture
def office():
    return Office()


def test_no_more_than_its_turns_are_answered_at_once(office):
    assert office.answer_a_crowd(when_inside=AT_ONCE) == [b"kept"] * MANY
    assert office.most == AT_ONCE


def test_those_who_wait_are_answered_in_the_order_in_which_they_came(office, monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_STANDSTILL", 30.0)
    one = Turns(1)
    office.door = turns.in_turn(office.answer, one, lambda _environ: True)
    with ThreadPoolExecutor(MANY) as colleagues:
        asked = [colleagues.submit(office.ask, "/0")]
        wait_for(lambda: office.inside == 1, "the first")
        for number in range(1, MANY):
            asked.append(colleagues.submit(office.ask, f"/{number}"))
            wait_for(partial(so_many_wait, one, number), "a colleague at the door")
        office.may_end.set()
        assert [b"".join(done.result()) for done in asked] == [b"kept"] * MANY
    assert office.order == [f"/{number}" for number in range(MANY)]


def so_many_wait(one: Turns, number: int) -> bool:
    return len(one._waiting) == number


@pytest.mark.parametrize(("path", "method", "more"), [
    ("/health", "GET", {}), ("/health/detailed", "GET", {}), ("/metrics", "GET", {}),
    ("/login", "POST", {"CONTENT_LENGTH": "80"}), ("/media/abc", "GET", {}),
    ("/documents/7/content", "GET", {}), ("/documents/7/preview", "GET", {}),
    ("/documents/upload", "POST", {"CONTENT_LENGTH": str(turns.LARGE + 1)}),
    ("/documents/upload", "POST", {"HTTP_TRANSFER_ENCODING": "chunked"}),
])
def test_some_wait_for_nobody(office, path, method, more):
    with ThreadPoolExecutor(AT_ONCE + 1) as colleagues:
        held = [colleagues.submit(office.ask) for _ in range(AT_ONCE)]
        wait_for(lambda: office.inside == AT_ONCE, "both turns taken")
        other = colleagues.submit(office.ask, path, method, **more)
        wait_for(lambda: office.inside == AT_ONCE + 1, "the one who waits for nobody")
        office.may_end.set()
        assert [b"".join(one.result()) for one in (*held, other)] == [b"kept"] * (AT_ONCE + 1)


def test_none_waits_for_ever_and_no_turn_is_lost(office, monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_STANDSTILL", 0.05)
    assert office.answer_a_crowd(when_inside=MANY) == [b"kept"] * MANY
    office.may_end.clear()
    monkeypatch.setattr(turns, "LONGEST_STANDSTILL", 30.0)
    office.most = 0
    with ThreadPoolExecutor(MANY) as colleagues:
        asked = [colleagues.submit(office.ask) for _ in range(MANY)]
        wait_for(lambda: office.inside == AT_ONCE, "as many as before")
        office.may_end.set()
        assert [b"".join(one.result()) for one in asked] == [b"kept"] * MANY
    assert office.most == AT_ONCE


def test_who_sees_turns_come_back_goes_on_waiting():
    one = Turns(1)
    assert one.take(1)
    with ThreadPoolExecutor(2) as colleagues:
        first = colleagues.submit(one.take, 30)
        wait_for(partial(so_many_wait, one, 1), "the first")
        second = colleagues.submit(one.take, 0.2)
        wait_for(partial(so_many_wait, one, 2), "the second")
        time.sleep(0.1)
        one.give_back()
        assert first.result() and not second.done()
        time.sleep(0.2)   # longer than the second would have waited without that
        assert not second.done()
        one.give_back()
        assert second.result()


def test_who_has_waited_long_enough_goes_on_though_turns_come_back(monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_WAIT", 0.3)
    one = Turns(1)
    assert one.take(1)
    with ThreadPoolExecutor(100) as colleagues:
        for number in range(99):
            colleagues.submit(one.take, 30)
            wait_for(partial(so_many_wait, one, number + 1), "a colleague at the door")
        last = colleagues.submit(one.take, 0.1)
        wait_for(partial(so_many_wait, one, 100), "the last")
        while not last.done():
            one.give_back()
            time.sleep(0.02)
        assert last.result() is False and len(one._waiting) > 0
        while one._waiting:
            one.give_back()


def test_a_view_that_fails_gives_its_turn_back():
    def fails(environ, start_response):
        raise RuntimeError("no answer")

    door = turns.behind_the_door(fails, Turns(1))
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no answer"):
            door({"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, lambda *_: None)


def test_who_reads_slowly_holds_no_turn(office):
    office.may_end.set()
    answers = [office.ask() for _ in range(MANY)]   # none of them read yet
    assert office.most == 1
    assert [b"".join(answer) for answer in answers] == [b"kept"] * MANY


def test_a_process_is_busy_for_a_while_when_half_of_its_turns_are_taken(monkeypatch):
    monkeypatch.setattr(turns, "BUSY_LASTS", 0.05)
    four = Turns(4)
    assert four.take(1)
    assert not four.is_busy()
    assert four.take(1)
    four.give_back()
    assert four.is_busy()
    time.sleep(0.1)
    assert not four.is_busy()


def test_a_process_with_one_turn_is_busy_when_that_is_taken():
    one = Turns(1)
    assert one.take(1)
    assert one.is_busy() and one.all_taken
    assert not Turns(1).is_busy()
