"""Show phases on stderr: a bar in a terminal or a notebook, and plain lines in a file or pipe."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from genzoo.runtime.progress import Phase, PhaseView, is_observed, observed, views
from genzoo.text import printable

if TYPE_CHECKING:
    from rich.table import Table

_TICK = 0.25
"""Seconds between two looks at the phases."""


_EVERY = 4.0
"""Seconds between two plain lines."""


_SHORT = 0.5
"""Seconds up to which a phase is not worth a line."""


_MOST_LANES = 8
"""Largest number of processes with a line of their own."""


@dataclass(frozen=True, slots=True)
class Status:
    """What is shown at one moment.

    Arguments:
        phases: phases of this process, the outermost first.
        lanes: phases of other processes.
        elapsed: seconds since the outermost phase began.
        remaining: seconds that are left of the outermost phase with a known end; `None` if there is none.
    """

    phases: Sequence[PhaseView]
    lanes: Sequence[Sequence[PhaseView]]
    elapsed: float
    remaining: float | None

    @property
    def fraction(self) -> float | None:
        """Share of the outermost phase that is done."""
        return self.phases[0].fraction

    def times(self) -> list[str]:
        """Return the times with their labels."""
        times = [f"elapsed {clock_text(self.elapsed)}"]
        if self.remaining is not None:
            limit = next(view for view in self.phases if view.fraction is not None).at_most
            times.append(f"remaining {'at most ' if limit else ''}{clock_text(self.remaining)}")
        return times

    def line(self) -> str:
        """Return all of it as one line."""
        first = self.phases[0]
        parts = [*_words(first), *self.times()]
        inside = [_inside(self.phases[1:]), *(_inside(lane) for lane in self.lanes)]
        return " | ".join(filter(None, ("  ".join(parts), *inside)))

    def rest(self) -> list[str]:
        """Return the lines below the first."""
        lines = ["  ".join(_words(view)) for view in self.phases[1:]]
        return [*lines, *(_inside(lane) for lane in self.lanes[:_MOST_LANES])]


def _words(view: PhaseView) -> list[str]:
    """Return the name, percentage and detail of a phase."""
    percent = "" if view.fraction is None else f"{int(view.fraction * 100)}%"
    return [part for part in (printable(view.name), percent, printable(view.detail)) if part]


def _inside(phases: Sequence[PhaseView]) -> str:
    """Return the outermost and the innermost of nested phases, as one text."""
    shown = [*phases[:1], *phases[1:][-1:]]
    return ": ".join("  ".join(_words(view)) for view in shown)


def clock_text(seconds: float) -> str:
    """Return a duration as a clock shows it.

    Examples:
        >>> clock_text(75), clock_text(3675)
        ('1:15', '1:01:15')
    """
    minutes, second = divmod(int(seconds + 0.5), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class Surface(ABC):
    """Where phases are shown."""

    patience: float = _TICK
    """Seconds after which an outermost phase is shown first."""

    every: float = _TICK
    """Seconds between two drawings."""

    keeps_all: bool = False
    """Whether a line stays of every phase that was not short, also of those that count nothing and succeed."""

    @abstractmethod
    def draw(self, status: Status) -> None:
        """Show the present state."""

    @abstractmethod
    def finish(self, line: str | None) -> None:
        """Remove the state, and leave a line, if any, about a phase that has ended."""


class LineSurface(Surface):
    """Plain lines on stderr, for files and pipes."""

    patience, every, keeps_all = _SHORT, _EVERY, True

    def draw(self, status: Status) -> None:
        self.finish(status.line())

    def finish(self, line: str | None) -> None:
        if line is not None and sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)


class TerminalSurface(Surface):
    """A bar on the last lines of a terminal.

    Arguments:
        console: the terminal. Defaults to the terminal that stderr is.
    """

    def __init__(self, console: Any = None) -> None:
        self._console = console
        self._live: Any = None

    def draw(self, status: Status) -> None:
        self._open()
        self._live.update(self._rendered(status), refresh=True)

    def finish(self, line: str | None) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        if line is not None:
            self._open_console().print(line, markup=False, highlight=False)

    def _open_console(self) -> Any:
        if self._console is None:
            from rich.console import Console  # slow to import, and often nothing is shown

            self._console = Console(stderr=True)
        return self._console

    def _open(self) -> None:
        if self._live is not None:
            return
        from rich.live import Live

        console = self._open_console()
        # What others print goes above the bar, unless it goes to a file.
        printed = sys.stdout is not None and sys.stdout.isatty()
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=printed)
        self._live.start()
        console.show_cursor(True)  # a killed process could not bring it back

    def _rendered(self, status: Status) -> Any:
        from rich.console import Group
        from rich.text import Text

        width = self._open_console().width
        below = [Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in status.rest()]
        return Group(_first_line(status, width), *below)


_LEAST_NAME, _LEAST_BAR, _MOST_BAR = 8, 8, 30


def _first_line(status: Status, width: int) -> Table:
    """Return the outermost phase with a bar, and as many of the other facts as fit the width."""
    from rich.progress_bar import ProgressBar
    from rich.table import Column, Table
    from rich.text import Text

    name, *words = _words(status.phases[0])
    percent = words.pop(0) if status.fraction is not None else ""
    facts = fitting([percent, *status.times()[::-1], *words], width - 1 - max(_LEAST_NAME, min(len(name), width // 2)))
    spare = width - 1 - sum(len(fact) + 2 for fact in facts)
    size = min(_MOST_BAR, spare - min(len(name), spare) - 2)
    name = name if len(name) <= spare else f"{name[: max(0, spare - 1)]}…"
    cells: list[Any] = [Text(name)]
    if size >= _LEAST_BAR:
        cells.append(
            ProgressBar(total=None if status.fraction is None else 1.0, completed=status.fraction or 0, width=size)
        )
    ordered = [fact for fact in (percent, *words, *status.times()) if fact in facts]
    cells += [Text(fact) for fact in ordered]
    table = Table.grid(*(Column(no_wrap=True) for _ in cells), padding=(0, 2, 0, 0))
    table.add_row(*cells)
    return table


def fitting(facts: Sequence[str], width: int) -> list[str]:
    """Return the facts that fit a line, the most important first.

    Examples:
        >>> fitting(["45%", "remaining 0:15", "elapsed 0:12"], 22)
        ['45%', 'remaining 0:15']
    """
    found: list[str] = []
    for fact in filter(None, facts):
        if sum(len(one) + 2 for one in found) + len(fact) + 2 <= width:
            found.append(fact)
    return found


class NotebookSurface(Surface):
    """One output below the cell of a notebook, which changes in place: what is done, and what goes on."""

    every = 0.5

    def __init__(self) -> None:
        self._handle: Any = None
        self._done: list[str] = []

    def draw(self, status: Status) -> None:
        done = "" if status.fraction is None else _blocks(status.fraction)
        self._show([*self._done, f"{done}{status.line()}"])

    def finish(self, line: str | None) -> None:
        if line is not None:
            self._done.append(line)
        if line is not None or self._handle is not None:
            self._show(self._done)

    def _show(self, lines: Sequence[str]) -> None:
        text = "\n".join(lines)
        # The kernel brings this library with it. Widgets, which rich would need here, are not installed everywhere.
        from IPython.display import display

        content = {"text/plain": text}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def _blocks(fraction: float, size: int = 20) -> str:
    full = int(fraction * size)
    return f"{'█' * full}{'░' * (size - full)} "


@dataclass(frozen=True, slots=True)
class _Open:
    """A phase that goes on, and when it began."""

    phase: Phase
    begun: float


class Display:
    """Shows the phases that it sees.

    Arguments:
        surface: where to show them.
        clock: returns seconds. Defaults to the time of the system.
        alone: whether a thread of its own looks at the phases. Otherwise call `tick`. Defaults to true.
    """

    def __init__(self, surface: Surface, *, clock: Callable[[], float] = time.monotonic, alone: bool = True) -> None:
        self._surface = surface
        self._clock = clock
        self._alone = alone
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._open: list[_Open] = []
        self._drawn: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self._open:  # an interruption came between the beginning of a phase and its work
            self._finish(None)

    def begin(self, phase: Phase) -> None:
        """Show a phase, once it has lasted a moment."""
        self._open.append(_Open(phase, self._clock()))
        if self._alone and self._thread is None:
            thread = threading.Thread(target=self._run, name="genzoo-progress", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there is no memory for one: the work goes on without a display
                self._alone = False
            else:
                self._thread = thread

    def end(self, phase: Phase, *, failed: bool) -> None:
        """Forget a phase and those inside it. If it is the outermost, leave a line about it, unless it was short."""
        with self._lock:
            place = next((place for place, one in enumerate(self._open) if one.phase is phase), None)
            if place is None:
                return
            if place == 0:
                took = self._clock() - self._open[0].begun
                view = phase.view(0.0)
                worth = failed or view.fraction is not None or self._surface.keeps_all
                worth = worth and (self._drawn is not None or took >= _SHORT)
                self._finish(_last_line(view, took, failed=failed) if worth else None)
            del self._open[place:]

    def tick(self) -> None:
        """Draw the phases, if it is time."""
        with self._lock:
            if not self._open:
                return
            now, surface = self._clock(), self._surface
            due = self._open[0].begun + surface.patience if self._drawn is None else self._drawn + surface.every
            if now >= due:
                self._drawn = now
                with contextlib.suppress(OSError, ValueError):  # nobody can read it any more
                    surface.draw(self._status(now))

    def _finish(self, line: str | None) -> None:
        self._drawn = None
        with contextlib.suppress(OSError, ValueError):
            self._surface.finish(line)

    def _run(self) -> None:
        while not self._ended.wait(_TICK):
            self.tick()

    def _status(self, now: float) -> Status:
        going_on = self._open[:]  # the main thread may begin another
        phases = [one.phase for one in going_on]
        shown = views(phases)
        lanes = [lane for phase in phases for lane in phase.lanes() if lane]
        return Status(shown, lanes, now - going_on[0].begun, _remaining(going_on, shown, now))


def _remaining(going_on: Sequence[_Open], shown: Sequence[PhaseView], now: float) -> float | None:
    """Return the seconds that are left of the outermost phase with a known end, at its speed so far."""
    for one, view in zip(going_on, shown, strict=True):
        if view.fraction is None:
            continue
        gained = view.fraction - one.phase.start
        return (now - one.begun) * (1 - view.fraction) / gained if gained > 0 else None
    return None


def _last_line(view: PhaseView, took: float, *, failed: bool) -> str:
    if view.at_most and not failed and view.fraction != 1.0:  # the work is done, and took less than it might have
        view = dataclasses.replace(view, fraction=None)
    name, *words = _words(view)
    ending = "stopped after" if failed else "took"
    return "  ".join([name, *words, f"{ending} {clock_text(took)}"])


def find_surface(progress: bool | None) -> Surface | None:
    """Return where to show progress.

    Arguments:
        progress: `None` shows it in a terminal or a notebook only.
    """
    if sys.stderr is None:
        return None
    if sys.stderr.isatty():
        return LineSurface() if _below_a_cell() else TerminalSurface()
    if "IPython" in sys.modules and _in_notebook():
        return NotebookSurface()
    return LineSurface() if progress else None


def _below_a_cell() -> bool:
    """Return whether this process is a command of a cell, such as `!genzoo train`.

    Its terminal is not a real one: the notebook shows all that is printed, and cannot redraw lines.
    """
    return "JPY_PARENT_PID" in os.environ or "backend_inline" in os.environ.get("MPLBACKEND", "")


def _in_notebook() -> bool:
    from rich.console import Console

    return Console().is_jupyter


@contextlib.contextmanager
def show_progress(progress: bool | None = True) -> Iterator[None]:
    """Show the progress of everything that genzoo does inside, on stderr or below the cell of a notebook.

    Arguments:
        progress: false shows nothing; `None` shows it in a terminal or a notebook only. Defaults to true.

    Examples:
        >>> with show_progress():  # doctest: +SKIP
        ...     run.log_prob(x)
    """
    if progress is False:
        with observed(None):
            yield
        return
    surface = None if is_observed() else find_surface(progress)
    if surface is None:
        yield
        return
    with Display(surface) as display, observed(display):
        yield
