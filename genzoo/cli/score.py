"""`genzoo score`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.options import with_data_options

if TYPE_CHECKING:
    from genzoo.evaluation import Scored


@click.command("score")
@click.argument("run")
@click.option("--data", required=True, metavar="D", help="Built-in name or path; see: genzoo data.")
@with_data_options
@click.option("--threshold", type=float, metavar="Q", help="Flag rows below the Q-quantile of the validation scores.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="F", help="Where to: .csv .tsv .parquet .arrow .npy; or stdout."
)
@click.option("--device", default="auto", envvar="GENZOO_DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: str, threshold: float | None, out: Path | None, device: str, as_json: bool, **given: Any) -> None:
    """Score every row of D under the model of RUN: its log-likelihood in nats, in the units of the data."""
    from genzoo.cli.matching import check_destination, open_data, write_columns
    from genzoo.evaluation import score
    from genzoo.files import to_json
    from genzoo.run import load

    check_destination(out)
    fitted = load(run, device)
    scored = score(fitted, open_data(fitted, given), threshold)
    columns = {"log_likelihood": scored.log_likelihood}
    if scored.flagged is not None:
        columns["flagged"] = scored.flagged
    if out is not None or not as_json:
        write_columns(out, columns)
    if as_json:
        rows = {} if out is not None else {name: column.tolist() for name, column in columns.items()}
        click.echo(to_json({**_summary(scored), "out": None if out is None else str(out), **rows}, indent=2))
        return
    for line in _lines(scored):
        click.echo(line, err=out is None)
    if out is not None:
        click.echo(f"scores:   {out}")


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
