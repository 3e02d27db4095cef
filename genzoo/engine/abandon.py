"""A pass that is left undone because somebody wants training to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from genzoo.objective import Batch


class Abandoned(BaseException):
    """A signal came while something was done that can be left undone; whoever allowed it meets this."""


class UntilTold:
    """Blocks of events, of which none follows once somebody wants to stop.

    Arguments:
        blocks: iterated from the start each time.
        told: whether somebody does.

    Raises:
        Abandoned: in the midst of an iteration, when somebody does.
    """

    def __init__(self, blocks: Iterable[Batch], told: Callable[[], bool]) -> None:
        self._blocks = blocks
        self._told = told

    def __iter__(self) -> Iterator[Batch]:
        for block in self._blocks:
            if self._told():
                raise Abandoned
            yield block
