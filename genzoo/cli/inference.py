"""`genzoo score`, `cluster`, `embed`, `reconstruct` and `impute`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    device_option,
    formulas_option,
    json_option,
    keep_option,
    own_data_option,
    rows_option,
    seed_option,
    with_data_options,
)
from genzoo.cli.output import print_json, print_line, show_table, show_unfinished
from genzoo.text import counted

if TYPE_CHECKING:
    from genzoo.inference.description.figures import Contribution
    from genzoo.inference.scoring import ExplainedRow, ScoreResult


@click.command("cluster", cls=ComputingCommand, needs="genzoo.inference.scoring")
@click.argument("run")
@own_data_option
@keep_option
@rows_option
@formulas_option
@device_option
@json_option
@with_data_options
def cluster_command(
    run: str, keep: tuple[str, ...], out: Path | None, escape_formulas: bool, device: str, as_json: bool, **given: Any
) -> None:
    """Assign every row of DATA to the most probable component of the model in RUN.

    Outliers get the number -1. With --label COL, the adjusted Rand index against that column is printed, too.

    \b
    genzoo cluster RUN --data new.csv --keep customer_id --out clusters.csv
    """
    from genzoo.cli.rows import check_destination, open_data, settings_of, show_columns
    from genzoo.inference.scoring import CLUSTER_COLUMNS, cluster
    from genzoo.persistence.open_run import load
    from genzoo.verbs.given import check_capable, kept_columns

    check_destination(out, keep)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "cluster", "components")
    settings = settings_of(given, run, out)
    kept = kept_columns(settings, fitted, keep, CLUSTER_COLUMNS)
    clusters = cluster(fitted, open_data(fitted, settings, keep=keep))
    sizes = ", ".join(f"{label}: {count}" for label, count in clusters.sizes.items())
    lines = [f"{counted(len(clusters.label), 'row')}, sizes {sizes}"]
    if clusters.rand_index is not None:
        lines.append(f"adjusted Rand index against the labels: {clusters.rand_index:.4f}")
    columns = {**kept, **clusters.columns()}
    show_columns(out, columns, clusters.as_dict() if as_json else None, lines, escape_formulas=escape_formulas)


@click.command("embed", cls=ComputingCommand, needs="genzoo.metrics.evaluate")
@click.argument("run")
@own_data_option
@rows_option
@device_option
@json_option
@with_data_options
def embed_command(run: str, out: Path | None, device: str, as_json: bool, **given: Any) -> None:
    """Compute the latent vector of every row of DATA with the model in RUN.

    Columns z0, z1 ... hold the posterior means, or the codes of an autoencoder. The model needs an encoder; genzoo
    models lists what each can do.

    \b
    genzoo embed RUN --data photos --out latent.csv
    """
    from genzoo.cli.rows import check_destination, open_data, settings_of, show_columns
    from genzoo.metrics.evaluate import embed
    from genzoo.persistence.open_run import load
    from genzoo.verbs.given import check_capable

    check_destination(out)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "embed", "encoder")
    z = embed(fitted, open_data(fitted, settings_of(given, run, out)))
    columns = {f"z{dimension}": z[:, dimension] for dimension in range(z.shape[1])}
    summary = {"rows": len(z), "latent": z.shape[1]} if as_json else None
    show_columns(out, columns, summary, [f"{counted(len(z), 'row')}, {counted(z.shape[1], 'latent dimension')}"])


@click.command("reconstruct", cls=ComputingCommand, needs="genzoo.metrics.evaluate")
@click.argument("run")
@own_data_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Output file: .csv, .tsv, .parquet, .arrow, .feather, .npy or .npz; for images .png, .npy, .npz or a folder.",
)
@formulas_option
@device_option
@json_option
@with_data_options
def reconstruct_command(run: str, out: Path, escape_formulas: bool, device: str, as_json: bool, **given: Any) -> None:
    """Write the model's own version of every row of DATA: encoded, and decoded again.

    A row keeps its place and its columns of the model, in the units of the data; other columns are left out. Missing
    values have a reconstruction, too. A .png is one grid of images.

    \b
    genzoo reconstruct RUN --data photos --out again.npz
    """
    from genzoo.cli.rows import open_data, settings_of
    from genzoo.inference.export import check_suffix, save_events
    from genzoo.metrics.evaluate import reconstruct
    from genzoo.persistence.open_run import load
    from genzoo.verbs.given import check_capable

    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "reconstruct", "reconstruction")
    dataset = open_data(fitted, settings_of(given, run, out))
    check_suffix(out, len(dataset), fitted.data)
    events = reconstruct(fitted, dataset)
    save_events(out, events, fitted.data, escape_formulas=escape_formulas)
    if as_json:
        print_json({"out": str(out), "rows": len(events)})
        return
    print_line(f"{counted(len(events), fitted.data.form.event)} reconstructed: {out}")


@click.command("impute", cls=ComputingCommand, needs="genzoo.verbs.rows")
@click.argument("run")
@own_data_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Output file: .csv, .tsv, .parquet, .arrow, .feather, .npy or .npz.",
)
@click.option(
    "--draws", is_flag=True, help="Draw missing values instead of filling in their means. Drawn counts are whole."
)
@seed_option("--draws")
@formulas_option
@device_option
@json_option
@with_data_options
def impute_command(
    run: str, out: Path, draws: bool, seed: int, escape_formulas: bool, device: str, as_json: bool, **given: Any
) -> None:
    """Fill in the missing values of DATA with the model in RUN.

    A missing value becomes its mean given the observed values of the row, or its most probable category. The mean of a
    count need not be whole, and turns a column of integers into fractions; --draws fills in whole counts. Numbers of
    other columns are rounded to whole numbers or decimal places as in the training rows, unless the model was trained
    with --no-whole or --no-round.

    All columns keep their order and otherwise their type, including those that the model does not use. Columns named
    by --drop are removed. An array (.npy, .npz) holds only the columns of the model.

    \b
    genzoo impute RUN --data holes.csv --out whole.csv
    """
    import numpy as np

    from genzoo.cli.rows import open_data, settings_of, write_filled
    from genzoo.data.columns.unseen import about_unseen, unseen_levels
    from genzoo.inference.export import check_suffix
    from genzoo.persistence.open_run import load
    from genzoo.verbs.given import check_capable
    from genzoo.verbs.rows import filled_events

    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "impute", "imputation")
    settings = settings_of(given, run, out)
    dataset = open_data(fitted, settings)
    check_suffix(out, len(dataset), fitted.data)
    events = filled_events(fitted, dataset, draw=draws, seed=seed)
    write_filled(out, fitted, settings, events, escape_formulas=escape_formulas)
    missing = np.isnan(np.asarray(dataset.events[:])).reshape(len(events), -1)
    names = [feature.name for feature in fitted.data.features]
    unseen = unseen_levels(fitted.data, dataset, np.flatnonzero(missing.any(axis=1)))
    by_column = {name: int(count) for name, count in zip(names, missing.sum(axis=0), strict=False) if count}
    if as_json:
        print_json({"out": str(out), "rows": len(events), "filled": by_column, "unseen": unseen})
        return
    counts = ", ".join(f"{name} {count}" for name, count in by_column.items()) or "none was missing"
    print_line(f"{counted(missing.sum(), 'value')} filled in ({counts}): {out}")
    means = [feature.name for feature in fitted.data.features if feature.kind == "count" and feature.name in by_column]
    if means and not draws:
        print_line(f"means were filled into counts, which need not be whole ({', '.join(means)}); --draws gives counts")
    if unseen:
        print_line(f"look at: {about_unseen(unseen)}")


@click.command("score", cls=ComputingCommand, needs="genzoo.inference.scoring")
@click.argument("run")
@own_data_option
@click.option(
    "--threshold",
    type=float,
    metavar="Q",
    help="Flag unusual rows: at most a share Q of rows like the held-out ones, whose scores are kept with the model.",
)
@click.option(
    "--rows",
    "explained",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    metavar="N",
    help="Number of least likely rows to print and explain.",
)
@keep_option
@rows_option
@formulas_option
@device_option
@json_option
@with_data_options
def score_command(
    run: str,
    threshold: float | None,
    explained: int,
    keep: tuple[str, ...],
    out: Path | None,
    escape_formulas: bool,
    device: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Compute the log-likelihood, or the anomaly score, of every row of DATA under the model in RUN.

    Log-likelihoods are in nats, and refer to the data in their own units. A row that is impossible under the model, or
    has a category that the model does not know, has the log-likelihood -inf. The column "unseen" names such categories,
    and those that no training row had.

    A model without a likelihood may have an anomaly score: an autoencoder has its reconstruction error. A higher
    anomaly score is more unusual, and such rows have the score inf. Its unit is printed.

    The least likely rows are printed with the values that make them so, and the column "because" names these columns.
    It does so for flagged rows, too, if the likelihood is exact and the model accepts missing values.

    \b
    genzoo score RUN --data new.csv --threshold 0.01 --keep customer_id --out scores.csv
    """
    from genzoo.cli.rows import check_destination, open_data, settings_of, show_columns
    from genzoo.inference.scoring import SCORE_COLUMNS, score
    from genzoo.persistence.open_run import load
    from genzoo.verbs.given import check_capable, kept_columns

    check_destination(out, keep)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "score", "likelihood", "likelihood-bound", "anomaly-score")
    settings = settings_of(given, run, out)
    kept = kept_columns(settings, fitted, keep, SCORE_COLUMNS)
    scored = score(fitted, open_data(fitted, settings, keep_unknown=True, keep=keep), threshold, explained)
    shown = scored.unlikely[:explained]
    texts = {name: [str(column[one.row].as_py()) for one in shown] for name, column in kept.items()}
    columns = {**kept, **scored.columns()}
    summary = {**scored.as_dict(), "least_likely": _listed(shown, texts)} if as_json else None
    show_columns(out, columns, summary, _lines(scored), escape_formulas=escape_formulas)
    if shown and not as_json:
        _show_least_likely(scored, shown, texts, err=out is None)


def _listed(shown: tuple[ExplainedRow, ...], texts: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Return the least likely rows for JSON."""
    return [
        {"row": one.row, "kept": {name: column[place] for name, column in texts.items()}, **one.as_dict()}
        for place, one in enumerate(shown)
    ]


def _show_least_likely(
    scored: ScoreResult, shown: tuple[ExplainedRow, ...], texts: Mapping[str, list[str]], *, err: bool
) -> None:
    """Print the least likely rows, with the values that make them so."""
    known = scored.unexplained is None
    header = ["row", *texts, scored.name.replace("_", "-"), *["because"] * known]
    rows = [
        [str(one.row), *(column[place] for column in texts.values()), f"{one.score:.4f}", *[_because(one)] * known]
        for place, one in enumerate(shown)
    ]
    print_line("least likely rows:" if scored.name == "log_likelihood" else "most unusual rows:", err=err)
    show_table(header, rows, err=err)
    if scored.unexplained is not None:
        print_line(f"no columns are named for them: {scored.unexplained}", err=err)


def _because(row: ExplainedRow) -> str:
    parts = [_value(one) for one in row.columns]
    return "; ".join([*parts, *([row.unseen] if row.unseen else [])]) or "no column stands out"


def _value(one: Contribution) -> str:
    from genzoo.reports.description import value_text

    expected = "" if one.expected is None else f" (expected {value_text(one.expected)})"
    return f"{one.column} {value_text(one.value)}{expected}"


def _lines(scored: ScoreResult) -> list[str]:
    from genzoo.data.columns.unseen import about_unseen
    from genzoo.inference.row_likelihoods import named_rows

    count = len(scored.values) - len(scored.unobserved)
    likelihood, average = scored.name == "log_likelihood", ""
    if scored.mean is not None and math.isfinite(scored.mean):
        mean = f"{scored.mean:.4f} nats per event" if likelihood else f"anomaly score {scored.mean:.4f}"
        average = f", {mean} on average ({scored.kind})"
    lines = [f"{counted(count, 'row')}{average}"]
    flagged, threshold = scored.flagged, scored.threshold
    if flagged is not None and threshold is not None:
        beyond = f": they score {threshold.side} {threshold.value:.4f}" if math.isfinite(threshold.value) else ""
        lines.append(f"{flagged.sum()} of {count} rows are flagged{beyond}")
        lines.append(threshold.describe())
        if threshold.warning is not None:
            lines.append(f"look at: {threshold.warning}")
    if len(scored.impossible):
        what = "impossible under the model" if likelihood else "too far from the training rows for a score"
        lines.append(f"{what}: {named_rows(scored.impossible)}")
    if len(scored.uncovered):
        lines.append(f"outside the box that holds the training rows: {named_rows(scored.uncovered)}")
    if scored.unseen:
        lines.append(f"look at: {about_unseen(scored.unseen)}")
    if len(scored.unobserved):
        lines.append(f"no score, because all values are missing: {named_rows(scored.unobserved)}")
    return lines
