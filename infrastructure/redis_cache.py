"""The cache that all processes share: the commands of MemoryCache on Redis."""

from collections.abc import Callable
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from infrastructure.redis_client import Client

# Everything of the cache lies under one prefix, so that it can be thrown away without touching anything else.
PREFIX = "cache:"
SERVER = f"{PREFIX}server"   # run id of the server that the values were written to
_INCREMENT = """
local count = redis.call('incrby', KEYS[1], ARGV[1])
if redis.call('pttl', KEYS[1]) < 0 then redis.call('pexpire', KEYS[1], ARGV[2]) end
return count
"""
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class RedisCache:
    """Texts by key. Every command may raise redis.RedisError; times are in seconds."""

    def __init__(self, client: Client, *, cluster: bool = False) -> None:
        self.client, self.is_cluster = client, cluster
        # What every request asks goes the short way; in a cluster redis-py knows the server of each key.
        self._ask: Callable[..., Any] = client.execute_command if cluster else client.connection_pool.ask
        self._increment = client.register_script(_INCREMENT)
        self._unlock = client.register_script(_UNLOCK)

    def get(self, key: str) -> str | None:
        found: str | None = self._ask("GET", PREFIX + key)
        return found

    def get_many(self, keys: list[str]) -> list[str | None]:
        names = [PREFIX + key for key in keys]
        if self.is_cluster:
            return list(self.client.mget_nonatomic(names))
        return list(self._ask("MGET", *names))

    def set(self, key: str, text: str, ttl: float) -> None:
        self._ask("PSETEX", PREFIX + key, _milliseconds(ttl), text)

    def set_many(self, texts: dict[str, str], ttl: float) -> None:
        pipeline = self.client.pipeline(transaction=False)
        for key, text in texts.items():
            pipeline.set(PREFIX + key, text, px=_milliseconds(ttl))
        pipeline.execute()

    def set_if_absent(self, key: str, text: str, ttl: float) -> str:
        """What stands there now: what stood there before, else `text`."""
        before: str | None = self.client.set(PREFIX + key, text, px=_milliseconds(ttl), nx=True, get=True)
        return text if before is None else before

    def delete(self, keys: list[str]) -> int:
        if self.is_cluster:
            return sum(int(self.client.unlink(PREFIX + key)) for key in keys)
        return int(self.client.unlink(*(PREFIX + key for key in keys)))

    def increment(self, key: str, by: int, ttl: float) -> int:
        """The new count; `ttl` counts from the first. Raises ValueError when the value is no whole number."""
        try:
            return int(self._increment(keys=[PREFIX + key], args=[by, _milliseconds(ttl)]))
        except redis.ResponseError as error:
            if "not an integer" in str(error) or "WRONGTYPE" in str(error):
                raise ValueError("the value is no whole number") from error
            raise

    def expire(self, key: str, ttl: float) -> bool:
        return bool(self.client.pexpire(PREFIX + key, _milliseconds(ttl)))

    def lock(self, key: str, owner: str, ttl: float) -> bool:
        """Whether the lock is the owner's now. It frees itself after `ttl`."""
        return bool(self.client.set(PREFIX + key, owner, px=_milliseconds(ttl), nx=True))

    def unlock(self, key: str, owner: str) -> None:
        self._unlock(keys=[PREFIX + key], args=[owner])

    def clear(self) -> None:
        """Throws all values away, a thousand at a time: KEYS would hold everybody up."""
        batch: list[str] = []
        for name in self.client.scan_iter(match=f"{PREFIX}*", count=1000):
            if name != SERVER:
                batch.append(name)
            if len(batch) == 1000:
                self._unlink(batch)
                batch = []
        self._unlink(batch)

    def settle(self) -> str:
        """Makes sure that nothing is left of another server's life, and answers the server's run id, "" for a cluster.

        Raises redis.RedisError when Redis takes no writes.

        A server that came back from its snapshot, or a replica that was promoted, holds values that were forgotten
        since: their deletion never reached it. It gives itself away by another run id than the values were written to.
        """
        if self.is_cluster:   # many servers, each with a life of its own
            self.clear()
            return ""
        run_id = self.run_id()
        if self.client.get(SERVER) != run_id:
            self.clear()
        self.client.set(SERVER, run_id)
        return run_id

    def run_id(self) -> str:
        """Another one after each start of the server; "" where the portal may not ask."""
        try:
            facts: dict[str, Any] = self.client.info("server")
        except NoPermissionError:
            return ""
        return str(facts.get("run_id", ""))

    def _unlink(self, names: list[str]) -> None:
        if self.is_cluster:
            for name in names:
                self.client.unlink(name)
        elif names:
            self.client.unlink(*names)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
