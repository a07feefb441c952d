"""Who is free serves: a web process takes a new connection only while it has a turn (`portal/web/turns.py`) for it.

All web processes listen at one socket. gevent takes every connection that it can get, so a process that is full already
gathers requests that another, idle one would have answered at once: under a crowd one process worked twice as much as
its neighbour. What nobody takes waits in the system's queue, in the order in which it came, for whoever is free first.
"""

import time
from typing import Any, ClassVar

from gevent.server import StreamServer

from portal.web.turns import Turns

# Seconds without a turn given back after which all that come are let in: then it is not a crowd that takes the turns,
# but something that stands still (a database that is away), and /health is asked at just that time.
STANDSTILL = 0.25
AFTERWARDS = 1.0   # seconds that a crowd is remembered: others may still wait in the system's queue


class DoorServer(StreamServer):
    """gevent's server, which leaves connections to other processes while all turns of this one are taken."""

    turns: ClassVar[Turns | None] = None   # of this process, set before it serves
    _crowded_until: ClassVar[float] = 0.0
    _lets_all_in = False

    @classmethod
    def is_crowded(cls) -> bool:
        """Whether others may wait for this process: a kept connection would overtake them."""
        return time.monotonic() < cls._crowded_until

    def do_read(self) -> Any:
        """The next connection as gevent's server takes it; None while another process had better have it."""
        turns = self.turns
        if turns is None or not turns.all_taken or self._lets_all_in:
            return super().do_read()
        DoorServer._crowded_until = time.monotonic() + AFTERWARDS
        self.stop_accepting()
        self._watch(turns)
        turns.tell_when_free(self._go_on)
        return None

    def _watch(self, turns: Turns) -> None:
        self._timer = self.loop.timer(STANDSTILL)
        self._timer.start(self._look, turns, turns.given_back)

    def _look(self, turns: Turns, given_back: int) -> None:
        self._forget_timer()
        if turns.given_back != given_back:
            self._watch(turns)
            return
        self._lets_all_in = True
        self._start_accepting_if_started()

    def _go_on(self) -> None:
        self._forget_timer()
        self._lets_all_in = False
        self._start_accepting_if_started()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
