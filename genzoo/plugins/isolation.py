"""Run plugin code so that it cannot disturb this process: its output, signals, folders and paths."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from genzoo.plugins.signals import noted_signals


@contextlib.contextmanager
def capture_output() -> Iterator[io.StringIO]:
    """What is printed or warned of inside, instead of being shown."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        yield text


@contextlib.contextmanager
def keep_stdout_clean() -> Iterator[None]:
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


@contextlib.contextmanager
def preserve_process_state() -> Iterator[list[int]]:
    """Put back the working folder, the import path, the recursion limit and what SIGINT and SIGTERM do.

    Yields:
        The signals of these that arrive inside, as they do: an interruption without one is nobody's wish.
    """
    path, entries, depth = sys.path, list(sys.path), sys.getrecursionlimit()
    folder = _folder()
    with contextlib.ExitStack() as stack:
        stack.callback(sys.setrecursionlimit, depth)
        stack.callback(_restore_path, path, entries)
        stack.callback(_restore_folder, folder)
        yield stack.enter_context(noted_signals())


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it was deleted
        return None


def _restore_folder(folder: str | None) -> None:
    if folder is not None and _folder() != folder:
        with contextlib.suppress(OSError):
            os.chdir(folder)


def _restore_path(path: list[str], entries: list[str]) -> None:
    path[:] = entries
    sys.path = path
