"""Command lines and tests in a process of their own, forked from a server that has imported what they need.

To import it is most of what a process costs. The server has looked at no plugin: what is installed, each finds itself.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_WARM = ("torch._dynamo", "sklearn.datasets", "genzoo.testing", "genzoo.cli.train", "genzoo.cli.progress", "pytest")


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, and what it wrote to stdout and stderr."""

    code: int | None
    shown: str


def forked(log: Path, work: Callable[..., int], *given: object) -> Ended:
    """Have a process do `work(*given)`, whose exit code is what that returns; `log` keeps what it writes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_WARM))
    process = context.Process(target=_child, args=(dict(os.environ), str(log), work, given))
    process.start()
    process.join()
    return Ended(process.exitcode, log.read_text())


def _child(variables: dict[str, str], log: str, work: Callable[..., int], given: Sequence[object]) -> None:
    os.environ.clear()
    os.environ.update(variables)
    with Path(log).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    sys.exit(work(*given))


def own_tests(project: str, path: Sequence[str], words: Sequence[str] = ("-q",)) -> int:
    """The tests of a project, as pytest runs them in its folder with `path` before all else that can be imported."""
    import pytest

    os.chdir(project)
    sys.path[:0] = path
    os.environ["PYTHONPATH"] = os.pathsep.join([*path, os.environ.get("PYTHONPATH", "")])
    return int(pytest.main([*words, "-p", "no:cacheprovider"]))


def command(words: Sequence[str], largest: int | None = None) -> int:
    """A command line of genzoo; `largest` is the size in bytes of which its disk takes no larger file."""
    from genzoo.cli.main import main

    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    return main(list(words))
