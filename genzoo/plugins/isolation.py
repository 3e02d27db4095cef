"""Run plugin code without letting it disturb this process: its output, working folder and import path."""

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
    """Yield a buffer that collects everything printed or warned about inside."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        yield text


@contextlib.contextmanager
def keep_stdout_clean() -> Iterator[None]:
    """Redirect standard output to standard error inside.

    Results go to standard output, so a program that reads them must not see what a plugin prints. This also catches
    output of C libraries and child processes, if Python's standard output is the process's own.
    """
    stream = sys.stdout
    try:
        if stream.fileno() != 1:
            raise OSError
        stream.flush()  # what was printed before still goes to standard output
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
def empty_stdin() -> Iterator[None]:
    """Let standard input be at its end inside, so that no plugin waits for an answer."""
    stream = sys.stdin
    with open(os.devnull, encoding="utf-8") as empty:  # noqa: PTH123 - as light as possible
        try:
            kept = os.dup(0) if stream.fileno() == 0 else None
        except (OSError, ValueError, AttributeError):
            kept = None
        try:
            if kept is not None:
                os.dup2(empty.fileno(), 0)
            sys.stdin = empty
            yield
        finally:
            sys.stdin = stream
            if kept is not None:
                os.dup2(kept, 0)
                os.close(kept)


@contextlib.contextmanager
def preserve_process_state() -> Iterator[list[int]]:
    """Restore the working folder, the import path, the recursion limit and the signal handlers afterwards.

    Yields:
        The signals received inside so far, as `noted_signals` does. A `KeyboardInterrupt` without one was raised by
        the plugin itself.
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
