"""`genzoo score`, `cluster`, `embed` and `impute`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.options import (
    data_option,
    device_option,
    formulas_option,
    json_option,
    rows_option,
    tell,
    with_data_options,
)

if TYPE_CHECKING:
    from genzoo.metrics.evaluate import ScoreResult


@click.command("cluster")
@click.argument("run")
@data_option
@with_data_options
@rows_option
@device_option
@json_option
def cluster_command(run: str, out: Path | None, device: str, as_json: bool, **given: Any) -> None:
    """Assign every row of D to the most probable component of the model of RUN; outliers are -1.

    If the data have labels (--label COL), the adjusted Rand index against them is printed, too.
    """
    from genzoo.cli.rows import check_destination, open_data, show_columns
    from genzoo.metrics.evaluate import cluster
    from genzoo.runs.run import load

    check_destination(out)
    fitted = load(run, device)
    found = cluster(fitted, open_data(fitted, given))
    columns = {"cluster": found.label, "probability": found.probability}
    summary = {"rows": len(found.label), "sizes": found.sizes, "adjusted_rand_index": found.rand_index}
    sizes = ", ".join(f"{label}: {count}" for label, count in found.sizes.items())
    lines = [f"{len(found.label)} rows, sizes {sizes}"]
    if found.rand_index is not None:
        lines.append(f"adjusted Rand index against the labels: {found.rand_index:.4f}")
    show_columns(out, columns, summary if as_json else None, lines)


@click.command("embed")
@click.argument("run")
@data_option
@with_data_options
@rows_option
@device_option
@json_option
def embed_command(run: str, out: Path | None, device: str, as_json: bool, **given: Any) -> None:
    """Find the latent vector of every row of D with the model of RUN: the posterior means, in columns z0, z1 ...

    For models with an encoder; see what a model can do with: genzoo models NAME.
    """
    from genzoo.cli.rows import check_destination, open_data, show_columns
    from genzoo.metrics.evaluate import embed
    from genzoo.runs.run import load

    check_destination(out)
    fitted = load(run, device)
    z = embed(fitted, open_data(fitted, given))
    columns = {f"z{dimension}": z[:, dimension] for dimension in range(z.shape[1])}
    summary = {"rows": len(z), "latent": z.shape[1]} if as_json else None
    show_columns(out, columns, summary, [f"{len(z)} rows, {z.shape[1]} latent dimensions"])


@click.command("impute")
@click.argument("run")
@data_option
@with_data_options
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="F", help="Where to, by suffix.")
@click.option("--draws", is_flag=True, help="Draw what is missing, instead of taking means and most probable values.")
@click.option("--seed", type=int, default=0, envvar="GENZOO_SEED", show_default=True, help="Of the draws.")
@formulas_option
@device_option
@json_option
def impute_command(
    run: str, out: Path, draws: bool, seed: int, escape_formulas: bool, device: str, as_json: bool, **given: Any
) -> None:
    """Fill in the missing values of D with the model of RUN, and leave all else as it is.

    A missing value becomes its mean given the observed ones, or its most probable category; with --draws a draw.
    All columns keep their order and type, including those that the model does not use. Columns named by --drop are
    removed. An array (.npy, .npz) holds the columns of the model.
    """
    import numpy as np

    from genzoo.cli.rows import open_data, write_filled
    from genzoo.inference.export import check_suffix
    from genzoo.runs.run import load
    from genzoo.storage.json_files import to_json

    fitted = load(run, device)
    dataset = open_data(fitted, given)
    check_suffix(out, len(dataset), fitted.data)
    events = np.asarray(dataset.events[:])
    write_filled(out, fitted, given, fitted.impute(events, draw=draws, seed=seed), escape_formulas=escape_formulas)
    missing = np.isnan(events).reshape(len(events), -1)
    names = [feature.name for feature in fitted.data.features]
    filled = {name: int(count) for name, count in zip(names, missing.sum(axis=0), strict=False) if count}
    if as_json:
        click.echo(to_json({"out": str(out), "rows": len(events), "filled": filled}, indent=2))
        return
    told = ", ".join(f"{name} {count}" for name, count in filled.items()) or "none was missing"
    tell(f"{missing.sum()} values filled in ({told}): {out}")


@click.command("score")
@click.argument("run")
@data_option
@with_data_options
@click.option("--threshold", type=float, metavar="Q", help="Flag rows below the Q-quantile of the validation scores.")
@rows_option
@device_option
@json_option
def score_command(
    run: str, threshold: float | None, out: Path | None, device: str, as_json: bool, **given: Any
) -> None:
    """Score every row of D under the model of RUN: its log-likelihood in nats, in the units of the data."""
    from genzoo.cli.rows import check_destination, open_data, show_columns
    from genzoo.metrics.evaluate import score
    from genzoo.runs.run import load

    check_destination(out)
    fitted = load(run, device)
    scored = score(fitted, open_data(fitted, given), threshold)
    columns = {"log_likelihood": scored.log_likelihood}
    if scored.flagged is not None:
        columns["flagged"] = scored.flagged
    show_columns(out, columns, _summary(scored) if as_json else None, _lines(scored))


def _summary(scored: ScoreResult) -> dict[str, Any]:
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


def _lines(scored: ScoreResult) -> list[str]:
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
