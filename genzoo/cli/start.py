"""Where a process of `genzoo` begins: before anything slow is imported, a signal already ends it in good order."""

from __future__ import annotations

import os
import signal
from types import FrameType

WORDS: dict[int, str] = {signal.SIGINT: "Interrupted", signal.SIGTERM: "Terminated"}
"""What is said of signals that end a command."""


def end_at_once(number: int, _: FrameType | None = None) -> None:
    """End the process with the exit code of a signal, whatever it is doing."""
    try:
        os.write(2, f"Error: {WORDS[number]}.\n".encode())
    finally:
        os._exit(128 + number)


def run() -> None:
    """The console script."""
    for number in WORDS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):  # not where it is ignored
            signal.signal(number, end_at_once)
    from genzoo.cli.main import run as run_command  # which imports click

    run_command()
