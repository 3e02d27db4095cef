"""Compute in several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from genzoo.wording import front_end, speak_in_thread


def thread_pool() -> ThreadPoolExecutor:
    """Return a pool of threads whose messages are for the reader that this thread writes for.

    Threads are for work of numpy, pyarrow and files, which runs beside other threads.
    """
    return ThreadPoolExecutor(initializer=speak_in_thread, initargs=(front_end(),))
