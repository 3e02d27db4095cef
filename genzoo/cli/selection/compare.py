"""`genzoo compare`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    data_layer,
    data_option,
    device_option,
    features_option,
    fits_on_option,
    jobs_option,
    json_option,
    precision_option,
    run_layer,
    seed_option,
    split_layer,
    target_option,
    with_data_options,
    with_split_options,
)
from genzoo.cli.output import numbers_to_give, print_json, print_line, show_remarks, terminal_width
from genzoo.config.hints import explain_flag_of_candidates, named_models
from genzoo.config.layers import merge, parse_assignments
from genzoo.config.resolve import layer
from genzoo.errors import ConfigError, GenzooError, IncompleteError
from genzoo.plugins.local import split_candidate, split_reference
from genzoo.plugins.manager import get_registry
from genzoo.spec.entries import LOCAL
from genzoo.storage.paths import user_path
from genzoo.text import counted

if TYPE_CHECKING:
    from genzoo.reports.result import Report

_COMMON = frozenset({"options", "split", "training", "sampling"})


class _CompareCommand(ComputingCommand):
    """`genzoo compare`."""

    def explain_flag(self, flag: str, words: Sequence[str]) -> str | None:
        zoo = get_registry()
        return explain_flag_of_candidates(zoo, named_models(zoo, words), flag, words)


@click.command("compare", cls=_CompareCommand, needs="genzoo.comparison.api", loads=False)
@click.argument("models", nargs=-1, required=True, metavar="MODEL[:KEY=V,KEY=A|B,KEY=1..9]...")
@data_option
@click.option(
    "--by",
    metavar="CRITERION",
    help="Rank by bic, aic, aicc, icl, test, cv or a metric.  [default: bic if every model with a likelihood has it]",
)
@click.option(
    "--tie",
    type=click.Choice(["figure", "cheapest"]),
    default="figure",
    show_default=True,
    help="Of the candidates that are not told apart from the best, take the one with the best figure, or the one that "
    "trains and samples fastest.",
)
@click.option(
    "--folds",
    type=int,
    default=0,
    metavar="K",
    help="Cross-validate with K folds, too.  [default: no cross-validation]",
)
@click.option(
    "--seeds", type=int, default=1, show_default=True, metavar="N", help="Seeds to repeat held-out fits with."
)
@jobs_option
@click.option("--threads", type=int, default=1, show_default=True, metavar="N", help="Threads per fit.")
@fits_on_option
@click.option(
    "--gate",
    "gates",
    multiple=True,
    metavar="EXPR",
    help="Exit with 5 unless the best model satisfies EXPR, such as 'bic<2400'; may be repeated.",
)
@click.option(
    "--expect", metavar="MODEL", help="Exit with 5 unless MODEL is the best; it may have options, as in gmm:KEY=V."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for reports and the best model. A comparison that it already holds is continued.",
)
@click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set split.NAME, or training.NAME or sampling.NAME of the models that have it; may be repeated.",
)
@click.option(
    "--plot",
    is_flag=True,
    help="Also draw the differences from the best, and BIC by number of components, in the terminal.",
)
@features_option
@target_option
@seed_option("splits, fits and metrics")
@device_option
@precision_option
@json_option
@with_split_options
@with_data_options
def compare_command(
    models: tuple[str, ...], gates: tuple[str, ...], expect: str | None, plot: bool, as_json: bool, **given: Any
) -> None:
    """Fit every MODEL to the same rows and rank them in one table.

    KEY=A|B tries both values, KEY=1..9 all integers from 1 to 9, and KEY=all all choices of an option. Quote such
    arguments for the shell. Information criteria come from fits to all rows, test scores from fits without the test
    rows.

    A candidate that does not take the columns or the rows of the data is marked as not for these data, with the reason,
    and is no failure. Exits with 7 if other candidates failed and some did not. If none could be fitted, the exit code
    is the code of the first that failed. A gate that does not hold exits with 5 in any case.

    \b
    genzoo compare gaussian 'gmm:n_components=1..9,covariance_type=full|tied' --data iris --folds 10 --jobs 2
    """
    _check_separated(models)
    if plot and as_json:
        raise ConfigError("--json prints data for a program, and --plot draws for a reader. Leave one of them out.")
    from genzoo.comparison.gate import check, parse_expected, parse_gates

    zoo = get_registry()
    required = parse_gates(gates, zoo)
    common = _common(given)
    expected = () if expect is None else parse_expected(expect, zoo, {**common, "data": _data(given)})
    from genzoo.comparison.api import prepare_comparison  # torch is needed from here on

    shared = ("by", "tie", "folds", "seeds", "jobs", "threads", "on", "out", "features", "target")
    settings = {name: given[name] for name in shared}
    comparison = prepare_comparison(models, (None, _data(given)), common, **settings)
    show_remarks(comparison.dataset)
    report = comparison.run()
    stopped: GenzooError | None = None
    try:
        report = comparison.keep_best(report)
    except GenzooError as error:  # raised below the table, which is complete
        stopped = error
    comparison.write_page()
    _show(report, as_json, plot, None if given["out"] is None else user_path(given["out"]), models)
    if stopped is not None:
        raise stopped
    _check_any_fitted(report)
    check(report, required, comparison.candidate(report.best), expected)
    _check_none_failed(report)


def _check_separated(models: Sequence[str]) -> None:
    """Check that no argument names several models, as `gmm,gaussian` does.

    Raises:
        ConfigError: one does.
    """
    names = [split_candidate(model)[0] for model in models]
    if any("," in name for name in names):
        words = [
            model.replace(",", " ") if model == name else f"{name.replace(',', ' ')}{model[len(name) :]}"
            for model, name in zip(models, names, strict=True)
        ]
        raise ConfigError(f"Separate models by spaces: genzoo compare {' '.join(words)}.")


def _data(given: dict[str, Any]) -> dict[str, Any]:
    return data_layer(given["data"], given)


def _common(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that all candidates share.

    Raises:
        ConfigError: an option belongs to a single candidate, or is out of range.
    """
    sections = layer(parse_assignments(given["options"]))
    strange = sorted({*(set(sections) - _COMMON), *sections.pop("options")})
    if strange:
        raise ConfigError(
            f"Option {strange[0]!r} cannot be set for all models, only training.NAME, sampling.NAME and split.NAME "
            f"can. Set it with one model: MODEL:{strange[0]}=VALUE."
        )
    sections["split"] = merge(sections.get("split", {}), split_layer(given))
    return {**sections, **run_layer(("seed", "device", "precision"), given)}


def _model_file(report: Report, models: Sequence[str]) -> str:
    """Return the option that names the file of the best model, if it is a class of the user's."""
    best = "" if report.best is None else report[report.best].model
    for file, name in (split_reference(split_candidate(model)[0]) for model in models):
        if file and best == f"{LOCAL}/{name}":
            return f" --model-file {shlex.quote(file)}"
    return ""


def _show(report: Report, as_json: bool, plot: bool, out: Path | None, models: Sequence[str]) -> None:
    if as_json:
        print_json(report.as_dict())
        return
    from rich.console import Console

    from genzoo.persistence.open_run import open_run
    from genzoo.reports.overview.terminal import print_overview
    from genzoo.reports.terminal import print_report

    console = Console(width=terminal_width(), highlight=False, soft_wrap=False)
    if plot:
        print_overview(report, console)
    print_report(report, console)
    if out is None:
        click.echo("Nothing was saved; --out DIR saves the report and a run of the best model, ready to sample.")
        return
    print_line(f"report:   {out / 'report.html'}, report.md, report.csv, report.json")
    if any((out / "pictures").glob("*.png")):
        print_line(f"pictures: {out / 'pictures'}")
    if report.best is not None and report[report.best].run is not None:
        given = numbers_to_give(open_run(str(out / "best")).data)
        print_line(
            f"best:     genzoo sample {shlex.quote(str(out / 'best'))}{given} -n 64{_model_file(report, models)}"
        )


def _check_none_failed(report: Report) -> None:
    """Raise an error if some candidates failed that suit the data; the table says why.

    Raises:
        IncompleteError: some failed.
    """
    failed = [row.id for row in report.rows if row.status == "failed" and not row.unsuited]
    if failed:
        names = ", ".join(failed[:3]) + (" ..." if len(failed) > 3 else "")
        raise IncompleteError(
            f"{len(failed)} of {counted(len(report.rows), 'candidate')} failed: {names}. The reasons are above; "
            f"the result holds for the others."
        )


def _check_any_fitted(report: Report) -> None:
    """Raise the first failure if no candidate could be fitted.

    Raises:
        GenzooError: there is none; the exit code is the code of the first that failed, or else of the first.
    """
    if any(row.status == "ok" for row in report.rows):
        return
    first = next((row for row in report.rows if not row.unsuited), report.rows[0])
    error = GenzooError(f"No candidate could be fitted. {first.id}: {first.reasons['status']}")
    error.exit_code = first.exit_code
    raise error
