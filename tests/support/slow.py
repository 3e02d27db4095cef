"""Tests that take long: `make slow` measures them and lists them in `tests/slow.txt`, and only `make full` runs them.

Seconds are of the clock: tests also let other processes work, some of which were there before. So the machine must have
nothing else to do.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from genzoo.testing.keeping import BoundPromise

VARIABLE = "GENZOO_TEST_SECONDS"
LIST = Path(__file__).parent.parent / "slow.txt"
SECONDS = 1.2
KEPT = {"tests/test_readme.py", "tests/test_docs.py", "README.md"}  # what new users type, which no change may break
_EVERY = "# Tests of more than 1.2 seconds, listed by `make slow`. Only `make full` runs them."


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the tests of the list `full`."""
    listed = set(LIST.read_text(encoding="utf-8").splitlines()) if LIST.exists() else set()
    for item in items:
        if item.nodeid in listed:
            item.add_marker("full")


def group(items: Iterable[pytest.Item]) -> None:
    """Let one worker run all promises of a subject, so that its model is trained once."""
    for item in items:
        if _promises(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("[")[0]))


def _promises(item: pytest.Item) -> list[BoundPromise]:
    callspec = getattr(item, "callspec", None)
    return [] if callspec is None else [one for one in callspec.params.values() if isinstance(one, BoundPromise)]


class Recorder:
    """Writes a line for each test to a file: seconds of its call, and its name.

    What tests share, fixtures and trained models of promises, is not counted: without this test, another pays for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item):
        for promise in _promises(item):
            with contextlib.suppress(Exception):  # the promise itself reports what is wrong
                _ = promise.subject.fitted
        before = time.perf_counter()
        outcome = yield
        with self._path.open("a", encoding="utf-8") as file:  # a short line is written whole, also by two processes
            file.write(f"{time.perf_counter() - before:.2f} {item.nodeid}\n")
        return outcome


def main(record: Path) -> None:
    """Write the list from a record. Tests of a record of several runs are listed if their quickest run was slow."""
    seconds: dict[str, float] = {}
    for line in record.read_text(encoding="utf-8").splitlines():
        took, name = line.split(" ", 1)
        if name.rfind("@") > name.rfind("]"):  # pytest-xdist appends the group
            name = name[: name.rfind("@")]
        seconds[name] = min(float(took), seconds.get(name, float("inf")))
    slow = sorted(name for name, took in seconds.items() if took > SECONDS and name.split("::")[0] not in KEPT)
    LIST.write_text("\n".join([_EVERY, *slow, ""]), encoding="utf-8")
    left = sum(took for name, took in seconds.items() if name not in set(slow))
    print(f"{len(slow)} of {len(seconds)} tests are slow; the others take {left:.0f} seconds.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
