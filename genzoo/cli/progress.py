"""Progress on stderr: a bar on a terminal, otherwise a line for every tenth."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from genzoo.engine.schedule import Budget
from genzoo.training.trainer import Step

_PARTS = 10


class Display:
    """Progress of preparation and training; called with every step.

    Arguments:
        quiet: show nothing, because another process does.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._live = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("preparing", total=None, detail="")
        self._budget = Budget(None, None)
        self._tenth = -1
        self._losses = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.stop()

    def phase(self, name: str) -> None:
        """Show the current phase, while nothing can be counted."""
        self._bar.update(self._task, description=name)
        if not self._live:
            self._console.print(name, highlight=False)

    def training(self, budget: Budget) -> None:
        """Start to count steps or time, up to the budget."""
        self._budget = budget
        self.phase("training")
        self._bar.update(self._task, total=1.0)

    def __call__(self, step: Step) -> None:
        if step.losses:
            losses = step.losses[-1].values
            self._losses = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        number, seconds = self._counts(step)
        detail = f"step {number}  epoch {step.epoch}  {self._losses}"
        self._bar.update(self._task, completed=step.fraction, detail=detail)
        tenth = int(step.fraction * _PARTS)
        if not self._live and tenth != self._tenth:
            self._tenth = tenth
            self._console.print(f"{step.fraction:4.0%}  {detail}  {seconds}", highlight=False)

    def _counts(self, step: Step) -> tuple[str, str]:
        """Return steps and seconds as text; only the one that the percentage counts shows its limit.

        A budget may limit both. If time is the tighter limit, "step 50/1000" beside "90%" would look wrong.
        """
        number, seconds = str(step.number), f"{step.seconds:.0f}"
        steps, limit = self._budget.steps, self._budget.seconds
        if steps is not None and step.number / steps >= step.fraction:
            return f"{number}/{steps}", f"{seconds} s"
        return number, f"{seconds} s" if limit is None else f"{seconds}/{limit:.0f} s"


class Counter:
    """Progress of a comparison; called after every fit.

    Arguments:
        beginning: description of the phase before the first fit.
    """

    def __init__(self, beginning: str) -> None:
        self._console = Console(stderr=True)
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
            transient=True,
        )
        self._task = self._bar.add_task(beginning, total=None)
        self._tenth = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int, name: str) -> None:
        """Show that `done` of `total` fits are done, the last one of candidate `name`."""
        self._bar.update(self._task, completed=done, total=total, description=name)
        tenth = done * _PARTS // total
        if not self._live and tenth != self._tenth:
            self._tenth = tenth
            self._console.print(f"{done}/{total} fits  {name}", highlight=False, markup=False)
