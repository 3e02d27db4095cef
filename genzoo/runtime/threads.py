"""Compute in several threads, and count the cores for them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from genzoo.wording import front_end, speak_in_thread

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def thread_pool(workers: int | None = None, prepare: Callable[[], None] | None = None) -> ThreadPoolExecutor:
    """Return a pool of threads whose messages are for the reader that this thread writes for.

    Threads are for work of numpy, torch, pyarrow and files, which runs beside other threads.

    Arguments:
        workers: number of threads. Defaults to the pool's own choice.
        prepare: called first in every thread. Defaults to nothing.
    """
    reader = front_end()

    def begin() -> None:
        speak_in_thread(reader)
        if prepare is not None:
            prepare()

    return ThreadPoolExecutor(workers, initializer=begin)


def in_order(
    function: Callable[[ItemT], ResultT],
    items: Iterable[ItemT],
    ahead: int,
    weight: Callable[[ItemT], int] = lambda _: 1,
    *,
    workers: int | None = None,
    prepare: Callable[[], None] | None = None,
) -> Iterator[ResultT]:
    """Yield the result for each item, in the order of the items, computed in several threads.

    Arguments:
        ahead: number of results that may wait, which bounds the memory they take.
        weight: returns how many results an item counts as. Defaults to one.
        workers, prepare: see `thread_pool`.
    """
    waiting: deque[tuple[Future[ResultT], int]] = deque()
    held = 0
    with thread_pool(workers, prepare) as pool:
        try:
            for item in items:
                own = weight(item)
                waiting.append((pool.submit(function, item), own))
                held += own
                while held >= ahead and waiting:
                    future, done = waiting.popleft()
                    held -= done
                    yield future.result()
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            for future, _ in waiting:
                future.cancel()


def available_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
