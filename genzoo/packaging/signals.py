"""What an interruption means to the pip that an installation runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

PATIENCE = 30
"""Seconds that an interrupted pip gets to undo what it has begun."""


def run_interruptible(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command, and end it in good order if this process is interrupted.

    Returns:
        The exit code, and standard output and standard error together.

    Raises:
        KeyboardInterrupt: this process was interrupted. The command has ended.
    """
    # A terminal sends Ctrl-C to pip and its builds itself, and git may ask for a password there: then pip stays in
    # this process group. Otherwise pip gets a group of its own, so that one signal also reaches the builds it started.
    own_group = sys.stdin is None or not sys.stdin.isatty()
    process = subprocess.Popen(  # noqa: S603 - pip of this environment, with checked words
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=environment,
        start_new_session=own_group,
    )
    try:
        output, _ = process.communicate()
    except KeyboardInterrupt:
        _end(process, os.killpg if own_group else os.kill)
        raise
    return process.returncode, output


def _end(process: subprocess.Popen[str], send: Callable[[int, int], None]) -> None:
    """Let an interrupted pip undo what it has begun, and kill it if that takes longer than `PATIENCE`.

    Arguments:
        send: `os.killpg` if pip has a process group of its own, otherwise `os.kill`.
    """
    # pip gets SIGINT only after a second: the terminal may have sent one already, and a second one would interrupt
    # pip while it undoes its work.
    for wait, last in ((1, signal.SIGINT), (PATIENCE, signal.SIGKILL)):
        try:
            process.communicate(timeout=wait)
            break
        except subprocess.TimeoutExpired:
            send(process.pid, last)
    process.communicate()
    if send is os.killpg:
        with contextlib.suppress(ProcessLookupError):  # no build outlived pip
            send(process.pid, signal.SIGKILL)
