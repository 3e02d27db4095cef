"""`genzoo score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.options import data_option, device_option, json_option, rows_option, with_data_options

if TYPE_CHECKING:
    from genzoo.evaluation import Scored


@click.command("score")
@click.argument("run")
@data_option
@with_data_options
@click.option("--threshold", type=float, metavar="Q", help="Flag rows below the Q-quantile of the validation scores.")
@rows_option
@device_option
@json_option
def command(run: str, threshold: float | None, out: Path | None, device: str, as_json: bool, **given: Any) -> None:
    """Score every row of D under the model of RUN: its log-likelihood in nats, in the units of the data."""
    from genzoo.cli.matching import check_destination, open_data, show_columns
    from genzoo.evaluation import score
    from genzoo.run import load

    check_destination(out)
    fitted = load(run, device)
    scored = score(fitted, open_data(fitted, given), threshold)
    columns = {"log_likelihood": scored.log_likelihood}
    if scored.flagged is not None:
        columns["flagged"] = scored.flagged
    show_columns(out, columns, _summary(scored) if as_json else None, _lines(scored))


def _summary(scored: Scored) -> dict[str, Any]:
    flagged = scored.flagged
    return {
        "rows": len(scored.log_likelihood),
        "mean": scored.mean,
        "kind": scored.kind,
        "threshold": scored.threshold,
        "count_flagged": None if flagged is None else int(flagged.sum()),
        "uncovered": scored.uncovered.tolist(),
        "unobserved": scored.unobserved.tolist(),
    }


def _lines(scored: Scored) -> list[str]:
    from genzoo.metrics.likelihood import named_rows

    count = len(scored.log_likelihood) - len(scored.unobserved)
    average = "" if scored.mean is None else f", {scored.mean:.4f} nats per event on average ({scored.kind})"
    lines = [f"{count} rows{average}"]
    flagged = scored.flagged
    if flagged is not None:
        lines.append(f"{flagged.sum()} of {count} rows are flagged: they lie below {scored.threshold:.4f}")
    if len(scored.uncovered):
        lines.append(f"outside the box that holds the training rows: {named_rows(scored.uncovered)}")
    if len(scored.unobserved):
        lines.append(f"without any value, and so without a score: {named_rows(scored.unobserved)}")
    return lines
