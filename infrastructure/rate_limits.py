"""How often somebody may ask: counted in windows of time, by everybody together where that can be.

In Redis where it is used and answers (`limits` counts there, on one server and on a cluster alike); else in the
database, for all processes of the machine; else in this process, which then allows only its share.
"""

import ipaddress
import logging
import time
import zlib
from collections import deque
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

import redis
from limits.storage import RedisClusterStorage, RedisStorage

from infrastructure.errors import DatabaseError
from infrastructure.memory_cache import MemoryCache
from infrastructure.redis_cache import RedisCache

logger = logging.getLogger("cache_manager")
PREFIX = "rate_limit"
WITHOUT_A_DATABASE = 5.0   # seconds that counting stays in the process after the database could not
# Of a large limit a process takes several numbers in one trip: the hundredth part, at most so many. Every number is
# given once, so no limit is exceeded; those that a process took and had no request for are missing at the end of the
# window: somebody may be refused up to one block for each process too early.
LARGEST_BLOCK = 100
MOST_WINDOWS = 10_000


class Allowance(NamedTuple):
    """What is left after a request was counted. `reset` is in seconds from now."""

    name: str
    limit: int
    window: int
    used: int
    reset: int

    @property
    def is_spent(self) -> bool:
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


class _Window:
    """One window of one caller as this process knows it: where it is counted, and the numbers that were taken ahead."""

    __slots__ = ("begin", "end", "key", "numbers")

    def __init__(self, name: str, caller: str, length: int, now: float) -> None:
        shift = _shift(caller, length)
        number = int((now + shift) // length)
        self.begin, self.end = number * length - shift, (number + 1) * length - shift
        self.key = f"{quote(name, safe=' ')}:{caller}:{number}"
        self.numbers: deque[int] = deque()


class RateCounter:
    """Counts requests by name and caller.

    `find_redis` answers Redis while it is there, `report` hears of its failures; `count_in_table(key, seconds, hits)`
    counts in the database, None where there is none that counts fast. `processes` share what one process alone allows.
    """

    def __init__(self, find_redis: Callable[[], RedisCache | None], report: Callable[[Exception], None],
                 count_in_table: Callable[[str, int, int], int] | None, processes: int) -> None:
        self._find_redis, self._report, self._count_in_table = find_redis, report, count_in_table
        self._processes = max(1, processes)
        self._memory = MemoryCache()
        self._storage: tuple[RedisCache, RedisStorage] | None = None
        self._no_table_until = 0.0
        self._windows: dict[tuple[str, str, int], _Window] = {}

    def count(self, name: str, caller: str, limit: int, window: int) -> Allowance:
        """Counts one request of the caller. Windows of all callers begin at different moments, each at the same."""
        now, place = time.time(), (name, caller, window)
        present = self._windows.get(place)
        if present is None or not present.begin <= now < present.end:   # a clock may be set back
            present = self._open(place, now)
        try:
            used = present.numbers.popleft()   # atomic: no lock
        except IndexError:
            first = self._take(present, window, max(1, min(LARGEST_BLOCK, limit // 100)))
            if first is None:
                first = self._memory.increment(present.key, 1, window)
                limit = max(1, limit // self._processes)
            used = first
        return Allowance(name, limit, window, used, max(1, round(present.end - now)))

    def _open(self, place: tuple[str, str, int], now: float) -> _Window:
        name, caller, length = place
        if len(self._windows) > MOST_WINDOWS:   # those that are over, mostly
            self._windows.clear()
        opened = self._windows[place] = _Window(name, caller, length, now)
        return opened

    def _take(self, present: _Window, seconds: int, block: int) -> int | None:
        """The number of this request among all of the window, with the rest of the block kept for the next ones; None
        where nobody counts for all processes.
        """
        last = self._count_together(present.key, seconds, block)
        if last is None:
            return None
        if block > 1:
            present.numbers.extend(range(last - block + 2, last + 1))
        return last - block + 1

    def _count_together(self, key: str, window: int, hits: int) -> int | None:
        cache = self._find_redis()
        if cache is not None:
            try:
                return self._storage_of(cache).incr(key, window, amount=hits)
            except (redis.RedisError, OSError) as error:
                self._report(error)
        if self._count_in_table is None or time.monotonic() < self._no_table_until:
            return None
        try:
            return self._count_in_table(key, window, hits)
        except DatabaseError as error:
            self._no_table_until = time.monotonic() + WITHOUT_A_DATABASE
            logger.warning("requests are counted in each process alone: %s", type(error).__name__)
            return None

    def _storage_of(self, cache: RedisCache) -> RedisStorage:
        if self._storage is None or self._storage[0] is not cache:
            self._storage = (cache, _storage_on(cache))
        return self._storage[1]


class _OnOurCluster(RedisClusterStorage):
    """The library would connect by itself, with other time limits than the circuit breaker counts on."""

    def __init__(self, cache: RedisCache) -> None:
        self.key_prefix = PREFIX
        self.storage = cache.client
        self.initialize_storage("")


def _storage_on(cache: RedisCache) -> RedisStorage:
    if cache.is_cluster:
        return _OnOurCluster(cache)
    return RedisStorage("redis://", connection_pool=cache.client.connection_pool, key_prefix=PREFIX)




def _shift(caller: str, window: int) -> float:
    """Spreads the beginnings of windows: at one moment for everybody, all who waited would come at once."""
    return zlib.crc32(caller.encode()) % 997 / 997 * window


def network_of(address: str | None) -> str:
    """What an address counts as: itself, or the /64 of a household or company that has 2^64 of them (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
