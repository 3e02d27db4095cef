"""`genzoo score`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    device_option,
    formulas_option,
    json_option,
    keep_option,
    on_option,
    own_data_option,
    rows_option,
    with_data_options,
)
from genzoo.cli.output import print_line, show_table, show_unfinished
from genzoo.errors import ConfigError
from genzoo.text import counted, shortened

if TYPE_CHECKING:
    from genzoo.inference.description.figures import Contribution
    from genzoo.inference.rows.scores import ExplainedRow, ScoreSummary
    from genzoo.inference.rows.streamed import StreamedScores

_LONGEST_TEXT = 80
"""Largest number of characters of a text in a line of output."""


@click.command("score", cls=ComputingCommand, needs="genzoo.inference.rows.scoring")
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
@click.option(
    "--sort",
    "order",
    type=click.Choice(["row", "score", "per-byte"]),
    default="row",
    show_default=True,
    help="Order of the written rows: as in the data, or the least likely first, by the score, or by the one of a text "
    "divided by its bytes.",
)
@click.option(
    "--each",
    is_flag=True,
    help="With --json, list the log-probability of each character of the least likely texts.",
)
@click.option(
    "--estimate",
    is_flag=True,
    help="Estimate log-likelihoods, with standard errors, if the model can; by default, a bound comes first.",
)
@keep_option
@rows_option
@on_option
@formulas_option
@device_option
@json_option
@with_data_options
def score_command(
    run: str,
    threshold: float | None,
    explained: int,
    order: Literal["row", "score", "per-byte"],
    each: bool,
    estimate: bool,
    keep: tuple[str, ...],
    out: Path | None,
    on: str | None,
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

    Texts are ranked by nats per byte, so that a long line is not unlikely for its length alone. Its end counts as a
    byte. "because" names the most surprising characters.

    \b
    genzoo score RUN --data log.txt --rows 20 --sort per-byte --out scores.csv
    genzoo score RUN --data new.csv --threshold 0.01 --keep customer_id --out scores.csv
    """
    from genzoo.cli.rows import check_destination, open_data, settings_of, show_columns, show_reading, sorted_columns
    from genzoo.inference.rows.scores import SCORE_COLUMNS
    from genzoo.inference.rows.scoring import score
    from genzoo.persistence.open_run import load
    from genzoo.verbs.given import check_capable, kept_columns
    from genzoo.verbs.streaming import check_partitioned, cluster_of, stream_scores

    if each and not as_json:
        raise ConfigError("--each lists characters in JSON. Add --json.")
    check_destination(out, keep)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "score", "likelihood", "likelihood-bound", "likelihood-estimate", "anomaly-score")
    settings = settings_of(given, fitted, run, out)
    if order == "row" and not estimate:
        streamed = stream_scores(
            fitted,
            settings,
            out,
            threshold=threshold,
            explained=explained,
            keep=keep,
            escape_formulas=escape_formulas,
            seen=lambda block: show_reading(block.dataset, keep),
            small=on is not None,
            cluster=cluster_of(run, on),
        )
        if streamed is not None:
            _show_streamed(out, streamed, explained, as_json=as_json)
            return
    check_partitioned(on)
    kept = kept_columns(settings, fitted, keep, SCORE_COLUMNS)
    dataset = open_data(fitted, settings, keep_unknown=True, keep=keep)
    scored = score(fitted, dataset, threshold, explained, estimate=estimate)
    shown = scored.unlikely[:explained]
    texts = {name: [str(column[one.row].as_py()) for one in shown] for name, column in kept.items()}
    columns = {**kept, **scored.columns()}
    if order != "row":
        columns = sorted_columns(columns, scored.order(order))
    summary = {**scored.as_dict(), "least_likely": _listed(shown, texts, each=each)} if as_json else None
    show_columns(out, columns, summary, _lines(scored.summary), escape_formulas=escape_formulas)
    if shown and not as_json:
        _show_least_likely(scored.summary, shown, texts, err=out is None)


def _show_streamed(out: Path | None, streamed: StreamedScores, explained: int, *, as_json: bool) -> None:
    """Print what there is to say of scores that were written block by block."""
    from genzoo.cli.rows import show_summary

    scored = streamed.summary
    shown = scored.unlikely[:explained]
    kept = zip(streamed.kept.column_names, streamed.kept.columns, strict=True)
    texts = {name: [str(column[place].as_py()) for place in range(len(shown))] for name, column in kept}
    summary = {**scored.as_dict(), "least_likely": _listed(shown, texts, each=False)} if as_json else None
    show_summary(out, summary, _lines(scored))
    if shown and not as_json:
        _show_least_likely(scored, shown, texts, err=False)


def _listed(shown: tuple[ExplainedRow, ...], texts: Mapping[str, list[str]], *, each: bool) -> list[dict[str, Any]]:
    """Return the least likely rows for JSON."""
    return [
        {"row": one.row, "kept": {name: column[place] for name, column in texts.items()}, **one.as_dict(each=each)}
        for place, one in enumerate(shown)
    ]


def _show_least_likely(
    scored: ScoreSummary, shown: tuple[ExplainedRow, ...], texts: Mapping[str, list[str]], *, err: bool
) -> None:
    """Print the least likely rows, with the values that make them so."""
    if any(one.text for one in shown):
        _show_least_likely_texts(scored, shown, err=err)
        return
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


def _show_least_likely_texts(scored: ScoreSummary, shown: tuple[ExplainedRow, ...], *, err: bool) -> None:
    """Print the least likely texts, with their most surprising characters."""
    rated, known = scored.ranked_by is not None, scored.unexplained is None
    rate = (scored.ranked_by or "").replace("_", "-")
    header = ["row", scored.name.replace("_", "-"), *[rate] * rated, *["because"] * known, "text"]
    rows = []
    for one in shown:
        assert one.text is not None
        rates = [] if one.text.per_byte is None else [f"{one.text.per_byte:.4f}"]
        because = [one.because or "no character stands out"] * known
        rows.append([str(one.row), f"{one.score:.4f}", *rates, *because, shortened(one.text.text, _LONGEST_TEXT)])
    print_line(f"least likely texts, by {rate.replace('-', ' ')}:" if rated else "most unusual texts:", err=err)
    show_table(header, rows, err=err)


def _because(row: ExplainedRow) -> str:
    parts = [_value(one) for one in row.columns]
    return "; ".join([*parts, *([row.unseen] if row.unseen else [])]) or "no column stands out"


def _value(one: Contribution) -> str:
    from genzoo.reports.description import value_text

    expected = "" if one.expected is None else f" (expected {value_text(one.expected)})"
    return f"{one.column} {value_text(one.value)}{expected}"


def _lines(scored: ScoreSummary) -> list[str]:
    from genzoo.data.columns.unseen import about_unseen
    from genzoo.inference.row_likelihoods import named_rows

    count = scored.rows - len(scored.unobserved)
    likelihood, average = scored.name == "log_likelihood", ""
    if scored.mean is not None and math.isfinite(scored.mean):
        mean = f"{scored.mean:.4f} nats per event" if likelihood else f"anomaly score {scored.mean:.4f}"
        average = f", {mean} on average ({scored.kind})"
    lines = [f"{counted(count, 'row')}{average}"]
    if scored.errors_of_mean is not None:
        over_rows, over_probes = scored.errors_of_mean
        lines.append(f"standard error of the mean: {over_rows:.2g} over rows and probes, {over_probes:.2g} over probes")
    flagged, threshold = scored.count_flagged, scored.threshold
    if flagged is not None and threshold is not None:
        beyond = f": they score {threshold.side} {threshold.value:.4f}" if math.isfinite(threshold.value) else ""
        lines.append(f"{flagged} of {count} rows are flagged{beyond}")
        lines.append(threshold.describe())
        if threshold.warning is not None:
            lines.append(f"look at: {threshold.warning}")
    if len(scored.impossible):
        what = "impossible under the model" if likelihood else "too far from the training rows for a score"
        lines.append(f"{what}: {named_rows(scored.impossible)}")
    if len(scored.uncovered):
        lines.append(f"outside the box that holds the training rows: {named_rows(scored.uncovered)}")
    if scored.count_unseen:
        lines.append(f"look at: {about_unseen(scored.unseen, scored.count_unseen)}")
    if len(scored.unobserved):
        lines.append(f"no score, because all values are missing: {named_rows(scored.unobserved)}")
    return lines
