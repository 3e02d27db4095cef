"""What an interruption means to a comparison and to the worker processes that it starts."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from genzoo.errors import Interrupted

_EVERY = 0.5
"""Seconds between two checks that the parent is alive."""


@contextlib.contextmanager
def explained(words: Callable[[], str]) -> Iterator[None]:
    """Say what an interruption inside leaves behind.

    Arguments:
        words: gives the message. It is called after the interruption, so it can count what is done.

    Raises:
        Interrupted: SIGINT or SIGTERM arrived. A training inside raises `Interrupted` with its exit code, which is
            kept. Its own message is not: it names a run directory that the comparison removes.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(words(), 130) from None
    except Interrupted as error:
        raise Interrupted(words(), error.exit_code) from None


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
