"""What comes before the tasks of a process, and for how long."""

import threading

from infrastructure import task_precedence
from infrastructure.task_precedence import Precedence
from tests.task_queue.conftest import PATIENCE


def test_who_gives_way_waits_for_everybody_inside_and_for_nobody_else(monkeypatch):
    monkeypatch.setattr(task_precedence, "LONGEST_WAIT", PATIENCE)
    requests, passed = Precedence(), []
    assert requests.give_way() is False
    with requests:
        with requests:
            worker = threading.Thread(target=lambda: passed.append(requests.give_way()))
            worker.start()
        assert passed == []   # one request is still in flight
    worker.join(PATIENCE)
    assert passed == [True]
    assert requests.give_way() is False


def test_a_request_that_lasts_does_not_stop_the_queue():
    requests = Precedence()
    with requests:
        assert requests.give_way() is True


def test_a_request_that_fails_holds_nobody_up():
    requests = Precedence()
    try:
        with requests:
            raise ZeroDivisionError
    except ZeroDivisionError:
        assert requests.give_way() is False
