"""Remember, forget and count by key: in Redis where REDIS_URL is set, else in this process. And limits on requests.

    cache_manager.set("user_policies:123", policies, ttl=600)
    cache_manager.get("user_policies:123")

    @cache_result("client totals:{client_id}", ttl=60, group="clients")
    def totals(client_id: str) -> dict[str, int]: ...
    forget_group("clients")          # after the transaction that changed one

    @rate_limit(limit=100, window=60)
    def view(): ...

The cache never holds the only copy of anything, and whoever uses it must do without: a value may be gone at any time.
While Redis does not answer, each process goes on in its own memory, and nobody waits for it.
"""

import functools
import inspect
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from config import settings
from database_pool import call_function, default_pool
from infrastructure.cache_values import GROUPED, as_text, from_text
from infrastructure.memory_cache import MemoryCache
from infrastructure.rate_limits import Allowance, RateCounter, network_of
from infrastructure.redis_cache import RedisCache
from infrastructure.redis_link import RedisLink

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

USUAL_TTL = 300.0
LONGEST_TTL = 30 * 24 * 3600.0
GROUP_TTL = LONGEST_TTL + 3600.0   # a group outlives its members
LOCK_TTL = 3.0   # seconds: a process that died while it computed holds the others up no longer
FLIGHT_PATIENCE = 10.0
FIRST_LOOK, LONGEST_LOOK = 0.005, 0.1   # pauses between looks for a value that another process computes
_MISSING: Any = object()
_Name = tuple[str, str | None, str | None]   # of a flight: key, group, the group's mark when it began


class CacheManager:
    """The cache of this process. Opens nothing before its first use; safe to share between threads and greenlets.

    Keys are texts. `ttl` is in seconds, above 0 and at most 30 days: nothing stays for ever. Values are what JSON can
    hold, and days, moments, decimals and UUIDs; what comes back is a copy. Raises TypeError or ValueError for others.
    """

    def __init__(self, redis_url: str | None = None, *, memory: MemoryCache | None = None) -> None:
        """`redis_url` instead of the setting; "" for no Redis."""
        self._given_url = redis_url
        self._memory = MemoryCache() if memory is None else memory
        self._process: int | None = None
        self._entering = threading.Lock()
        self._link: RedisLink | None = None
        self._forget_counts()

    # Values.

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or `default` where there is none any more."""
        found, _ = self._look(key)
        return default if found is _MISSING else found

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values that are there, by key, in one trip."""
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        texts = self._ask(lambda cache: cache.get_many(wanted))
        found = {key: self._opened(text) for key, text in zip(wanted, texts, strict=True) if text is not None}
        return {key: value for key, value in found.items() if value is not _MISSING}

    def set(self, key: str, value: Any, ttl: float = USUAL_TTL, *, group: str | None = None) -> None:
        """Remembers the value for `ttl` seconds, or until the key or the group is forgotten."""
        seconds, text = _checked(ttl), as_text(value)
        if group is not None:
            text = _in_group(group, self._group_mark(group), text)
        if self._link is None and self._process == os.getpid():   # as `_ask` would, without a function for each value
            self._memory.set(key, text, seconds)
        else:
            self._ask(lambda cache: cache.set(key, text, seconds), missed=(key,))
        self._sets += 1

    def set_many(self, values: Mapping[str, Any], ttl: float = USUAL_TTL) -> None:
        """Remembers many values in one trip."""
        seconds, texts = _checked(ttl), {key: as_text(value) for key, value in values.items()}
        if texts:
            self._ask(lambda cache: cache.set_many(texts, seconds), missed=texts)
            self._sets += len(texts)

    def delete(self, *keys: str) -> int:
        """Forgets the keys, on every machine; how many of them there were."""
        gone: int = self._ask(lambda cache: cache.delete(list(keys)), missed=keys) if keys else 0
        return gone

    def exists(self, key: str) -> bool:
        """Whether there is a value."""
        return self._look(key)[0] is not _MISSING

    def increment(self, key: str, by: int = 1, ttl: float = USUAL_TTL) -> int:
        """The count after adding `by`; it begins at 0, and `ttl` runs from there.

        Raises ValueError when the value is no whole number. What is counted while Redis is away is not added to it.
        """
        seconds = _checked(ttl)
        count: int = self._ask(lambda cache: cache.increment(key, by, seconds))
        return count

    def expire(self, key: str, ttl: float) -> bool:
        """Lets a value live for `ttl` seconds from now; whether there was one."""
        seconds = _checked(ttl)
        found: bool = self._ask(lambda cache: cache.expire(key, seconds), missed=(key,))
        return found

    def forget_group(self, group: str) -> None:
        """Forgets every value of the group at once, on every machine, those included that are being computed now."""
        key, mark = _group_key(group), _new_mark()
        self._ask(lambda cache: cache.set(key, mark, GROUP_TTL), missed=(key,))

    def remember(self, key: str, compute: Callable[[], R], ttl: float = USUAL_TTL, *, group: str | None = None) -> R:
        """The value, computed where there is none: by one request at a time, while the others wait for it.

        With `group`, what was read before the group was forgotten is never remembered afterwards.
        """
        found, mark = self._look(key, group)
        if found is not _MISSING:
            return found  # type: ignore[no-any-return]
        if group is not None and mark is None:
            mark = self._group_mark(group)
        return self._fly((key, group, mark), compute, _checked(ttl))

    def clear(self) -> None:
        """Forgets everything, on every machine."""
        self._ask(lambda cache: cache.clear(), missed=())
        self._memory.clear()

    def reset(self) -> None:
        """Lets go of Redis and of everything in this process, as if it had just started."""
        self._process = None

    # State.

    def is_shared(self) -> bool:
        """Whether what one process forgets is forgotten by all: Redis is used, and answers."""
        link = self._linked()
        return link is not None and link.up

    def redis(self) -> RedisCache | None:
        """Redis while it answers, for what counts there by other means; None while it is away or not used."""
        link = self._linked()
        return link.cache if link is not None else None

    def report_failure(self, error: Exception) -> None:
        """Tells the cache that somebody met a Redis that does not answer."""
        if self._link is not None:
            self._link.fall(error)

    def get_stats(self) -> dict[str, Any]:
        """Figures of this process: backend in use, state, hits and misses, outages of Redis, its connections."""
        link = self._linked()
        asked = self._hits + self._misses
        stats: dict[str, Any] = {
            "backend": "redis" if self.is_shared() else "memory", "state": "healthy", "hits": self._hits,
            "misses": self._misses, "hit_rate": round(self._hits / asked, 3) if asked else None, "sets": self._sets,
            "computed": self._computed, "waited_for_another": self._waited, "memory_items": len(self._memory)}
        if link is not None:
            down = link.down_since
            stats |= {"state": "healthy" if link.up else "degraded", "outages": link.outages,
                      "failures": link.failures, "down_for_seconds": round(time.time() - down, 1) if down else None,
                      "last_error": link.last_error or None}
            pool = getattr(link.cache.client, "connection_pool", None) if link.cache else None
            if pool is not None:
                figures = pool.statistics()
                stats["connections"] = {"in_use": figures.in_use, "idle": figures.idle, "waiting": figures.waiting,
                                        "limit": figures.limit, "peak": figures.peak}
        return stats

    # Inside.

    def _linked(self) -> RedisLink | None:
        if self._process != os.getpid():
            self._enter_process()
        return self._link

    def _enter_process(self) -> None:
        """Makes what belongs to this process: neither sockets nor a probe's thread live on in a fork."""
        with self._entering:
            if self._process == os.getpid():
                return
            url = settings().redis_url if self._given_url is None else self._given_url
            self._memory.clear()
            self._forget_counts()
            self._link = RedisLink(url, self._begin_anew) if url else None
            if self._link is not None:
                self._link.start()
            self._process = os.getpid()

    def _forget_counts(self) -> None:
        self._hits = self._misses = self._sets = self._computed = self._waited = 0
        self._flights: dict[_Name, _Flight] = {}
        self._flights_lock = threading.Lock()

    def _begin_anew(self) -> None:
        """Forgets what the other side of the circuit breaker knew: its marks mean nothing on this one."""
        self._memory.clear()
        with self._flights_lock:
            self._flights = {}

    def _ask(self, work: Callable[[Any], R], missed: Iterable[str] = ()) -> R:
        link = self._link if self._process == os.getpid() else self._linked()
        if link is None:
            return work(self._memory)
        return link.ask(work, lambda: work(self._memory), missed)

    def _look(self, key: str, group: str | None = None) -> tuple[Any, str | None]:
        """The value, and the mark of its group."""
        mark = None
        if group is None:
            text = self._ask(lambda cache: cache.get(key))
            value = _MISSING if text is None else self._opened(text)
        else:
            text, mark = self._ask(lambda cache: cache.get_many([key, _group_key(group)]))
            value = _MISSING if text is None else self._opened(text, mark)
        if value is _MISSING:
            self._misses += 1
        else:
            self._hits += 1
        return value, mark

    def _opened(self, text: str, mark: str | None = "") -> Any:
        """The value of a text; missing when its group was forgotten. `mark` is the group's, "" where nobody asked."""
        if text[0] != GROUPED:
            return from_text(text)
        group, written, value = text[1:].split("\0", 2)
        if mark == "":
            mark = self._ask(lambda cache: cache.get(_group_key(group)))
        return from_text(value) if mark == written else _MISSING

    def _group_mark(self, group: str) -> str:
        """What tells the group's present life from the one before; made where there is none, never the same twice."""
        mark = _new_mark()
        standing: str = self._ask(lambda cache: cache.set_if_absent(_group_key(group), mark, GROUP_TTL))
        return standing

    def _fly(self, name: _Name, compute: Callable[[], R], ttl: float) -> R:
        """Computes the value, unless somebody else of this process is at it already: then waits for theirs.

        Who asks after the group was forgotten must not get what was read before: a flight is named by the mark too.
        """
        while True:
            with self._flights_lock:
                flight = self._flights.get(name)
                mine = flight is None
                if flight is None:
                    flight = self._flights[name] = _Flight()
            if mine:
                try:
                    flight.value = self._compute(name, compute, ttl)
                    return flight.value  # type: ignore[no-any-return]
                finally:
                    with self._flights_lock:
                        if self._flights.get(name) is flight:
                            del self._flights[name]
                    flight.landed.set()
            self._waited += 1
            if not flight.landed.wait(FLIGHT_PATIENCE):
                return compute()
            if flight.value is not _MISSING:   # else theirs failed, and the next one tries
                return from_text(as_text(flight.value))  # type: ignore[no-any-return]

    def _compute(self, name: _Name, compute: Callable[[], R], ttl: float) -> R:
        """Computes and remembers, while other processes wait for the lock; or takes what they put there meanwhile."""
        key, group, mark = name
        lock, owner = f"lock:{key}", _new_mark()
        free = self._ask(lambda cache: cache.lock(lock, owner, LOCK_TTL) if isinstance(cache, RedisCache) else True,
                         missed=(lock,))
        if not free:
            found = self._wait_for_others(key, lock, group)
            if found is not _MISSING:
                return found  # type: ignore[no-any-return]
        try:
            self._computed += 1
            value = compute()
            text = as_text(value)
            if group is not None and mark is not None:
                text = _in_group(group, mark, text)
            self._ask(lambda cache: cache.set(key, text, ttl))
            return value
        finally:
            if free:
                self._ask(lambda cache: cache.unlock(lock, owner) if isinstance(cache, RedisCache) else None,
                          missed=(lock,))

    def _wait_for_others(self, key: str, lock: str, group: str | None) -> Any:
        pause, until = FIRST_LOOK, time.monotonic() + LOCK_TTL
        while time.monotonic() < until:
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK)
            found, _ = self._look(key, group)
            if found is not _MISSING or self._ask(lambda cache: cache.get(lock)) is None:
                return found
        return _MISSING


class _Flight:
    """A value that one request computes while others wait for it."""

    __slots__ = ("landed", "value")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.value: Any = _MISSING


def _checked(ttl: float) -> float:
    if not 0 < ttl <= LONGEST_TTL:
        raise ValueError(f"a ttl is above 0 and at most {LONGEST_TTL:.0f} seconds, not {ttl}")
    return ttl


def _new_mark() -> str:
    return secrets.token_hex(8)


def _group_key(group: str) -> str:
    return f"group:{group}"


def _in_group(group: str, mark: str, text: str) -> str:
    return f"{GROUPED}{group}\0{mark}\0{text}"


cache_manager = CacheManager()


def cache_result(key: str, ttl: float = USUAL_TTL, *, group: str | None = None) -> Callable[
        [Callable[P, R]], Callable[P, R]]:
    """Remembers what the function answers. `key` and `group` may name its arguments: "client totals:{client_id}"."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def cached(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            named = key.format_map(bound.arguments)
            of = group.format_map(bound.arguments) if group is not None else None
            return cache_manager.remember(named, lambda: function(*args, **kwargs), ttl, group=of)

        return cached

    return decorate


def forget_group(group: str) -> None:
    """CacheManager.forget_group on the portal's cache."""
    cache_manager.forget_group(group)


# Limits on requests.

_counter: RateCounter | None = None
_counter_process: int | None = None


def count_request(name: str, caller: str, *, limit: int, window: int) -> Allowance:
    """Counts one request of `caller` against `limit` within `window` seconds, and answers what is left.

    All processes count together, through Redis or a table of the database; where neither can, each allows its share.
    """
    return _rate_counter().count(name, caller, limit, window)


def address_of_caller(address: str | None) -> str:
    """What a caller without a name is counted by: the address, of IPv6 the /64."""
    return f"address-{network_of(address)}"


def rate_limit(limit: int, window: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Lets each caller of a view ask `limit` times within `window` seconds; more are answered 429 with Retry-After.

    A caller is who `app.extensions["rate_limit.caller"]()` names, else the address. Answers carry RateLimit headers.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            import flask

            asked = flask.request
            ask = flask.current_app.extensions.get("rate_limit.caller")
            caller = ask() if ask is not None else address_of_caller(asked.remote_addr)
            enforce(count_request(asked.endpoint or view.__name__, caller, limit=limit, window=window))
            return view(*args, **kwargs)

        return limited

    return decorate


def enforce(allowance: Allowance) -> None:
    """Adds the RateLimit headers to the answer of this request, and refuses it when the allowance is spent.

    Raises werkzeug's TooManyRequests. Headers as in draft-ietf-httpapi-ratelimit-headers-10.
    """
    import flask

    flask.after_this_request(functools.partial(_tell, allowance))
    if allowance.is_spent:
        from werkzeug.exceptions import TooManyRequests

        if allowance.used == allowance.limit + 1:   # one line a window, not one for each request of a flood
            logger.warning("too many requests: %s", allowance.name)
        raise TooManyRequests(
            f"Too many requests within a short time. Please try again in {allowance.reset} "
            f"second{'s' if allowance.reset != 1 else ''}.", retry_after=allowance.reset)


def _tell(allowance: Allowance, response: Any) -> Any:
    """The response with what is left of the allowance."""
    quoted, policy = _policy(allowance.name, allowance.limit, allowance.window)
    response.headers.add("RateLimit-Policy", policy)
    response.headers.add("RateLimit", f"{quoted};r={allowance.remaining};t={allowance.reset}")
    return response


@functools.lru_cache(1000)
def _policy(name: str, limit: int, window: int) -> tuple[str, str]:
    """The limit's name as headers quote it, and what it allows."""
    quoted = '"' + name.replace('"', "") + '"'
    return quoted, f"{quoted};q={limit};w={window}"


def _rate_counter() -> RateCounter:
    global _counter, _counter_process  # noqa: PLW0603 - one process, one counter
    if _counter is None or _counter_process != os.getpid():
        _counter = new_rate_counter()
        _counter_process = os.getpid()
    return _counter


def new_rate_counter() -> RateCounter:
    """A counter for the settings and the database of this moment."""
    counts_fast = default_pool().backend_name() != "supabase"

    def count_in_table(key: str, seconds: int, hits: int) -> int:
        counted: int = call_function("count_requests", {"subject": key, "seconds": seconds, "hits": hits})
        return counted

    return RateCounter(cache_manager.redis, cache_manager.report_failure, count_in_table if counts_fast else None,
                       settings().web_concurrency)


def reset_cache() -> None:
    """Lets go of Redis and of what is remembered here; the next use reads the settings afresh. For tests and tools."""
    global _counter  # noqa: PLW0603 - see above
    cache_manager.reset()
    _counter = None
