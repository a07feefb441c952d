"""Small uploads that arrive in one moment go through a few at a time, so that pages are answered in between."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from batch_file_operations import ACCEPTED_AT_ONCE
from portal.web import turns, uploads
from tests.servers.processes import wait_for

MANY = 4 * ACCEPTED_AT_ONCE


class Office:
    """A portal of one view that counts how many uploads are in it at once, and ends them when it is told to."""

    def __init__(self):
        self.app = Flask(__name__)
        uploads.connect(self.app)
        self.inside = self.most = 0
        self.lock, self.may_end = threading.Lock(), threading.Event()
        self.app.post("/")(self.upload)

    def upload(self):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.may_end.wait(30)
        with self.lock:
            self.inside -= 1
        return "kept"

    def send(self, size):
        file = {"file": (io.BytesIO(bytes(size)), "a.pdf")}
        return self.app.test_client().post("/", data=file, content_type="multipart/form-data").status_code

    def wait_until(self, number):
        wait_for(lambda: self.inside >= number, f"{number} uploads")


@pytest.fixture
def office():
    return Office()


def test_small_uploads_wait_for_their_turn_and_large_ones_do_not(office):
    with ThreadPoolExecutor(MANY + 1) as colleagues:
        small = [colleagues.submit(office.send, 1000) for _ in range(MANY)]
        office.wait_until(ACCEPTED_AT_ONCE)
        large = colleagues.submit(office.send, uploads.IN_TURN + 1)
        office.wait_until(ACCEPTED_AT_ONCE + 1)
        office.may_end.set()
        assert {one.result() for one in (*small, large)} == {200}
    assert office.most == ACCEPTED_AT_ONCE + 1


def test_none_waits_for_ever(office, monkeypatch):
    monkeypatch.setattr(turns, "LONGEST_STANDSTILL", 0.05)
    with ThreadPoolExecutor(MANY) as colleagues:
        slow = [colleagues.submit(office.send, 1000) for _ in range(MANY)]
        office.wait_until(MANY)
        office.may_end.set()
        assert {one.result() for one in slow} == {200}
