"""Make the page of a run or of a comparison."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genzoo.data.opening.given import AnyData
from genzoo.errors import ArtifactError, ConfigError
from genzoo.persistence.open_run import open_run
from genzoo.persistence.run import Run
from genzoo.reports.comparison_page import comparison_page
from genzoo.reports.html import render_page, write_page
from genzoo.reports.page import Page
from genzoo.reports.run_page import run_page
from genzoo.storage.paths import contains, user_path
from genzoo.verbs.evaluation import find_terms
from genzoo.verbs.given import open_asked, read_for


@dataclass(frozen=True, slots=True, repr=False)
class RunReport:
    """One HTML page about a run or a comparison.

    Arguments:
        page: its content.
        path: the file it was written to; `None` if it was not.
    """

    page: Page
    path: Path | None = None

    def __repr__(self) -> str:
        where = "save(PATH) writes it" if self.path is None else str(self.path)
        return f"<Report {self.page.title!r}: {len(self.page.sections)} sections; {where}>"

    def as_html(self) -> str:
        """Return the page as HTML, which needs no network and no other file."""
        return render_page(self.page)

    def as_dict(self) -> dict[str, Any]:
        """Return what `genzoo report --json` prints."""
        return {"out": None if self.path is None else str(self.path), "title": self.page.title}

    def save(self, out: str | Path) -> RunReport:
        """Write the page, and replace an earlier one. Return the report with its path.

        Raises:
            ConfigError: the suffix is not `.html`, or the folder does not exist.
            GenzooError: the disk is full or read-only.
        """
        path = check_page(user_path(str(out)))
        write_page(path, self.page)
        return RunReport(self.page, path)


def check_page(out: Path) -> Path:
    """Return the path of a page, after checking that it can be one.

    Raises:
        ConfigError: the suffix is not `.html`, or the folder does not exist.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"A page cannot be written as {out.name!r}. Known: .html.")
    if not out.parent.is_dir():
        raise ConfigError(f"{out} is in a folder that does not exist: {out.parent}.")
    return out


def report(
    asked: Run | str | Path,
    out: str | Path | None = None,
    data: AnyData | None = None,
    *,
    metrics: str | Sequence[str] | None = None,
    features: str | None = None,
    samples: int | None = None,
    draws: int | None = None,
    target: str | None = None,
    seed: int = 0,
    sampling: Mapping[str, Any] | None = None,
    device: str | None = None,
) -> RunReport:
    """Make one HTML page about a run or a comparison.

    Arguments:
        asked: a run, or the path of a run or of the folder of a comparison.
        out: file to write. Defaults to none; `RunReport.save` writes one.
        data, metrics, features, samples, draws, target, seed, sampling, device: as for `evaluate`; only `seed` is for
            comparisons, too.

    Raises:
        ArtifactError: there is no such run or comparison, or it is damaged.
        ConfigError: the suffix of `out` is not `.html`, or its folder does not exist.
    """
    if out is not None:
        check_page(user_path(str(out)))
    if not isinstance(asked, Run | str | os.PathLike):
        raise ConfigError(
            f"report takes a run, or the path of a run or of the folder of a comparison, and this is of type "
            f"{type(asked).__name__}."
        )
    if not isinstance(asked, Run) and is_comparison(user_path(str(asked))):
        page = page_of_comparison(user_path(str(asked)), seed)
    else:
        run = asked if isinstance(asked, Run) else find_run(str(asked))
        fitted = open_asked(run, device)[1].with_sampling(sampling)
        terms = find_terms(fitted, metrics, features, samples, draws, seed, target)
        dataset = None if data is None else read_for(run, fitted, data, keep_unknown=True)
        page = run_page(run, fitted, terms, dataset)
    return RunReport(page) if out is None else RunReport(page).save(out)


def is_comparison(folder: Path) -> bool:
    """Return whether a folder belongs to a comparison."""
    return contains(folder, "comparison.json")


def page_of_comparison(folder: Path, seed: int) -> Page:
    """Return the page of a comparison.

    Raises:
        ArtifactError: the comparison has not finished, or its files are damaged.
    """
    if not (folder / "report.json").exists():
        raise ArtifactError(
            f"The comparison in {folder} has not finished, so it has no report yet. Run it to its end first."
        )
    return comparison_page(folder, seed=seed)


def find_run(path: str) -> Run:
    """Return the run at a path.

    Raises:
        ArtifactError: there is none.
    """
    try:
        return open_run(path)
    except ArtifactError as error:
        if not os.path.lexists(user_path(path)):  # false, too, for a name that is too long
            raise
        raise ArtifactError(f"{path} is neither a run directory nor the folder of a comparison.") from error
