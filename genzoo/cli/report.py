"""`genzoo report`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import Command
from genzoo.cli.options import (
    check_data_given,
    data_layer,
    device_option,
    draws_option,
    features_option,
    json_option,
    metric_option,
    samples_option,
    seed_option,
    with_data_options,
)
from genzoo.errors import ConfigError
from genzoo.plugins.manager import get_registry
from genzoo.storage.paths import contains, user_path

if TYPE_CHECKING:
    from genzoo.reports.page import Page


@click.command("report", cls=Command)
@click.argument("run", metavar="RUN|DIR")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Output file: .html.  [default: report.html in the folder]",
)
@click.option("--data", metavar="DATA", help="Evaluate a run on all rows of this dataset instead of its test rows.")
@metric_option
@features_option
@samples_option
@draws_option
@seed_option("sampling and metrics")
@device_option
@json_option
@with_data_options
def report_command(run: str, out: Path | None, seed: int, as_json: bool, **given: Any) -> None:
    """Write one HTML page about RUN, a run directory, or DIR, the folder of a comparison.

    The page contains its images and needs no network. It evaluates a run on its test rows, or on all rows of --data.

    \b
    genzoo report RUN --out report.html
    """
    from genzoo.reports.html import write_page

    place = user_path(run)
    compared = contains(place, "comparison.json")
    if compared:
        _check_no_choices(given)
        folder, page = place, _comparison_page(place, seed)
    else:
        folder, page = _run_page(run, seed, given)
    out = out or folder / "report.html"
    _check(out)
    write_page(out, page)
    click.echo(json.dumps({"out": str(out), "title": page.title}) if as_json else f"report: {out}")


def _check(out: Path) -> None:
    if out.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"A page cannot be written as {out.name!r}. Known: .html.")
    if not out.parent.is_dir():
        raise ConfigError(f"{out} is in a folder that does not exist: {out.parent}.")


def _check_no_choices(given: dict[str, Any]) -> None:
    """Check that no option was given that only the report of a run has.

    Raises:
        ConfigError: one was given.
    """
    chosen = ["--data"] if data_layer(given["data"], given) else []
    chosen += ["--metric"] if given["metrics"] else []
    chosen += [f"--{name}" for name in ("features", "samples", "draws") if given[name] is not None]
    if chosen:
        raise ConfigError(
            f"{chosen[0]} is for the report of a run. The report of a comparison shows stored results. Leave it out."
        )


def _comparison_page(folder: Path, seed: int) -> Page:
    """Build the page of a comparison.

    Raises:
        ArtifactError: the comparison has not finished, or its files are damaged.
    """
    from genzoo.errors import ArtifactError
    from genzoo.reports.comparison_page import comparison_page

    if not (folder / "report.json").exists():
        raise ArtifactError(
            f"The comparison in {folder} has not finished, so it has no report yet. Run it to its end first."
        )
    return comparison_page(folder, seed=seed)


def _run_page(path: str, seed: int, given: dict[str, Any]) -> tuple[Path, Page]:
    """Return the folder of a run, and its page.

    Raises:
        ArtifactError: there is no run, or it is damaged.
    """
    from genzoo.cli.rows import open_data
    from genzoo.errors import ArtifactError
    from genzoo.metrics.evaluator import find_extractor, find_metrics
    from genzoo.metrics.row_likelihoods import DRAWS
    from genzoo.reports.run_page import EvaluationTerms, run_page
    from genzoo.runs.run import load, open_run

    zoo, place = get_registry(), user_path(path)
    try:
        run = open_run(path)
    except ArtifactError as error:
        if not os.path.lexists(place):  # false, too, for a name that is too long
            raise
        raise ArtifactError(f"{path} is neither a run directory nor the folder of a comparison.") from error
    chosen = find_metrics(zoo, given["metrics"] or None)
    fitted = load(str(run.path), given["device"])
    extractor = find_extractor(zoo, given["features"], fitted.data)
    check_data_given(given)
    dataset = None if given["data"] is None else open_data(fitted, given)
    terms = EvaluationTerms(chosen, extractor, given["samples"], given["draws"] or DRAWS, seed)
    return run.path, run_page(run, fitted, terms, dataset)
