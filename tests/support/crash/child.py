"""Run a command line of genzoo in a forked child, which can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from genzoo.cli.main import main


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a child: exit code, or minus the signal that killed it, and stderr."""

    code: int
    said: str
    seconds: float


def warm(words: Sequence[str]) -> None:
    """Run a command line in this process, so that everything is imported in its children."""
    torch.set_num_threads(1)  # threads do not survive a fork
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        assert main(list(words)) == 0


def run(words: Sequence[str], log: Path, *, before: Callable[[], object] | None = None) -> Ended:
    """Run a command line to its end."""
    began = time.monotonic()
    return _ended(_fork(words, log, before, None), log, began)


def run_counting(words: Sequence[str], log: Path, before: Callable[[], object], after: Callable[[], int]) -> int:
    """Run a command line to its end; return what `after` returned in the child."""
    reading, writing = os.pipe()
    ended = _ended(_fork(words, log, before, lambda: os.write(writing, str(after()).encode())), log, time.monotonic())
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert ended.code == 0, ended
    return int(text)


def run_signalled(words: Sequence[str], log: Path, after: float, number: int = signal.SIGKILL) -> Ended:
    """Run a command line, and send it a signal after some seconds, unless it has ended before."""
    began = time.monotonic()
    child = _fork(words, log, None, None)
    time.sleep(after)
    os.kill(child, number)  # the id of an ended child stays valid until waitpid
    return _ended(child, log, began)


def run_together(words: Sequence[Sequence[str]], folder: Path, *, before: Callable[[], object]) -> list[Ended]:
    """Run command lines at the same time, each with a log in a folder. They wait for each other to start."""
    began = time.monotonic()
    waiting, gate = os.pipe()

    def start() -> None:
        os.close(gate)
        os.read(waiting, 1)  # returns when the parent closes the gate
        before()

    logs = [folder / f"{number}.log" for number in range(len(words))]
    children = [_fork(line, log, start, None) for line, log in zip(words, logs, strict=True)]
    os.close(gate)
    os.close(waiting)
    return [_ended(child, log, began) for child, log in zip(children, logs, strict=True)]


def _fork(
    words: Sequence[str], log: Path, before: Callable[[], object] | None, after: Callable[[], object] | None
) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        if before is not None:
            before()
        code = main(list(words))
        if after is not None:
            after()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _ended(child: int, log: Path, began: float) -> Ended:
    _, status = os.waitpid(child, 0)
    return Ended(
        os.waitstatus_to_exitcode(status), log.read_text(errors="replace", encoding="utf-8"), time.monotonic() - began
    )
