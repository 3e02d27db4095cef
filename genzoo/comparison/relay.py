"""Report the progress of worker processes to the process that waits for them.

On one machine, reports are small files. A worker that is killed leaves nothing open, and one that nobody reads is not
held up, as with a pipe.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from genzoo.runtime.progress import Phase, PhaseView, observed, views

_EVERY = 0.5
"""Seconds between two reports."""


class Outlet(Protocol):
    """Where reports go."""

    def write(self, report: str) -> None:
        """Hand on what the phases look like now. A failure must not end the work."""

    def close(self) -> None:
        """Withdraw the last report, as the work has ended."""


class ReportFile:
    """A file with the last report.

    Arguments:
        path: the file. It is removed at the end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, report: str) -> None:
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk ends no fit because of this
            fresh.write_text(report, encoding="utf-8")
            fresh.replace(self._path)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


class Relay:
    """Sees phases of this process, and reports what they look like.

    Arguments:
        outlet: where the reports go.
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._phases: list[Phase] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="genzoo-relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._outlet.close()

    def begin(self, phase: Phase) -> None:
        """Report this phase, too."""
        self._phases.append(phase)

    def end(self, phase: Phase, *, failed: bool) -> None:
        """Forget this phase, and those inside it."""
        if phase in self._phases:
            del self._phases[self._phases.index(phase) :]

    def report(self) -> None:
        """Hand on what the phases look like now."""
        self._outlet.write(json.dumps([dataclasses.astuple(view) for view in views(self._phases[:])]))

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            self.report()


@contextlib.contextmanager
def relayed(outlet: Outlet | None) -> Iterator[None]:
    """Report the phases inside; `None` reports nothing."""
    if outlet is None:
        yield
        return
    with Relay(outlet) as relay, observed(relay):
        yield


def report_file(folder: str | None) -> ReportFile | None:
    """Return the file of this process in a folder of reports, or `None` if there is no folder."""
    return None if folder is None else ReportFile(Path(folder) / f"{os.getpid()}.json")


def lane_of(report: str) -> list[PhaseView]:
    """Return the phases in a report, the outermost first.

    Raises:
        ValueError: it is none.
    """
    return [PhaseView(*fields) for fields in json.loads(report)]


def read_lanes(folder: Path) -> list[list[PhaseView]]:
    """Return the phases of every worker that reports into a folder, the outermost first."""
    found = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError):  # the worker has just removed it
            found.append(lane_of(path.read_text(encoding="utf-8")))
    return [lane for lane in found if lane]
