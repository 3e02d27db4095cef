"""Code of plugins writes where it does not spoil results: what it prints at import is kept aside."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """What is printed or warned of inside, instead of being shown."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        yield text


@contextlib.contextmanager
def results_kept_clean() -> Iterator[None]:
    """Inside, whatever is written to the process's standard output goes to standard error.

    Also what does not go through Python: libraries in C, and processes that inherit it. Only where Python's own
    standard output is the process's.
    """
    stream = sys.stdout
    try:
        if stream.fileno() != 1:
            raise OSError
        stream.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError, AttributeError):
        kept = None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            stream.flush()
            os.dup2(kept, 1)
            os.close(kept)
