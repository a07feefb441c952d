"""How often somebody may ask: counted in windows of time, by everybody together where that can be.

In Redis where it is used and answers (`limits` counts there, on one server and on a cluster alike); else in the
database, for all processes of the machine; else in this process, which then allows only its share.
"""

import contextlib
import functools
import ipaddress
import logging
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import redis
from limits.storage import RedisClusterStorage, RedisStorage

from infrastructure.errors import DatabaseError
from infrastructure.memory_cache import MemoryCache
from infrastructure.redis_cache import RedisCache

logger = logging.getLogger("cache_manager")
PREFIX = "rate_limit"
WITHOUT_A_DATABASE = 5.0   # seconds that counting stays in the process after the database could not
# Of a large limit a process takes several numbers from Redis in one trip: the hundredth part, at most so many.
LARGEST_BLOCK = 20
MOST_BLOCKS = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
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


class RateCounter:
    """Counts requests by name and caller.

    `find_redis` answers Redis while it is there, `report` hears of its failures; `count_in_table(key, seconds)` counts
    in the database, None where there is none that counts fast. `processes` share what one process alone allows.
    """

    def __init__(self, find_redis: Callable[[], RedisCache | None], report: Callable[[Exception], None],
                 count_in_table: Callable[[str, int], int] | None, processes: int) -> None:
        self._find_redis, self._report, self._count_in_table = find_redis, report, count_in_table
        self._processes = max(1, processes)
        self._memory = MemoryCache()
        self._storage: tuple[RedisCache, RedisStorage] | None = None
        self._no_table_until = 0.0
        self._blocks: dict[str, deque[int]] = {}   # numbers taken from Redis and not used yet, by key

    def count(self, name: str, caller: str, limit: int, window: int) -> Allowance:
        """Counts one request of the caller. Windows of all callers begin at different moments, each at the same."""
        now = time.time() + _shift(caller, window)
        number, left = int(now // window), window - now % window
        key = f"{_quoted(name)}:{caller}:{number}"
        used = self._count_together(key, window, min(LARGEST_BLOCK, limit // 100))
        if used is None:
            used = self._memory.increment(key, 1, window)
            limit = max(1, limit // self._processes)
        return Allowance(name, limit, window, used, max(1, round(left)))

    def _count_together(self, key: str, window: int, block: int) -> int | None:
        cache = self._find_redis()
        if cache is not None:
            try:
                return self._count_in_redis(cache, key, window, block)
            except (redis.RedisError, OSError) as error:
                self._report(error)
        if self._count_in_table is None or time.monotonic() < self._no_table_until:
            return None
        try:
            return self._count_in_table(key, window)
        except DatabaseError as error:
            self._no_table_until = time.monotonic() + WITHOUT_A_DATABASE
            logger.warning("requests are counted in each process alone: %s", type(error).__name__)
            return None

    def _count_in_redis(self, cache: RedisCache, key: str, window: int, block: int) -> int:
        """The number of this request among all of the window.

        Every number is given once, so no limit is exceeded; numbers that a process took and had no request for are
        missing at the end of the window: somebody may be refused up to one block for each process too early.
        """
        if block <= 1:
            return self._storage_of(cache).incr(key, window)
        with contextlib.suppress(KeyError, IndexError):   # each step is atomic: no lock
            return self._blocks[key].popleft()
        last = self._storage_of(cache).incr(key, window, amount=block)
        if len(self._blocks) > MOST_BLOCKS:   # those of windows that are over, mostly
            self._blocks.clear()
        self._blocks.setdefault(key, deque()).extend(range(last - block + 2, last + 1))
        return last - block + 1

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


@functools.lru_cache(1000)
def _quoted(name: str) -> str:
    return quote(name, safe=" ")


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
