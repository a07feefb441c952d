"""Work that would hold up everybody else of a process: disks, checksums."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gevent import get_hub, monkey

Answer = TypeVar("Answer")
Item = TypeVar("Item")
AT_ONCE = 8


def elsewhere(work: Callable[[], Answer]) -> Answer:
    """Does `work` in a native thread where gevent runs the process, else here. It must not wait for other greenlets."""
    if monkey.is_module_patched("threading"):
        return get_hub().threadpool.apply(work)  # type: ignore[no-any-return]
    return work()


def each_elsewhere(work: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Does `work` for each item, several at once in native threads: a disk serves many faster than one by one."""
    if monkey.is_module_patched("threading"):
        get_hub().threadpool.map(work, items)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, items))
