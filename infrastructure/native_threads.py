"""Work that would hold up everybody else of a process: disks, checksums."""

from collections.abc import Callable
from typing import TypeVar

from gevent import get_hub, monkey

Answer = TypeVar("Answer")


def elsewhere(work: Callable[[], Answer]) -> Answer:
    """Does `work` in a native thread where gevent runs the process, else here. It must not wait for other greenlets."""
    if monkey.is_module_patched("threading"):
        return get_hub().threadpool.apply(work)  # type: ignore[no-any-return]
    return work()
