"""SIGINT and SIGTERM on the command line."""

from __future__ import annotations

import os
import signal
import threading
from collections import namedtuple
from types import FrameType
from typing import Any, Self

from genzoo.errors import Interrupted

WORDS: dict[int, str] = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}
"""What is said of signals that end a command."""


def exit_at_once(number: int, _: FrameType | None = None) -> None:
    """End the process with the exit code of a signal, whatever it is doing."""
    try:
        os.write(2, f"Error: {WORDS[number]}.\n".encode())
    finally:
        os._exit(128 + number)


class Stop:
    """Turns the first SIGINT or SIGTERM within `work` into a `KeyboardInterrupt`, which is raised nowhere else.

    So nothing that tells of the first is torn by a second. Signals that were ignored before stay so.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.work = _Work(self)
        self.over = False
        self._before: dict[int, Any] = {}

    @property
    def word(self) -> str:
        """What is said of the signal."""
        return WORDS[self.received or signal.SIGINT]

    def code(self, otherwise: int) -> int:
        """The exit code of the signal; `otherwise` where none came."""
        return otherwise if self.received is None else 128 + self.received

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in WORDS:
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():  # of a process of its own nothing is left but the end
            signal.signal(number, signal.SIG_IGN if before is exit_at_once else before)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.over:
            return
        first, self.received = self.received is None, self.received or number
        if not (first and self.work.going_on):
            exit_at_once(self.received)
        raise KeyboardInterrupt


def forget_interrupt() -> None:
    """Have Python end with the exit code that it is given, also where a `KeyboardInterrupt` has come through `exec`.

    CPython notes the interruption of whatever it evaluates as text, such as the methods of a dataclass, and would end
    by SIGINT, were nothing else evaluated after it.
    """
    namedtuple("Nothing", ())


class _Work:
    """The stretch that the first signal ends; after it, none does anything.

    Code that the signal tore may raise what it will, as an import does that was cut short: it stays the signal's end.
    """

    def __init__(self, stop: Stop) -> None:
        self.going_on = False
        self._stop = stop

    def __enter__(self) -> None:
        self.going_on = True

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._stop.over = True
        if self._stop.received is not None and error is not None and not isinstance(error, Interrupted):
            raise KeyboardInterrupt from error
