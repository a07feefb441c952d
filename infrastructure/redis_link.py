"""The line to Redis with a circuit breaker: Redis while it answers, something else while it does not.

The first failure opens the circuit; from then on nobody waits. A probe in the background tries again with growing
pauses, and before it closes the circuit it repeats what was forgotten meanwhile, so that no old value is served.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import redis

from infrastructure.redis_cache import RedisCache
from infrastructure.redis_client import FairPool, connect, is_cluster

logger = logging.getLogger("cache_manager")
Answer = TypeVar("Answer")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0   # seconds between probes; a return is noticed within the longest
MOST_REMEMBERED = 10_000   # keys forgotten during an outage; beyond, everything is forgotten at the return
FAILURES = (redis.RedisError, OSError)


class RedisLink:
    """One process's line to Redis. `on_change` is called whenever the circuit opens or closes."""

    def __init__(self, address: str, on_change: Callable[[], None]) -> None:
        self._address, self._on_change = address, on_change
        self._lock = threading.Lock()
        self._missed: set[str] | None = set()   # None: too many, or nobody knows which
        self._cache: RedisCache | None = None
        self._connecting = threading.Lock()
        self.up = False
        self.down_since: float | None = None   # wall clock, for people
        self.outages = self.failures = 0
        self.last_error = ""

    def start(self) -> None:
        """Connects; when Redis does not answer, the circuit is open from the beginning."""
        with self._connecting:
            if self.up or self.down_since is not None:
                return
            try:
                self._return()
            except FAILURES as error:
                # What a predecessor of this process could not tell Redis is lost with it.
                self._missed = None
                self._fall(error)

    def ask(self, work: Callable[[RedisCache], Answer], otherwise: Callable[[], Answer],
            missed: Iterable[str] = ()) -> Answer:
        """What Redis answers, or what `otherwise` does while it is away.

        `missed` are the keys whose values this makes wrong in Redis when it does not hear of it.
        """
        while True:
            cache = self._cache
            if self.up and cache is not None:
                try:
                    return work(cache)
                except FAILURES as error:
                    self._fall(error)
            if self._is_noted(missed):
                return otherwise()

    @property
    def cache(self) -> RedisCache | None:
        """Redis, while the circuit is closed."""
        return self._cache if self.up else None

    def fall(self, error: Exception) -> None:
        """Opens the circuit because of a failure that the caller met."""
        self._fall(error)

    def _is_noted(self, missed: Iterable[str]) -> bool:
        """Whether the circuit is still open, with the keys noted for its end."""
        with self._lock:
            if self.up:
                return False
            if self._missed is not None:
                self._missed.update(missed)
                if len(self._missed) > MOST_REMEMBERED:
                    self._missed = None
            return True

    def _fall(self, error: Exception) -> None:
        self.failures += 1
        self.last_error = type(error).__name__
        with self._lock:
            if self.down_since is not None:
                return
            self.up, self.down_since = False, time.time()
            self.outages += 1
        self._on_change()
        threading.Thread(target=self._probe, name="redis probe", daemon=True).start()

    def _probe(self) -> None:
        pause, told = FIRST_PAUSE, False
        began = time.monotonic()
        while self.down_since is not None:
            time.sleep(pause)
            pause = min(pause * 1.6, LONGEST_PAUSE)
            try:
                self._return(probing=True)
            except FAILURES as error:
                self.last_error = type(error).__name__
                if not told:   # a single late answer is no outage
                    told = True
                    logger.error("Redis does not answer (%s): cache and limits are kept without it until it is back",
                                 self.last_error)
        if told:
            logger.warning("Redis answers again after %.1f s", time.monotonic() - began)

    def _return(self, *, probing: bool = False) -> None:
        """Closes the circuit once Redis knows everything that was forgotten without it."""
        client = connect(self._address)
        pool = getattr(client, "connection_pool", None)
        if isinstance(pool, FairPool):
            pool.is_probing = probing
        cache = RedisCache(client, cluster=is_cluster(self._address))
        run_id = cache.settle()
        while True:
            with self._lock:
                missed, self._missed = self._missed, set()
                if missed is not None and not missed:
                    if isinstance(pool, FairPool):
                        pool.expected_run_id, pool.is_probing = run_id, False
                    self._cache, self.up, self.down_since = cache, True, None
                    break
            try:
                if missed is None:
                    cache.clear()
                    cache.settle()
                else:
                    cache.delete(sorted(missed))
            except FAILURES:
                with self._lock:
                    self._missed = None if missed is None or self._missed is None else self._missed | missed
                raise
        self._on_change()
