"""Redis goes away in every way there is, and comes back: nobody waits, nothing old is served."""

import logging
import threading
import time

import pytest

from cache_manager import CacheManager
from infrastructure import redis_link
from tests.servers import redis as redis_server
from tests.servers.processes import wait_for
from tests.servers.redis import RedisServer

# A request loses 50 ms at most. What a busy test machine adds is not Redis's fault: ten times as much fails the test,
# while a single wait for redis-py's own limits would be seconds.
NOBODY_WAITS = 0.5


@pytest.fixture
def own_redis():
    if reason := redis_server.missing():
        pytest.skip(reason)
    server = RedisServer()
    server.start()
    yield server
    server.remove()


def took(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_a_redis_that_hangs_holds_nobody_up_and_leaves_nothing_old(own_redis, is_back, caplog):
    caplog.set_level(logging.INFO, "cache_manager")
    cache = CacheManager(own_redis.url)
    cache.set_many({"changed": "old", "deleted": "old", "kept": "same", "expired soon": 1})
    cache.set("in a group", "old", group="g")
    own_redis.hang()
    assert took(lambda: cache.get("changed")) < NOBODY_WAITS
    assert took(lambda: [cache.get(f"k{number}") for number in range(200)]) < NOBODY_WAITS
    assert cache.get_stats()["state"] == "degraded"
    assert cache.get_stats()["backend"] == "memory"
    cache.set("changed", "new")
    assert cache.get("changed") == "new"
    cache.delete("deleted")
    cache.forget_group("g")
    wait_for(lambda: len(caplog.records) >= 1, "the line in the log", seconds=10)
    own_redis.go_on()
    is_back(cache)
    assert cache.get("changed") != "old"
    assert cache.get("deleted") is None
    assert cache.get("in a group") is None
    assert cache.get("kept") == "same"
    wait_for(lambda: len(caplog.records) == 2, "the second line", seconds=5)
    assert "does not answer" in caplog.records[0].message
    assert "answers again" in caplog.records[1].message
    assert cache.get_stats()["outages"] == 1


def test_a_redis_that_was_killed_comes_back_by_itself(own_redis, is_back):
    cache = CacheManager(own_redis.url)
    cache.set("a", 1)
    own_redis.kill()
    assert took(lambda: cache.set("a", 2)) < NOBODY_WAITS
    assert cache.get("a") == 2
    own_redis.start()
    is_back(cache)
    cache.set("a", 3)
    assert own_redis.client().get("cache:a") == "3"


def test_a_snapshot_of_yesterday_is_not_served(own_redis, is_back):
    """The deletion came after the snapshot: a server that starts from it knows nothing of it."""
    cache = CacheManager(own_redis.url)
    cache.set("secret", "old")
    own_redis.client().save()
    cache.delete("secret")
    own_redis.kill()
    own_redis.start()
    assert own_redis.client().get("cache:secret") == '"old"'
    assert cache.get("secret") is None   # over the broken connection, or over a new one
    is_back(cache)
    assert cache.get("secret") is None
    assert CacheManager(own_redis.url).get("secret") is None


def test_a_portal_that_starts_without_redis_uses_it_when_it_comes(own_redis, is_back):
    CacheManager(own_redis.url).set("left by a predecessor", "old")
    own_redis.hang()
    cache = CacheManager(own_redis.url)
    assert took(lambda: cache.get("a")) < NOBODY_WAITS
    assert not cache.is_shared()
    own_redis.go_on()
    is_back(cache)
    assert cache.get("left by a predecessor") is None


def test_a_redis_that_takes_no_writes_is_as_good_as_away(own_redis, is_back):
    cache = CacheManager(own_redis.url)
    cache.set("a", 1)
    own_redis.client().config_set("maxmemory", "1")
    assert took(lambda: cache.set("a", 2)) < NOBODY_WAITS
    assert cache.get("a") == 2
    assert not cache.is_shared()
    own_redis.client().config_set("maxmemory", "0")
    is_back(cache)
    assert cache.get("a") in (None, 2)


def test_more_than_can_be_remembered_is_forgotten_as_a_whole(own_redis, is_back, monkeypatch):
    monkeypatch.setattr(redis_link, "MOST_REMEMBERED", 5)
    cache = CacheManager(own_redis.url)
    cache.set("untouched", 1)
    own_redis.hang()
    for number in range(10):
        cache.delete(f"k{number}")
    own_redis.go_on()
    is_back(cache)
    assert cache.get("untouched") is None


def test_nothing_old_is_read_while_everything_is_in_motion(own_redis):
    """One writer counts up and forgets; readers must never see a lower number than was acknowledged before."""
    cache = CacheManager(own_redis.url)
    truth, wrong, over = [0], [], threading.Event()

    def write():
        while not over.is_set():
            truth[0] += 1
            cache.forget_group("numbers")
            time.sleep(0.002)

    def read():
        while not over.is_set():
            known = truth[0] - 1   # forgotten for certain: the one before the last
            found = cache.remember("number", lambda: truth[0], ttl=60, group="numbers")
            if found < known:
                wrong.append((found, known))

    threads = [threading.Thread(target=write), *(threading.Thread(target=read) for _ in range(4))]
    for thread in threads:
        thread.start()
    try:
        for _ in range(2):
            time.sleep(0.1)
            own_redis.hang()
            wait_for(lambda: not cache.is_shared(), "the open circuit", seconds=10)
            time.sleep(0.1)
            own_redis.go_on()
            wait_for(cache.is_shared, "the way back", seconds=20)
    finally:
        over.set()
        for thread in threads:
            thread.join(10)
    assert wrong == []
