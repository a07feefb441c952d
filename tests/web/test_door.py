"""A web process that is full leaves new connections to the others for a moment."""

import socket

import gevent
import pytest

from portal.web import door
from portal.web.door import AFTER_IT, DoorServer
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
    running = Portal()
    monkeypatch.setattr(DoorServer, "turns", running.turns)
    yield running
    for visitor in running.outside:
        visitor.close()
    running.server.stop()


def test_with_a_turn_free_everybody_is_taken_in(portal):
    assert portal.visitors(3) == 3
    assert not DoorServer.is_full() and not DoorServer.is_busy()


def test_while_all_turns_are_taken_others_may_have_them_for_a_moment(portal, monkeypatch):
    monkeypatch.setattr(door, "MOMENT", 3 * SOON)
    assert portal.turns.take(1)
    assert portal.visitors(3) == 0
    assert DoorServer.is_full() and DoorServer.is_busy()
    gevent.sleep(3 * SOON)
    assert portal.taken_in == 3, "whom nobody else took is taken in, for only then it is known what they ask for"
    assert portal.visitors(1) == 3, "the next one waits again"


def test_a_crowd_comes_in_by_parts(portal, monkeypatch):
    monkeypatch.setattr(door, "MOMENT", 3 * SOON)
    assert portal.turns.take(1)
    assert portal.visitors(AFTER_IT + 2) == 0
    gevent.sleep(3 * SOON)
    assert portal.taken_in == AFTER_IT
    gevent.sleep(3 * SOON)
    assert portal.taken_in == AFTER_IT + 2
    portal.turns.give_back()
    assert portal.visitors(1) == AFTER_IT + 3
    assert portal.server.max_accept == 1, "one by one again"


def test_one_that_is_closed_while_they_wait_stays_closed(portal):
    assert portal.turns.take(1)
    portal.outside.append(socket.create_connection(("127.0.0.1", portal.server.server_port)))
    gevent.sleep(0)
    portal.server.close()
    gevent.sleep(SOON)
    assert portal.taken_in == 0


def test_a_server_without_turns_takes_everybody_in(portal, monkeypatch):
    monkeypatch.setattr(DoorServer, "turns", None)
    monkeypatch.setattr(door, "MOMENT", NEVER)
    assert portal.turns.take(1)
    assert portal.visitors(2) == 2
    assert not DoorServer.is_full() and not DoorServer.is_busy()
