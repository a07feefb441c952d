"""The cache of one process: bounded, the least recently used goes first, nothing outlives its time."""

import threading
import time

from cachetools import LRUCache

MOST_ITEMS = 20_000
LARGEST = 64 * 1024 * 1024   # characters of all values together
_ITEM = 200   # what an item costs besides its text
Entry = tuple[str, float]    # text, monotonic time of its end


def _weight(entry: Entry) -> int:
    return len(entry[0]) + _ITEM


class MemoryCache:
    """Texts by key. The commands are those of RedisCache; ttl is in seconds and always given."""

    def __init__(self, *, most_items: int = MOST_ITEMS, largest: int = LARGEST) -> None:
        self._lock = threading.Lock()
        self._most = most_items
        self._entries: LRUCache[str, Entry] = LRUCache(largest, getsizeof=_weight)

    def get(self, key: str) -> str | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[1] > time.monotonic():
                return entry[0]
            del self._entries[key]
            return None

    def get_many(self, keys: list[str]) -> list[str | None]:
        return [self.get(key) for key in keys]

    def set(self, key: str, text: str, ttl: float) -> None:
        entry = (text, time.monotonic() + ttl)
        with self._lock:
            try:
                self._entries[key] = entry
            except ValueError:   # larger than everything together may be
                self._entries.pop(key, None)
                return
            if len(self._entries) > self._most:
                self._entries.popitem()

    def set_many(self, texts: dict[str, str], ttl: float) -> None:
        for key, text in texts.items():
            self.set(key, text, ttl)

    def set_if_absent(self, key: str, text: str, ttl: float) -> str:
        """What stands there now: what stood there before, else `text`."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[1] > time.monotonic():
                return entry[0]
        self.set(key, text, ttl)
        return text

    def delete(self, keys: list[str]) -> int:
        now = time.monotonic()
        with self._lock:
            gone = [self._entries.pop(key, None) for key in keys]
        return sum(1 for entry in gone if entry is not None and entry[1] > now)

    def increment(self, key: str, by: int, ttl: float) -> int:
        """The new count; `ttl` counts from the first. Raises ValueError when the value is no whole number."""
        with self._lock:
            entry, now = self._entries.get(key), time.monotonic()
            if entry is None or entry[1] <= now:
                entry = ("0", now + ttl)
            if not entry[0].lstrip("-").isdecimal():
                raise ValueError("the value is no whole number")
            count = int(entry[0]) + by
            self._entries[key] = (str(count), entry[1])
        return count

    def expire(self, key: str, ttl: float) -> bool:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[1] <= time.monotonic():
                return False
            self._entries[key] = (entry[0], time.monotonic() + ttl)
            return True

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
