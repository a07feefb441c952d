"""The cache in both its forms, and a real Redis."""

from collections.abc import Callable, Iterator

import pytest

from cache_manager import CacheManager
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
def cache(request: pytest.FixtureRequest) -> CacheManager:
    """An empty cache of each kind."""
    if request.param == "memory":
        return CacheManager("")
    cache = CacheManager(request.getfixturevalue("redis").url)
    cache.clear()
    return cache


@pytest.fixture
def is_back() -> Callable[[CacheManager], None]:
    """Waits until a cache uses Redis again."""
    return lambda cache: wait_for(cache.is_shared, "the way back to Redis", seconds=20)
