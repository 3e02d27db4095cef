"""Compute small pieces of work on one core each, several at the same time.

To divide every small operation of PyTorch among the cores costs more than it saves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

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
    workers = torch.get_num_threads() if at_once is None else at_once
    _keep_freed_memory()
    with one_core():
        yield from in_order(torch.no_grad()(function), items, 2 * workers, workers=workers, prepare=_alone)


@contextmanager
def one_core() -> Iterator[None]:
    """Let this thread, and the threads that begin meanwhile, compute on one core each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next item, up to 64 MiB for each thread, if it is glibc.

    It keeps twice the size of the largest block that was freed, of at most 32 MiB. By default, threads return memory to
    the system after each item and get it back with page faults, which take a tenth of the time.
    """
    torch.empty(2**25 - 2**16, dtype=torch.uint8)


def _alone() -> None:
    """Let this thread compute without the help of others."""
    torch.set_num_threads(1)
