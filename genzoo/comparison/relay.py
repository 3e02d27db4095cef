"""Report the progress of worker processes to the process that waits for them, through small files.

A worker that is killed leaves nothing open, and one that nobody reads is not held up, as with a pipe.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from genzoo.runtime.progress import Phase, PhaseView, observed, views

_EVERY = 0.5
"""Seconds between two reports."""


class Relay:
    """Sees phases of this process, and keeps what they look like in a file.

    Arguments:
        path: the file. It is removed at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._phases: list[Phase] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="genzoo-relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def begin(self, phase: Phase) -> None:
        """Report this phase, too."""
        self._phases.append(phase)

    def end(self, phase: Phase, *, failed: bool) -> None:
        """Forget this phase, and those inside it."""
        if phase in self._phases:
            del self._phases[self._phases.index(phase) :]

    def report(self) -> None:
        """Write what the phases look like now."""
        content = json.dumps([dataclasses.astuple(view) for view in views(self._phases[:])])
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk ends no fit because of this
            fresh.write_text(content, encoding="utf-8")
            fresh.replace(self._path)

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            self.report()


@contextlib.contextmanager
def relayed(folder: str | None) -> Iterator[None]:
    """Report the phases inside into a folder; `None` reports nothing."""
    if folder is None:
        yield
        return
    with Relay(Path(folder) / f"{os.getpid()}.json") as relay, observed(relay):
        yield


def read_lanes(folder: Path) -> list[list[PhaseView]]:
    """Return the phases of every worker that reports into a folder, the outermost first."""
    found = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError):  # the worker has just removed it
            found.append([PhaseView(*fields) for fields in json.loads(path.read_text(encoding="utf-8"))])
    return [lane for lane in found if lane]
