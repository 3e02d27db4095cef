"""Say what goes on: library code opens a phase and counts, and its caller decides whether to show it.

Counting costs one addition. Nothing is formatted until a display looks.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ParamSpec, Protocol, Self, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
Arguments = ParamSpec("Arguments")


@dataclass(frozen=True, slots=True)
class PhaseView:
    """What a phase looks like at one moment.

    Arguments:
        name: what is done.
        fraction: share that is done, 0 to 1; `None` if nobody knows.
        detail: counts, losses and the like, as text.
        at_most: whether the work may end before all of it is done.
    """

    name: str
    fraction: float | None
    detail: str
    at_most: bool = False


class PhaseObserver(Protocol):
    """Sees phases begin and end. Phases inside others end first."""

    def begin(self, phase: Phase) -> None:
        """Run before the work."""

    def end(self, phase: Phase, *, failed: bool) -> None:
        """Run after the work, also if it raised an error."""


_OBSERVER: ContextVar[PhaseObserver | None] = ContextVar("observer", default=None)


class Phase:
    """A piece of work that may take a while; a context around it.

    Arguments:
        name: what is done, such as `"reading a.csv"`.
        total: how much there is to do. Defaults to `None`: unknown.
        unit: what is counted, such as `"rows"`. Defaults to none: only a percentage is shown.
        part: how much of `total` a phase inside this one stands for. Defaults to 0.
        start: share that was done before, 0 to 1, such as by a training that is resumed. Defaults to 0.
        at_most: whether the work may end early, so that the time it takes is a limit. Defaults to false.

    Examples:
        >>> with Phase("reading", 3, "files") as phase:
        ...     for _ in range(2):
        ...         phase.advance()
        ...     print(views([phase])[0].detail)
        2/3 files
    """

    __slots__ = (
        "_detail",
        "_observer",
        "_reached",
        "at_most",
        "done",
        "lanes",
        "name",
        "part",
        "start",
        "total",
        "unit",
    )

    def __init__(
        self,
        name: str,
        total: float | None = None,
        unit: str = "",
        *,
        part: float = 0,
        start: float = 0,
        at_most: bool = False,
    ) -> None:
        self.name = name
        self.total = total
        self.unit = unit
        self.part = part
        self.start = start
        self.at_most = at_most
        self.done: float = 0
        self.lanes: Callable[[], Sequence[Sequence[PhaseView]]] = tuple
        """Returns the phases of other processes that work on this one, the outermost of each process first."""
        self._detail: str | Callable[[], str] = ""
        self._reached = 0.0
        self._observer: PhaseObserver | None = None

    def __enter__(self) -> Self:
        self._observer = _OBSERVER.get()
        if self._observer is not None:
            self._observer.begin(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.end(self, failed=kind is not None)

    def advance(self, amount: float = 1) -> None:
        """Count what is done."""
        self.done += amount

    def describe(self, detail: str | Callable[[], str]) -> None:
        """Set a text to show beside the counts, or a function that returns it when a display looks."""
        self._detail = detail

    def over(self, items: Iterable[ItemT], size: Callable[[ItemT], int]) -> Iterator[ItemT]:
        """Yield items, and count each by its size once it is worked on."""
        for item in items:
            self.part = size(item)
            yield item
            self.done += self.part
            self.part = 0

    def view(self, inside: float) -> PhaseView:
        """Return what it looks like.

        Arguments:
            inside: share of the phase inside this one that is done, 0 to 1.
        """
        own = self._detail if isinstance(self._detail, str) else self._detail()
        return PhaseView(
            self.name, self._fraction(inside), "  ".join(filter(None, (self._counts(), own))), self.at_most
        )

    def _fraction(self, inside: float) -> float | None:
        if not self.total:
            return None
        others = sum(lane[0].fraction or 0.0 for lane in self.lanes() if lane)
        # Several phases inside this one may follow each other, and the second begins at 0 again.
        self._reached = min(1.0, max(self._reached, (self.done + self.part * inside + others) / self.total))
        return self._reached

    def _counts(self) -> str:
        if not self.unit or not (self.total or self.done):
            return ""
        of = "" if self.total is None else f"/{self.total:,.0f}"
        return f"{self.done:,.0f}{of} {self.unit}"


def in_phase(name: str) -> Callable[[Callable[Arguments, ResultT]], Callable[Arguments, ResultT]]:
    """Return a decorator of functions whose whole work is a phase."""

    def decorate(function: Callable[Arguments, ResultT]) -> Callable[Arguments, ResultT]:
        @functools.wraps(function)
        def call(*args: Arguments.args, **settings: Arguments.kwargs) -> ResultT:
            with Phase(name):
                return function(*args, **settings)

        return call

    return decorate


def views(phases: Sequence[Phase]) -> list[PhaseView]:
    """Return what phases look like, each inside the one before it."""
    found: list[PhaseView] = []
    inside = 0.0
    for phase in reversed(phases):
        found.append(phase.view(inside))
        inside = found[-1].fraction or 0.0
    return found[::-1]


def is_observed() -> bool:
    """Return whether anybody sees the phases that begin here."""
    return _OBSERVER.get() is not None


@contextlib.contextmanager
def observed(observer: PhaseObserver | None) -> Iterator[None]:
    """Let an observer see the phases inside; `None` lets nobody see them."""
    before = _OBSERVER.set(observer)
    try:
        yield
    finally:
        _OBSERVER.reset(before)
