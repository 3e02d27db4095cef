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


def thread_pool() -> ThreadPoolExecutor:
    """Return a pool of threads whose messages are for the reader that this thread writes for.

    Threads are for work of numpy, pyarrow and files, which runs beside other threads.
    """
    return ThreadPoolExecutor(initializer=speak_in_thread, initargs=(front_end(),))


def in_order(
    function: Callable[[ItemT], ResultT],
    items: Iterable[ItemT],
    ahead: int,
    weight: Callable[[ItemT], int] = lambda _: 1,
) -> Iterator[ResultT]:
    """Yield the result for each item, in the order of the items, computed in several threads.

    Arguments:
        ahead: number of results that may wait, which bounds the memory they take.
        weight: returns how many results an item counts as. Defaults to one.
    """
    waiting: deque[tuple[Future[ResultT], int]] = deque()
    held = 0
    with thread_pool() as pool:
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
