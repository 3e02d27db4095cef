"""Work on data that the processes of a training divide among themselves: each does a part, and all have the results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

Divide = Callable[[Callable[[int, int], Any]], list[Any]]
"""Calls work with the rank of this process and the number of processes, and returns the results of all by rank."""

_divide: ContextVar[Divide | None] = ContextVar("divide", default=None)


@contextlib.contextmanager
def dividing(divide: Divide | None) -> Iterator[None]:
    """Divide work as `divide` does inside; `None` for this process alone."""
    before = _divide.set(divide)
    try:
        yield
    finally:
        _divide.reset(before)


def divided(work: Callable[[int, int], ResultT]) -> list[ResultT]:
    """Call `work` with a rank and a number of processes in each process, and return the results of all by rank.

    All processes of a training must call this in the same order. Outside of one, there is a single result.

    Arguments:
        work: returns plain values for JSON.

    Raises:
        GenzooError: `work` raised it in one of the processes; all of them raise.
    """
    divide = _divide.get()
    return [work(0, 1)] if divide is None else divide(work)
