"""`genzoo.runs`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import genzoo
from genzoo.errors import ConfigError, did_you_mean
from genzoo.persistence.listing import STATUSES, RunSummary, list_runs, summary_rows
from genzoo.persistence.run import Run
from genzoo.text import printable


class RunList(Sequence[Run]):
    """Runs of a folder, the newest first; printed as a table.

    Arguments:
        summaries: what is known about each run.
    """

    def __init__(self, summaries: Iterable[RunSummary]) -> None:
        self.summaries = tuple(summaries)

    def __len__(self) -> int:
        return len(self.summaries)

    @overload
    def __getitem__(self, place: int) -> Run: ...

    @overload
    def __getitem__(self, place: slice) -> RunList: ...

    def __getitem__(self, place: int | slice) -> Run | RunList:
        if isinstance(place, slice):
            return RunList(self.summaries[place])
        return Run(self.summaries[place].path)

    def _repr_html_(self) -> str:
        return genzoo.view(self).html

    def __repr__(self) -> str:
        header, *rows = [[printable(cell) for cell in row] for row in summary_rows(self.summaries)]
        if not rows:
            return "no runs"
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows))
        return "\n".join(lines)

    def as_dict(self) -> list[dict[str, Any]]:
        """Return what is known about each run, as `genzoo runs --json` prints it."""
        return [summary.as_dict() for summary in self.summaries]


def runs(
    folder: str | Path | None = None,
    *,
    model: str | Iterable[str] = (),
    data: str | Path | Iterable[str | Path] = (),
    status: str | Iterable[str] = (),
) -> RunList:
    """List the runs in a folder, the newest first. Comparisons are left out.

    Arguments:
        folder: Defaults to the folder of runs: `GENZOO_RUNS`, or `runs` in the current folder.
        model: list only runs of this model, or of these. Defaults to all.
        data: list only runs on this built-in dataset or file, or on these. Defaults to all.
        status: list only `"finished"`, `"running"`, `"stopped"`, `"interrupted"`, `"diverged"`, `"failed"`,
            `"created"` or `"damaged"` runs, or several of these. Defaults to all.

    Raises:
        ArtifactError: the folder cannot be read.
        ConfigError: there is no such status.

    Examples:
        >>> runs("no such folder")
        no runs
    """
    statuses = _words(status)
    for one in statuses:
        if one not in STATUSES:
            raise ConfigError(f"There is no status {one!r}. {did_you_mean(one, STATUSES)}")
    found = list_runs(folder, models=_words(model), data=_words(data), statuses=statuses)
    return RunList(summary for summary in found if summary.kind == "run")


def _words(given: str | Path | Iterable[str | Path]) -> tuple[str, ...]:
    return (str(given),) if isinstance(given, str | Path) else tuple(map(str, given))
