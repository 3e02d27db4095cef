"""Compute small pieces of work on one core each, several at the same time.

To divide every small operation of PyTorch among the cores costs more than it saves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from genzoo.runtime.memory import keep_freed_memory
from genzoo.runtime.threads import in_order

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def one_core_each(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT], at_once: int | None = None
) -> Iterator[ResultT]:
    """Yield the result for each item, in the order of the items, each of them computed on one core, without gradients.

    Arguments:
        at_once: number of threads that compute. Defaults to PyTorch's.
    """
    keep_freed_memory()
    with one_core() as threads:
        workers = threads if at_once is None else at_once
        yield from in_order(torch.no_grad()(function), items, 2 * workers, workers=workers, prepare=_alone)


class _Inside:
    """How many threads are inside `one_core`, and the number of PyTorch's threads before the first of them came."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.threads = 1


_INSIDE = _Inside()


@contextmanager
def one_core() -> Iterator[int]:
    """Let this thread, and the threads that begin meanwhile, compute on one core each.

    PyTorch has a number for each thread, and one that new threads begin with, and `set_num_threads` changes both. A
    thread that began while another was inside has its 1, and gets the number from before as it leaves.

    Yields:
        The number of PyTorch's threads before.
    """
    with _INSIDE.lock:
        threads = max(torch.get_num_threads(), _INSIDE.threads if _INSIDE.count else 1)
        if not _INSIDE.count:
            _INSIDE.threads = threads
        _INSIDE.count += 1
        torch.set_num_threads(1)
    try:
        yield threads
    finally:
        with _INSIDE.lock:
            _INSIDE.count -= 1
            torch.set_num_threads(threads)


def _alone() -> None:
    """Let this thread compute without the help of others."""
    torch.set_num_threads(1)
