"""`genzoo score`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import Command
from genzoo.cli.options import (
    data_option,
    device_option,
    formulas_option,
    json_option,
    keep_option,
    rows_option,
    with_data_options,
)
from genzoo.cli.output import print_line, show_table, show_unfinished
from genzoo.text import counted

if TYPE_CHECKING:
    from genzoo.inference.description.figures import Contribution
    from genzoo.inference.scoring import ExplainedRow, ScoreResult


@click.command("score", cls=Command)
@click.argument("run")
@data_option
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
    from genzoo.cli.rows import check_capable, check_destination, kept_columns, open_data, show_columns
    from genzoo.inference.scoring import SCORE_COLUMNS, score
    from genzoo.persistence.run import load

    check_destination(out, keep)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "score", "likelihood", "likelihood-bound", "anomaly-score")
    kept = kept_columns(fitted, given, keep, SCORE_COLUMNS)
    scored = score(fitted, open_data(fitted, given, keep_unknown=True, keep=keep), threshold, explained)
    shown = scored.unlikely[:explained]
    texts = {name: [str(column[one.row].as_py()) for one in shown] for name, column in kept.items()}
    columns = {**kept, **scored.columns()}
    summary = {**_summary(scored), "least_likely": _listed(shown, texts)} if as_json else None
    show_columns(out, columns, summary, _lines(scored), escape_formulas=escape_formulas)
    if shown and not as_json:
        _show_least_likely(scored, shown, texts, err=out is None)


def _summary(scored: ScoreResult) -> dict[str, Any]:
    flagged, cut = scored.flagged, scored.threshold
    return {
        "rows": len(scored.values),
        "score": scored.name,
        "mean": scored.mean,
        "kind": scored.kind,
        "threshold": None if cut is None else cut.value,
        "calibration": None if cut is None else {"rows": cut.rows, "by": cut.calibration, "warning": cut.warning},
        "count_flagged": None if flagged is None else int(flagged.sum()),
        "uncovered": scored.uncovered.tolist(),
        "unobserved": scored.unobserved.tolist(),
        "count_unseen": len(scored.unseen),
    }


def _listed(shown: tuple[ExplainedRow, ...], texts: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Return the least likely rows for JSON."""
    return [
        {
            "row": one.row,
            "kept": {name: column[place] for name, column in texts.items()},
            "score": one.score,
            "because": [
                {"column": c.column, "value": c.value, "expected": c.expected, "surprise": c.surprise}
                for c in one.columns
            ],
            "unseen": one.unseen,
        }
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
