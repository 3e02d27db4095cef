"""`genzoo cluster`, `embed`, `reconstruct` and `impute`."""

from __future__ import annotations

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
    seed_option,
    with_data_options,
)
from genzoo.cli.output import print_line, show_unfinished
from genzoo.errors import DataError
from genzoo.text import counted

if TYPE_CHECKING:
    from genzoo.inference.trained_model import TrainedModel
    from genzoo.typing import Array


@click.command("cluster", cls=Command)
@click.argument("run")
@data_option
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
    from genzoo.cli.rows import check_capable, check_destination, kept_columns, open_data, show_columns
    from genzoo.inference.scoring import CLUSTER_COLUMNS, cluster
    from genzoo.persistence.run import load

    check_destination(out, keep)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "cluster", "components")
    kept = kept_columns(fitted, given, keep, CLUSTER_COLUMNS)
    clusters = cluster(fitted, open_data(fitted, given, keep=keep))
    summary = {"rows": len(clusters.label), "sizes": clusters.sizes, "adjusted_rand_index": clusters.rand_index}
    sizes = ", ".join(f"{label}: {count}" for label, count in clusters.sizes.items())
    lines = [f"{counted(len(clusters.label), 'row')}, sizes {sizes}"]
    if clusters.rand_index is not None:
        lines.append(f"adjusted Rand index against the labels: {clusters.rand_index:.4f}")
    columns = {**kept, **clusters.columns()}
    show_columns(out, columns, summary if as_json else None, lines, escape_formulas=escape_formulas)


@click.command("embed", cls=Command)
@click.argument("run")
@data_option
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
    from genzoo.cli.rows import check_capable, check_destination, open_data, show_columns
    from genzoo.metrics.evaluate import embed
    from genzoo.persistence.run import load

    check_destination(out)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "embed", "encoder")
    z = embed(fitted, open_data(fitted, given))
    columns = {f"z{dimension}": z[:, dimension] for dimension in range(z.shape[1])}
    summary = {"rows": len(z), "latent": z.shape[1]} if as_json else None
    show_columns(out, columns, summary, [f"{counted(len(z), 'row')}, {counted(z.shape[1], 'latent dimension')}"])


@click.command("reconstruct", cls=Command)
@click.argument("run")
@data_option
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
    from genzoo.cli.rows import check_capable, open_data
    from genzoo.inference.export import check_suffix, save_events
    from genzoo.metrics.evaluate import reconstruct
    from genzoo.persistence.run import load
    from genzoo.storage.json_files import to_json

    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "reconstruct", "reconstruction")
    dataset = open_data(fitted, given)
    check_suffix(out, len(dataset), fitted.data)
    events = reconstruct(fitted, dataset)
    save_events(out, events, fitted.data, escape_formulas=escape_formulas)
    if as_json:
        click.echo(to_json({"out": str(out), "rows": len(events)}, indent=2))
        return
    print_line(f"{counted(len(events), 'row' if fitted.data.modality == 'table' else 'image')} reconstructed: {out}")


@click.command("impute", cls=Command)
@click.argument("run")
@data_option
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
    other columns of whole numbers are rounded, unless the model was trained with --no-whole.

    All columns keep their order and otherwise their type, including those that the model does not use. Columns named
    by --drop are removed. An array (.npy, .npz) holds only the columns of the model.

    \b
    genzoo impute RUN --data holes.csv --out whole.csv
    """
    import numpy as np

    from genzoo.cli.rows import check_capable, open_data, write_filled
    from genzoo.data.columns.unseen import about_unseen, unseen_levels
    from genzoo.inference.export import check_suffix
    from genzoo.persistence.run import load
    from genzoo.storage.json_files import to_json

    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "impute", "imputation")
    dataset = open_data(fitted, given)
    check_suffix(out, len(dataset), fitted.data)
    events = np.asarray(dataset.events[:])
    filled = fitted.impute(events, draw=draws, seed=seed)
    bad = ~np.isfinite(filled.reshape(len(filled), -1)).all(axis=1)
    if bad.any():
        _check_imputed(fitted, events, bad)
    write_filled(out, fitted, given, filled, escape_formulas=escape_formulas)
    missing = np.isnan(events).reshape(len(events), -1)
    names = [feature.name for feature in fitted.data.features]
    unseen = unseen_levels(fitted.data, dataset, np.flatnonzero(missing.any(axis=1)))
    by_column = {name: int(count) for name, count in zip(names, missing.sum(axis=0), strict=False) if count}
    if as_json:
        click.echo(to_json({"out": str(out), "rows": len(events), "filled": by_column, "unseen": unseen}, indent=2))
        return
    counts = ", ".join(f"{name} {count}" for name, count in by_column.items()) or "none was missing"
    print_line(f"{counted(missing.sum(), 'value')} filled in ({counts}): {out}")
    means = [feature.name for feature in fitted.data.features if feature.kind == "count" and feature.name in by_column]
    if means and not draws:
        print_line(f"means were filled into counts, which need not be whole ({', '.join(means)}); --draws gives counts")
    if unseen:
        print_line(f"look at: {about_unseen(unseen)}")


def _check_imputed(fitted: TrainedModel, events: Array, bad: Array) -> None:
    """Raise an error for rows whose filled-in values are not finite: the weights' or the rows' fault."""
    import numpy as np

    from genzoo.inference.row_likelihoods import named_rows
    from genzoo.inference.usable import check_weights

    missing = np.isnan(events[bad][0])

    def fails(ordinary: Array) -> Array:
        filled = fitted.impute(np.where(missing, np.nan, ordinary))
        return np.asarray(~np.isfinite(filled).all(axis=1))

    check_weights(fitted, bad, "filled-in value", fails)
    raise DataError(
        f"The values missing from {named_rows(np.flatnonzero(bad))} cannot be filled in: the rest is too far from the "
        f"training rows to compute with. Correct or remove these rows."
    )
