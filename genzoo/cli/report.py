"""`genzoo report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.options import (
    data_layer,
    device_option,
    draws_option,
    features_option,
    json_option,
    samples_option,
    with_data_options,
)
from genzoo.errors import ConfigError
from genzoo.plugins.manager import get_registry
from genzoo.storage.paths import contains, user_path

if TYPE_CHECKING:
    from genzoo.reports.page import Page


@click.command("report")
@click.argument("run", metavar="RUN|DIR")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="F", help="Where to; report.html beside the rest without."
)
@click.option("--data", metavar="D", help="Other data to judge a run by, all rows of them; its test rows without.")
@with_data_options
@click.option("--metric", "metrics", multiple=True, metavar="M", help="A metric, and no others; all without.")
@features_option
@samples_option
@draws_option
@click.option("--seed", type=int, default=0, envvar="GENZOO_SEED", show_default=True, help="Of samples and metrics.")
@device_option
@json_option
def report_command(run: str, out: Path | None, seed: int, as_json: bool, **given: Any) -> None:
    """Write one HTML page about RUN, a run directory, or DIR, the folder of a comparison.

    It holds its pictures and needs no network. A run is judged by its test rows, or by all rows of --data.
    """
    from genzoo.reports.html import write_page

    place = user_path(run)
    compared = contains(place, "comparison.json")
    if compared:
        _refuse_choices(given)
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
        raise ConfigError(f"{out} lies in a folder that does not exist: {out.parent}.")


def _refuse_choices(given: dict[str, Any]) -> None:
    """Refuse what a comparison has settled already.

    Raises:
        ConfigError: something of it was given.
    """
    chosen = ["--data"] if data_layer(given["data"], given) else []
    chosen += ["--metric"] if given["metrics"] else []
    chosen += [f"--{name}" for name in ("features", "samples", "draws") if given[name] is not None]
    if chosen:
        raise ConfigError(
            f"{chosen[0]} is for the report of a run; that of a comparison shows what it found. Leave it out."
        )


def _comparison_page(folder: Path, seed: int) -> Page:
    """The page of a comparison.

    Raises:
        ArtifactError: it has not finished, or what it left is damaged.
    """
    from genzoo.errors import ArtifactError
    from genzoo.reports.comparison_page import comparison_page

    if not (folder / "report.json").exists():
        raise ArtifactError(
            f"The comparison in {folder} has not finished, so it has no report yet. Go on with it first."
        )
    return comparison_page(folder, seed=seed)


def _run_page(path: str, seed: int, given: dict[str, Any]) -> tuple[Path, Page]:
    """The folder of a run, and its page.

    Raises:
        ArtifactError: there is no run, or it is damaged.
    """
    from genzoo.cli.rows import open_data
    from genzoo.errors import ArtifactError
    from genzoo.metrics.evaluator import find_extractor, find_metrics
    from genzoo.metrics.likelihood import DRAWS
    from genzoo.reports.run_page import EvaluationTerms, run_page
    from genzoo.runs.run import load, open_run

    zoo = get_registry()
    try:
        run = open_run(path)
    except ArtifactError as error:
        raise ArtifactError(f"{path} is neither a run directory nor the folder of a comparison.") from error
    chosen = find_metrics(zoo, given["metrics"] or None)
    fitted = load(str(run.path), given["device"])
    extractor = find_extractor(zoo, given["features"], fitted.data)
    if given["data"] is None and (told := data_layer(None, given)):
        raise ConfigError(f"--{next(iter(told)).replace('_', '-')} says how --data is read, which was not given.")
    dataset = None if given["data"] is None else open_data(fitted, given)
    terms = EvaluationTerms(chosen, extractor, given["samples"], given["draws"] or DRAWS, seed)
    return run.path, run_page(run, fitted, terms, dataset)
