"""A warm Python: it has imported the modules that most processes need, and runs work in forks of itself.

Imports take most of the time of a short process. The server has loaded no plugin; each fork finds the installed ones.
This file is also the server's program, so that it runs in environments that do not see the tests.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import runpy
import signal
import site
import subprocess
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LIGHT = ("genzoo.cli.main", "genzoo.cli.models", "genzoo.cli.plugins.command", "genzoo.cli.plugins.install")
HEAVY = (
    *("torch._dynamo", "scipy.stats", "sklearn.datasets", "sklearn.mixture", "matplotlib.figure", "rich.live"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "genzoo.testing", "genzoo.cli.train"),
    *("genzoo.cli.selection.compare", "genzoo.comparison.api", "genzoo.reports.comparison_page"),
    *(
        "genzoo.reports.run_page",
        "genzoo.reports.drawn_figure",
        "genzoo.data.readers.csv_files",
        "genzoo.metrics.tables.tstr",
        *LIGHT,
    ),
)


@dataclass(frozen=True)
class Ended:
    """The result of a process: exit code, stdout, stderr, and whether it asked for the CPU's bfloat16."""

    code: int
    out: str
    err: str
    asked: bool

    @property
    def shown(self) -> str:
        return self.out + self.err


class Warm:
    """A client of a warm Python.

    Arguments:
        python: executable of the server.
        modules: modules that the server imports.
        variables: its environment variables.
    """

    def __init__(self, python: str | Path, modules: Sequence[str], variables: Mapping[str, str]) -> None:
        words = [str(python), "-P", __file__, *modules]
        self._server = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(variables)
        )
        self._variables = dict(variables)

    def __call__(self, work: str, *given: object, folder: Path, **variables: str) -> Ended:
        """Call a function of this file with `given`, in a fork and in a folder; its result is the exit code."""
        with tempfile.TemporaryDirectory() as place:
            files = [Path(place, kind) for kind in ("out", "err", "asked")]
            asked = [work, given, str(folder), {**self._variables, **variables}, [str(file) for file in files]]
            self._server.stdin.write(f"{json.dumps(asked)}\n")
            self._server.stdin.flush()
            code = int(self._server.stdout.readline())
            return Ended(code, *(file.read_text(encoding="utf-8") for file in files[:2]), files[2].exists())

    def close(self) -> None:
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()


@contextlib.contextmanager
def warm(
    python: str | Path = sys.executable, modules: Sequence[str] = HEAVY, variables: Mapping[str, str] = os.environ
) -> Iterator[Warm]:
    """Start a warm Python, and close it at the end of the block."""
    server = Warm(python, modules, variables)
    try:
        yield server
    finally:
        server.close()


def command(words: Sequence[str], largest: int | None = None, path: Sequence[str] = ()) -> int:
    """Run a command line of genzoo.

    Arguments:
        words: the command line.
        largest: largest size of a file that it can write, in bytes. Unlimited by default.
        path: folders to put first on `sys.path`.
    """
    from genzoo.cli.main import main

    sys.path[:0] = path
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    return main(list(words))


def script(file: str) -> int:
    """Run a Python file of the folder, as `python FILE` does."""
    sys.argv, sys.path[:1] = [file], [str(Path.cwd())]
    runpy.run_path(file, run_name="__main__")
    return 0


def own_tests(path: Sequence[str], words: Sequence[str]) -> int:
    """Run the tests in a folder with pytest, with `path` first on `sys.path`."""
    import pytest

    sys.path[:0] = path
    os.environ["PYTHONPATH"] = os.pathsep.join([*path, *filter(None, [os.environ.get("PYTHONPATH")])])
    return int(pytest.main([*words, "-p", "no:cacheprovider"]))


def _serve() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    was_asked = bool  # is false
    if "torch" in sys.modules:
        bf16 = runpy.run_path(str(Path(__file__).with_name("bf16.py")))
        bf16["force"]()
        was_asked = bf16["was_asked"]
    gc.freeze()  # else the collector of each fork looks through all modules, and copies their pages
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _child(was_asked, *json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _child(
    was_asked: Callable[[], bool],
    work: str,
    given: Sequence[object],
    folder: str,
    variables: dict[str, str],
    files: Sequence[str],
) -> None:
    code = 70
    try:
        for number, place in ((0, os.devnull), (1, files[0]), (2, files[1])):
            os.dup2(os.open(place, os.O_RDWR | os.O_CREAT), number)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(n, mode, buffering=1, encoding="utf-8") for n, mode in enumerate(("r", "w", "w"))
        )
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.fsync = os.fstat  # as in `conftest`
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        importlib.invalidate_caches()
        site.addsitedir(sysconfig.get_path("purelib"))  # finds editable installs made since
        code = globals()[work](*given)
    except BaseException:
        traceback.print_exc()
    finally:
        if was_asked():
            Path(files[2]).touch()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
