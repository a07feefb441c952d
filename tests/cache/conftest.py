"""The cache in both its forms, and a real Redis."""

from collections.abc import Callable, Iterator

import pytest

from cache_manager import CacheManager
from infrastructure import redis_client
from tests.servers import redis as redis_server
from tests.servers.processes import wait_for
from tests.servers.redis import RedisServer


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A Redis that stays up."""
    if reason := redis_server.missing():
        pytest.skip(reason)
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> CacheManager:
    """An empty cache of each kind. It waits longer for Redis than the portal does: a busy machine is no outage here."""
    if request.param == "memory":
        return CacheManager("")
    for name in ("IN_LINE", "ANSWER"):
        monkeypatch.setattr(redis_client, name, 5.0)
    for name in ("socket_timeout", "socket_connect_timeout"):
        monkeypatch.setitem(redis_client._OPTIONS, name, 5.0)
    cache = CacheManager(request.getfixturevalue("redis").url)
    cache.clear()
    return cache


@pytest.fixture
def is_back() -> Callable[[CacheManager], None]:
    """Waits until a cache uses Redis again."""
    return lambda cache: wait_for(cache.is_shared, "the way back to Redis", seconds=20)
