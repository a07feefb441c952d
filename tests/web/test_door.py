"""A web process takes a new connection only while it has a turn for it."""

import socket

import gevent
import pytest

from portal.web import door
from portal.web.door import DoorServer
from portal.web.turns import Turns

SOON = 0.05     # seconds in which a server that wants a connection has taken it
NEVER = 60.0


class Portal:
    """A server with one turn, those it took in, and the system's queue before it."""

    def __init__(self):
        self.turns, self.taken_in = Turns(1), 0
        self.server = DoorServer(("127.0.0.1", 0), self._take_in)
        self.server.max_accept = 1   # as gunicorn has it where there are several processes
        self.server.start()
        self.outside: list[socket.socket] = []

    def _take_in(self, _connection, _address):
        self.taken_in += 1

    def visitors(self, number: int) -> int:
        """So many come; how many have been taken in soon after."""
        address = ("127.0.0.1", self.server.server_port)
        self.outside += [socket.create_connection(address) for _ in range(number)]
        gevent.sleep(SOON)
        return self.taken_in


@pytest.fixture
def portal(monkeypatch):
    monkeypatch.setattr(door, "STANDSTILL", NEVER)
    monkeypatch.setattr(DoorServer, "_crowded_until", 0.0)
    running = Portal()
    monkeypatch.setattr(DoorServer, "turns", running.turns)
    yield running
    for visitor in running.outside:
        visitor.close()
    running.server.stop()


def test_with_a_turn_free_everybody_is_taken_in(portal):
    assert portal.visitors(3) == 3
    assert not DoorServer.is_crowded()


def test_with_all_turns_taken_they_wait_outside_for_whoever_is_free(portal):
    assert portal.turns.take(1)
    assert portal.visitors(3) == 0
    assert DoorServer.is_crowded()
    portal.turns.give_back()
    gevent.sleep(SOON)
    assert portal.taken_in == 3
    assert portal.turns.take(1)
    assert portal.visitors(1) == 3, "the next time as well"


def test_a_turn_that_is_taken_again_at_once_lets_nobody_in(portal):
    assert portal.turns.take(1)
    assert portal.visitors(1) == 0
    for _ in range(3):
        portal.turns.give_back()
        assert portal.turns.take(1)
        gevent.sleep(SOON)
    assert portal.taken_in == 0


def test_where_no_turn_comes_back_all_are_let_in_until_one_does(portal, monkeypatch):
    monkeypatch.setattr(door, "STANDSTILL", 2 * SOON)
    assert portal.turns.take(1)
    assert portal.visitors(2) == 0
    gevent.sleep(3 * SOON)
    assert portal.taken_in == 2
    assert portal.visitors(2) == 4
    portal.turns.give_back()
    assert portal.turns.take(1)
    assert portal.visitors(1) == 4


def test_a_crowd_is_no_standstill(portal, monkeypatch):
    monkeypatch.setattr(door, "STANDSTILL", 2 * SOON)
    assert portal.turns.take(1)
    assert portal.visitors(1) == 0
    for _ in range(5):   # those who are in already hand the turn on from one to the next
        portal.turns.given_back += 1
        gevent.sleep(SOON)
    assert portal.taken_in == 0


def test_a_server_without_turns_takes_everybody_in(portal, monkeypatch):
    monkeypatch.setattr(DoorServer, "turns", None)
    assert portal.turns.take(1)
    assert portal.visitors(2) == 2


def test_one_that_is_closed_while_they_wait_stays_closed(portal):
    assert portal.turns.take(1)
    assert portal.visitors(1) == 0
    portal.server.close()
    portal.turns.give_back()
    gevent.sleep(SOON)
    assert portal.taken_in == 0
