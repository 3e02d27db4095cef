"""How a signal ends a process of `genzoo` at once."""

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
