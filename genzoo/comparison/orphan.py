"""Processes that end with the one that started them, however that one ended."""

from __future__ import annotations

import functools
import os
import threading
import time

_EVERY = 0.5
"""Seconds between looks at the parent."""


@functools.cache
def end_with(parent: int) -> None:
    """Have this process end soon after the one of a number, which started it, is gone; killed, it could not say so.

    Arguments:
        parent: its number; it may be gone already.
    """
    threading.Thread(target=_watch, args=(parent,), name="end-with-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os._exit(1)
