"""What a worker of a cluster of this machine loads first: Ctrl-C is for the process that started it."""

from __future__ import annotations

import signal
import threading


def dask_setup(_: object) -> None:
    """Ignore Ctrl-C, which a terminal sends to every process of its group. Dask calls this when a worker starts."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
