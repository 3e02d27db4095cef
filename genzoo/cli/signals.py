"""Exit codes and messages of SIGINT and SIGTERM on the command line.

A command goes through three stages:

1. `exit_on_signals` makes a signal end the process at once, before anything slow is imported.
2. Inside `Stop.work`, the first signal raises `KeyboardInterrupt`, so that the command can clean up. A second signal
   ends the process at once.
3. After `Stop.work`, signals do nothing, so that the message about the first one is printed whole.

Training has handlers of its own while it runs, see `genzoo/engine/signals.py`. Signals that were ignored when the
process started stay ignored.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import namedtuple
from types import FrameType
from typing import Any, Self

from genzoo.errors import Interrupted

WORDS: dict[int, str] = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}
"""First word of the message of each signal that ends a command."""


def exit_on_signals() -> None:
    """Make SIGINT and SIGTERM end the process at once, unless they are ignored or handled already."""
    for number in WORDS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, exit_at_once)


def exit_at_once(number: int, _: FrameType | None = None) -> None:
    """End the process with the exit code of a signal, without cleaning up."""
    try:
        os.write(2, f"Error: {WORDS[number]}.\n".encode())
    finally:
        os._exit(128 + number)


class Stop:
    """Handlers of SIGINT and SIGTERM for one command; the second and third stage above."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.work = _Work(self)
        self.over = False
        self._before: dict[int, Any] = {}

    @property
    def word(self) -> str:
        """The first word of the message about the signal."""
        return WORDS[self.received or signal.SIGINT]

    def code(self, otherwise: int) -> int:
        """Return the exit code of the signal, or `otherwise` if there was none."""
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
        for number, before in self._before.items():
            # After `exit_on_signals`, this process runs one command and is about to exit: nothing may disturb that.
            signal.signal(number, signal.SIG_IGN if before is exit_at_once else before)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.over:
            return
        first, self.received = self.received is None, self.received or number
        if not (first and self.work.running):
            exit_at_once(self.received)
        raise KeyboardInterrupt


class _Work:
    """The part of a command that a signal interrupts."""

    def __init__(self, stop: Stop) -> None:
        self.running = False
        self._stop = stop

    def __enter__(self) -> None:
        self.running = True

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._stop.over = True
        # Interrupted code may turn the signal into another error, as an import does. It still counts as the signal.
        if self._stop.received is not None and error is not None and not isinstance(error, Interrupted):
            raise KeyboardInterrupt from error


def forget_interrupt() -> None:
    """Make Python exit with the code passed to `sys.exit`, even if a signal arrived inside `exec`.

    `dataclasses` and others run generated code with `exec`. If a `KeyboardInterrupt` leaves that code, CPython
    remembers it. `python -m genzoo` would then end by SIGINT at exit, even though the exception was caught. CPython
    forgets it when it next evaluates text, which `namedtuple` does.

    See `test_a_signal_while_text_is_evaluated_gives_its_exit_code_too` in `tests/cli/test_signals.py`.
    """
    namedtuple("Nothing", ())
