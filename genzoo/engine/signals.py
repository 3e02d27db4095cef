"""Stop training in good order on SIGINT and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.models.objective import Batch


class Abandoned(BaseException):
    """SIGINT or SIGTERM came during work that can be left undone. Raised within `Signals.abandonable`."""


_STOP = 1_000
"""Larger than the number of any signal."""


class Signals:
    """Turns the first SIGINT or SIGTERM into a flag; a second SIGINT interrupts at once.

    A signal that is ignored stays ignored: `nohup`, and `&` in a script, protect a training from them.

    Run work that changes nothing, or that can be undone, `with signals.abandonable:`. There the first signal raises
    `Abandoned`, however long the work would take. With several processes it does not, because the others would wait
    for this one forever: long work then asks `stop_requested` between its parts.

    Arguments:
        processes: processes that train together. All stop after the same step, if any receives a signal. Defaults to
            this one alone.
    """

    def __init__(self, processes: Processes = SINGLE_PROCESS) -> None:
        self._processes = processes
        self.received: int | None = None
        self.abandonable = _Abandonable(self)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self.received = None
        self._processes.watch(lambda: self.received)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def handled(self) -> bool:
        """Whether signals are turned into a flag now, in this thread."""
        return bool(self._before)

    def pending(self, *, stop: bool = False, together: bool = False) -> tuple[bool, bool]:
        """Return whether any process has received a signal, and whether any wants to stop for another reason.

        All processes must ask at the same time, and get the same answer.

        Arguments:
            stop: whether this process wants to stop. Defaults to false.
            together: whether all processes want the same. Then they need no message of their own if signals came with
                the gradients of the step. A signal that came later travels with the next gradients. Defaults to false.
        """
        heard = self._processes.heard()
        if together and heard is not None:
            self.received = heard or self.received
            return heard != 0, stop
        # One number for both: the largest holds a wish to stop of any process, and a signal of the same process.
        largest = self._processes.largest(_STOP * stop + (self.received or 0))
        stop, received = largest >= _STOP, largest % _STOP
        self.received = received or self.received
        return received != 0, stop

    def stop_requested(self) -> bool:
        """Return whether this process has received a signal."""
        return self.received is not None

    @property
    def abandons(self) -> bool:
        """Whether a signal has come that cuts abandonable work short."""
        return self.stop_requested() and self._processes.count == 1

    @property
    def word(self) -> str:
        """First word of the message about the signal."""
        return "Terminated" if self.received == signal.SIGTERM else "Interrupted"

    @property
    def exit_code(self) -> int:
        """Exit code of a process that stops because of the signal."""
        return 128 + (self.received or signal.SIGINT)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        first, self.received = self.received is None, number
        if first and self.abandonable.entered and self.abandons:
            self.abandonable.entered = False
            raise Abandoned


class _Abandonable:
    """Work that the first signal ends, also if the signal came before the work began."""

    def __init__(self, signals: Signals) -> None:
        self.entered = False
        self._signals = signals

    def __enter__(self) -> None:
        self.entered = True
        if self._signals.abandons:
            self.entered = False
            raise Abandoned

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.entered = False


class StopCheck:
    """Blocks of events that end with `Abandoned` once a process of several has received a signal.

    A process that trains alone is stopped by `Signals.abandonable` instead, without waiting for the next block.

    Arguments:
        blocks: iterated from the start each time.
        signals: of this process.

    Raises:
        Abandoned: during an iteration.
    """

    def __init__(self, blocks: Iterable[Batch], signals: Signals) -> None:
        self._blocks = blocks
        self._signals = signals

    def __iter__(self) -> Iterator[Batch]:
        for block in self._blocks:
            if self._signals.stop_requested():
                raise Abandoned
            yield block
