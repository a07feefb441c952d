"""What the cache promises, on Redis and in memory alike."""

import datetime
import math
import threading
import time
import uuid
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cache_manager as face
from cache_manager import cache_result
from tests.servers.processes import wait_for

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8)


def test_what_is_set_comes_back(cache):
    cache.set("policies of C001", [{"number": "P/1"}], ttl=60)
    assert cache.get("policies of C001") == [{"number": "P/1"}]
    assert cache.exists("policies of C001")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
def test_any_json_comes_back_as_it_was(cache, value):
    cache.set("value", value)
    assert cache.get("value", "nothing") == value


@pytest.mark.parametrize("value", ["00123", "919876543210", "true", "1e5", "NaN", "", None, 0, False, [], {}, "ॐ \0 ₹",
                                   "T", "G\0\0"])
def test_no_value_changes_its_kind(cache, value):
    cache.set("value", value)
    found = cache.get("value", "nothing")
    assert found == value
    assert type(found) is type(value)


def test_rows_of_the_database_come_back_with_their_kinds(cache):
    row = {"premium": Decimal("1200.50"), "due": datetime.date(2026, 3, 31), "id": uuid.uuid4(),
           "at": datetime.datetime(2026, 11, 26, 4, 30, tzinfo=datetime.UTC), "plain": "12.50"}
    cache.set("row", [row])
    assert cache.get("row") == [row]
    assert type(cache.get("row")[0]["premium"]) is Decimal


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, object(), b"bytes"])
def test_what_json_cannot_hold_is_refused(cache, value):
    with pytest.raises((TypeError, ValueError)):
        cache.set("value", value)


def test_what_comes_back_is_a_copy(cache):
    cache.set("list", [1])
    cache.get("list").append(2)
    assert cache.get("list") == [1]


def test_nothing_is_there_that_was_not_set(cache):
    assert cache.get("missing") is None
    assert cache.get("missing", 7) == 7
    assert not cache.exists("missing")
    assert cache.delete("missing") == 0
    assert not cache.expire("missing", 5)


def test_a_value_goes_when_its_time_is_over(cache):
    cache.set("short", 1, ttl=0.05)
    wait_for(lambda: not cache.exists("short"), "the end of the value", seconds=5)
    cache.set("long", 1, ttl=60)
    assert cache.expire("long", 0.05)
    wait_for(lambda: not cache.exists("long"), "the end of the value", seconds=5)


@pytest.mark.parametrize("ttl", [0, -1, 10**9, math.nan])
def test_nothing_stays_for_ever(cache, ttl):
    with pytest.raises(ValueError, match="ttl"):
        cache.set("value", 1, ttl)


def test_deleting_says_how_many_there_were(cache):
    cache.set_many({"a": 1, "b": 2})
    assert cache.delete("a", "b", "c") == 2
    assert cache.get_many(["a", "b"]) == {}


def test_many_at_once(cache):
    cache.set_many({"a": 1, "b": None, "c": [3]}, ttl=60)
    assert cache.get_many(["a", "b", "c", "d", "a"]) == {"a": 1, "b": None, "c": [3]}
    assert cache.get_many([]) == {}


def test_counting(cache):
    assert [cache.increment("visits", ttl=60), cache.increment("visits", 5), cache.increment("visits", -2)] == [1, 6, 4]
    assert cache.get("visits") == 4
    cache.set("seven", 7)
    assert cache.increment("seven") == 8


def test_only_whole_numbers_are_counted(cache):
    cache.set("word", "seven")
    with pytest.raises(ValueError, match="whole number"):
        cache.increment("word")
    assert cache.is_shared() == (cache.get_stats()["backend"] == "redis")


def test_a_count_ends_with_the_time_of_its_first(cache):
    cache.increment("short", ttl=0.15)
    wait_for(lambda: cache.increment("short", ttl=0.15) == 1, "a new count", seconds=5)


def test_counts_of_many_at_once_are_all_there(cache):
    threads = [threading.Thread(target=lambda: [cache.increment("n") for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.get("n") == 400


def test_a_group_is_forgotten_as_one(cache):
    cache.set("a", 1, group="clients")
    cache.set("b", 2, group="clients")
    cache.set("c", 3, group="policies")
    cache.forget_group("clients")
    assert cache.get_many(["a", "b", "c"]) == {"c": 3}
    cache.set("a", 4, group="clients")
    assert cache.get("a") == 4


def test_a_missing_value_is_computed_once(cache):
    calls = []

    def compute(value):
        calls.append(value)
        return value

    assert cache.remember("k", lambda: compute("value")) == "value"
    assert cache.remember("k", lambda: compute("other")) == "value"
    assert cache.remember("nothing", lambda: compute(None)) is None
    assert cache.remember("nothing", lambda: compute(None)) is None
    assert calls == ["value", None]


def test_one_computes_while_the_others_wait(cache):
    begun, go_on, calls, found = threading.Event(), threading.Event(), [], []

    def compute():
        calls.append(1)
        begun.set()
        go_on.wait(10)
        return "value"

    threads = [threading.Thread(target=lambda: found.append(cache.remember("k", compute))) for _ in range(12)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    wait_for(lambda: cache.get_stats()["waited_for_another"] >= 11, "eleven who wait", seconds=10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert found == ["value"] * 12
    assert calls == [1]


def test_when_the_one_fails_the_next_one_tries(cache):
    begun, go_on, calls, found = threading.Event(), threading.Event(), [], []

    def compute():
        calls.append(1)
        if len(calls) == 1:
            begun.set()
            go_on.wait(10)
            raise LookupError("the database is away")
        return "value"

    def ask():
        try:
            found.append(cache.remember("k", compute))
        except LookupError:
            found.append("failed")

    first = threading.Thread(target=ask)
    first.start()
    begun.wait(10)
    second = threading.Thread(target=ask)
    second.start()
    go_on.set()
    first.join(10)
    second.join(10)
    assert sorted(found) == ["failed", "value"]


def test_what_was_read_before_a_group_was_forgotten_is_not_remembered(cache):
    def compute():
        cache.forget_group("clients")   # somebody changes the client while this is read
        return "old"

    assert cache.remember("client 7", compute, group="clients") == "old"
    assert cache.remember("client 7", lambda: "new", group="clients") == "new"


def test_who_asks_after_a_group_was_forgotten_is_not_given_what_another_had_read_before(cache):
    begun, go_on, found = threading.Event(), threading.Event(), {}

    def read_before():
        begun.set()
        go_on.wait(10)
        return "old"

    def ask(who, compute):
        found[who] = cache.remember("client 7", compute, group="clients")

    threads = [threading.Thread(target=ask, args=("first", read_before)),
               threading.Thread(target=ask, args=("second", lambda: "new"))]
    threads[0].start()
    begun.wait(10)
    cache.forget_group("clients")
    threads[1].start()
    threads[1].join(0.1)   # on Redis the second waits for the lock of the first
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert found == {"first": "old", "second": "new"}


def test_a_function_remembers_by_its_arguments(cache, monkeypatch):
    monkeypatch.setattr(face, "cache_manager", cache)
    calls = []

    @cache_result("total of {client_id} in {year}", ttl=60, group="clients")
    def total(client_id, *, year=2026):
        calls.append(client_id)
        return f"{client_id} {year}"

    assert [total("C1"), total(client_id="C1"), total("C1", year=2025), total("C2")] == [
        "C1 2026", "C1 2026", "C1 2025", "C2 2026"]
    face.forget_group("clients")
    assert total("C1") == "C1 2026"
    assert calls == ["C1", "C1", "C2", "C1"]


def test_figures(cache):
    cache.set("a", 1)
    cache.get("a")
    cache.get("b")
    stats = cache.get_stats()
    assert stats["state"] == "healthy"
    assert stats["backend"] in ("memory", "redis")
    assert stats["hits"] >= 1 <= stats["misses"]


def test_memory_is_bounded_and_the_least_recently_used_goes_first():
    from infrastructure.memory_cache import MemoryCache

    memory = MemoryCache(most_items=100, largest=50_000)
    cache = face.CacheManager("", memory=memory)
    cache.set("kept", "x")
    for number in range(1000):
        cache.set(f"n{number}", number)
        assert cache.get("kept") == "x"
    assert len(memory) <= 101
    for number in range(100):
        cache.set(f"large{number}", "y" * 5000)
    assert len(memory) <= 10
    cache.set("larger than all", "z" * 60_000)
    assert not cache.exists("larger than all")


def test_nothing_is_opened_by_importing():
    import subprocess
    import sys
    from pathlib import Path

    probe = ("import threading, sys, cache_manager\n"
             "assert threading.active_count() == 1\n"
             "assert 'flask' not in sys.modules and 'portal' not in sys.modules\n"
             "print(cache_manager.cache_manager.get_stats()['backend'])")
    root = Path(__file__).parents[2]
    environment = {"PATH": "", "REDIS_URL": "", "FLASK_ENV": "testing", "SECRET_KEY": "x" * 40}
    done = subprocess.run([sys.executable, "-c", probe], cwd=root, capture_output=True, text=True, timeout=60,
                          env=environment)
    assert done.stdout.strip() == "memory", done.stderr


def test_two_processes_share_what_they_know(redis):
    one, other = face.CacheManager(redis.url), face.CacheManager(redis.url)
    one.set("shared", 1, group="g")
    assert other.get("shared") == 1
    other.forget_group("g")
    assert one.get("shared") is None


def test_another_process_computes_and_this_one_waits(redis):
    one, other = face.CacheManager(redis.url), face.CacheManager(redis.url)
    begun, go_on, found = threading.Event(), threading.Event(), []

    def slowly():
        begun.set()
        go_on.wait(10)
        return "theirs"

    computing = threading.Thread(target=lambda: one.remember("across", slowly))
    computing.start()
    begun.wait(10)
    waiting = threading.Thread(target=lambda: found.append(other.remember("across", lambda: "mine")))
    waiting.start()
    time.sleep(0.05)
    go_on.set()
    computing.join(10)
    waiting.join(10)
    assert found == ["theirs"]
