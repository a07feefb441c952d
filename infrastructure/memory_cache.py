"""The cache of one process: bounded, the least recently used goes first, nothing outlives its time."""

import threading
import time
from collections import OrderedDict

MOST_ITEMS = 20_000
LARGEST = 64 * 1024 * 1024   # characters of all values together
_ITEM = 200   # what an item costs besides its text
Entry = tuple[str, float]    # text, monotonic time of its end


class MemoryCache:
    """Texts by key. The commands are those of RedisCache; ttl is in seconds and always given."""

    def __init__(self, *, most_items: int = MOST_ITEMS, largest: int = LARGEST) -> None:
        self._lock = threading.Lock()
        self._most, self._largest = most_items, largest
        self._entries: OrderedDict[str, Entry] = OrderedDict()   # the one that was not used for longest comes first
        self._characters = 0   # of all texts

    def get(self, key: str) -> str | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry[1] > time.monotonic():
                self._entries.move_to_end(key)
                return entry[0]
            self._drop(key)
            return None

    def get_many(self, keys: list[str]) -> list[str | None]:
        return [self.get(key) for key in keys]

    def set(self, key: str, text: str, ttl: float) -> None:
        entry = (text, time.monotonic() + ttl)
        with self._lock:
            self._put(key, entry)

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
            gone = [self._drop(key) for key in keys]
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
            self._put(key, (str(count), entry[1]))
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
            self._characters = 0

    def _put(self, key: str, entry: Entry) -> None:
        """Puts it in, as the one that was used last; what does not fit any more goes."""
        entries, before = self._entries, self._entries.get(key)
        if before is not None:
            self._characters -= len(before[0])
            entries.move_to_end(key)
        entries[key] = entry
        self._characters += len(entry[0])
        if len(entry[0]) + _ITEM > self._largest:   # alone larger than everything together may be
            self._drop(key)
        while len(entries) > self._most or self._characters + _ITEM * len(entries) > self._largest:
            self._characters -= len(entries.popitem(last=False)[1][0])

    def _drop(self, key: str) -> Entry | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._characters -= len(entry[0])
        return entry

    def __len__(self) -> int:
        return len(self._entries)
