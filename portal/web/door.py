"""Who is free serves: a web process that is full leaves new connections to the others for a moment.

All web processes listen at one socket. gevent takes every connection that it can get, so a process whose turns
(`portal/web/turns.py`) are all taken gathered requests that another, idle one would have answered at once: under a
crowd one process worked twice as much as its neighbour. The moment is short, and whatever waits is taken in after it:
/health and /metrics need no turn, and only who has the connection knows what it asks for.
"""

from typing import Any, ClassVar

from gevent.server import StreamServer

from portal.web.turns import Turns

MOMENT = 0.004   # seconds; an idle process takes what comes within one
AFTER_IT = 10   # connections taken in after each moment: two full processes take in more than nginx lets through


class DoorServer(StreamServer):
    """gevent's server, in which each new connection waits a moment for another process while this one is full."""

    turns: ClassVar[Turns | None] = None   # of this process, set before it serves
    _lets_in, _usually_accepts = 0, 1

    @classmethod
    def is_full(cls) -> bool:
        """Whether who comes now would wait for this process; on a kept connection, though another one may be free."""
        return cls.turns is not None and cls.turns.all_taken

    @classmethod
    def is_busy(cls) -> bool:
        """Whether work that nobody waits for had better give way (`Turns.is_busy`)."""
        return cls.turns is not None and cls.turns.is_busy()

    def do_read(self) -> Any:
        """The next connection as gevent's server takes it; None while another process had better have it."""
        if not self._lets_in and self.is_full():
            self._wait_a_moment()
            return None
        taken = super().do_read()
        if self._lets_in:
            self._lets_in = self._lets_in - 1 if taken else 0
            self.max_accept = self._lets_in or self._usually_accepts
        return taken

    def _wait_a_moment(self) -> None:
        self.stop_accepting()
        self._timer = self.loop.timer(MOMENT)
        self._timer.start(self._let_in)

    def _let_in(self) -> None:
        self._usually_accepts = self.max_accept
        self._lets_in = self.max_accept = AFTER_IT   # as many as gevent asks for when the next one is there
        self._start_accepting_if_started()
