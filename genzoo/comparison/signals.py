"""What an interruption means to the worker processes of a comparison."""

from __future__ import annotations

import functools
import os
import signal
import threading
import time

_EVERY = 0.5
"""Seconds between two checks that the parent is alive."""


def leave_signals_to(parent: int) -> None:
    """Make this worker process ignore Ctrl-C, and exit once the process that started it is gone.

    A terminal sends Ctrl-C to every process of its group. Only the parent acts on it, so it can report what is
    kept. It then ends its workers.

    Arguments:
        parent: process ID of the parent.
    """
    exit_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@functools.cache
def exit_with_parent(parent: int) -> None:
    """Exit soon after the parent process is gone. A killed parent cannot end its workers itself.

    Arguments:
        parent: process ID of the parent. It may be gone already.
    """
    threading.Thread(target=_watch, args=(parent,), name="end-with-parent", daemon=True).start()


def _watch(parent: int) -> None:
    # A process whose parent died is adopted by another one, so its parent's ID changes.
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os._exit(1)
