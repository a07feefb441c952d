"""Work that would hold up everybody else of a process: disks, checksums. And work beside one's own."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from gevent import get_hub, monkey, spawn

Answer = TypeVar("Answer")
Item = TypeVar("Item")
AT_ONCE = 8


def elsewhere(work: Callable[[], Answer]) -> Answer:
    """Does `work` in a native thread where gevent runs the process, else here. It must not wait for other greenlets."""
    if monkey.is_module_patched("threading"):
        return get_hub().threadpool.apply(work)  # type: ignore[no-any-return]
    return work()


def begun(work: Callable[[], Answer]) -> Callable[[], Answer]:
    """Begins `work`, which waits for others and not for the processor, in a greenlet where gevent runs the process;
    else it is done when asked for. Answers the function that gives its answer, or raises what it raised.

    No thread: Python gives none to a process on its way out, whose last requests are still answered.
    """
    if not monkey.is_module_patched("threading"):
        return work
    answer: Future[Answer] = Future()

    def carry() -> None:
        try:
            answer.set_result(work())
        except BaseException as problem:  # noqa: BLE001 - whoever asks for the answer gets it
            answer.set_exception(problem)

    spawn(carry)
    return answer.result


def each_elsewhere(work: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """Does `work` for each item, several at once in native threads: a disk serves many faster than one by one. The
    answers come in the order of the items.
    """
    every = list(items)
    # One thread takes many items: to hand over a small one costs more than to do it.
    shares = [every[first::AT_ONCE] for first in range(min(AT_ONCE, len(every)))]
    if monkey.is_module_patched("threading"):
        done = list(get_hub().threadpool.map(partial(_each, work), shares))
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            done = list(pool.map(partial(_each, work), shares))
    return [done[number % AT_ONCE][number // AT_ONCE] for number in range(len(every))]


def _each(work: Callable[[Item], Answer], items: list[Item]) -> list[Answer]:
    return [work(item) for item in items]
