"""`genzoo cluster`, `embed`, `reconstruct` and `impute`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    seed_option,
    with_data_options,
)
from genzoo.cli.output import print_json, print_line, show_unfinished
from genzoo.text import counted

if TYPE_CHECKING:
    from genzoo.inference.trained_model import TrainedModel
    from genzoo.verbs.filling import Filled


@click.command("cluster", cls=ComputingCommand, needs="genzoo.inference.rows.scoring")
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
    from genzoo.inference.rows.clustering import CLUSTER_COLUMNS, cluster
    from genzoo.persistence.open_run import load
    from genzoo.verbs.given import check_capable, kept_columns

    check_destination(out, keep)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "cluster", "components")
    settings = settings_of(given, fitted, run, out)
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
@on_option
@device_option
@json_option
@with_data_options
def embed_command(run: str, out: Path | None, on: str | None, device: str, as_json: bool, **given: Any) -> None:
    """Compute the latent vector of every row of DATA with the model in RUN.

    Columns z0, z1 ... hold the posterior means, or the codes of an autoencoder. The model needs an encoder; genzoo
    models lists what each can do.

    \b
    genzoo embed RUN --data photos --out latent.csv
    """
    from genzoo.cli.rows import check_destination, open_data, settings_of, show_columns, show_reading, show_summary
    from genzoo.metrics.evaluate import embed
    from genzoo.persistence.open_run import load
    from genzoo.verbs.given import check_capable
    from genzoo.verbs.streaming import check_partitioned, cluster_of, stream_latent

    check_destination(out)
    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "embed", "encoder")
    settings = settings_of(given, fitted, run, out)
    where: dict[str, Any] = {"small": on is not None, "cluster": cluster_of(run, on)}
    streamed = stream_latent(fitted, settings, out, seen=lambda block: show_reading(block.dataset), **where)
    if streamed is None:
        check_partitioned(on)
    z = embed(fitted, open_data(fitted, settings)) if streamed is None else None
    rows, latent = z.shape if z is not None else streamed or (0, 0)
    summary = {"rows": rows, "latent": latent} if as_json else None
    lines = [f"{counted(rows, 'row')}, {counted(latent, 'latent dimension')}"]
    if z is None:
        show_summary(out, summary, lines)
        return
    columns = {f"z{dimension}": z[:, dimension] for dimension in range(latent)}
    show_columns(out, columns, summary, lines)


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
    dataset = open_data(fitted, settings_of(given, fitted, run, out))
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
@on_option
@formulas_option
@device_option
@json_option
@with_data_options
def impute_command(
    run: str,
    out: Path,
    draws: bool,
    seed: int,
    on: str | None,
    escape_formulas: bool,
    device: str,
    as_json: bool,
    **given: Any,
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
    from genzoo.cli.rows import open_data, settings_of, show_reading, write_filled
    from genzoo.inference.export import check_suffix
    from genzoo.persistence.open_run import load
    from genzoo.verbs.filling import Filled, filled_events
    from genzoo.verbs.given import check_capable
    from genzoo.verbs.streaming import check_partitioned, cluster_of, stream_filled

    show_unfinished(run)
    fitted = load(run, device)
    check_capable(fitted, "impute", "imputation")
    settings = settings_of(given, fitted, run, out)
    check_suffix(out, 0, fitted.data)
    filled = stream_filled(
        fitted,
        settings,
        out,
        draw=draws,
        seed=seed,
        escape_formulas=escape_formulas,
        seen=lambda block: show_reading(block.dataset),
        small=on is not None,
        cluster=cluster_of(run, on),
    )
    if filled is None:
        check_partitioned(on)
        dataset = open_data(fitted, settings)
        events = filled_events(fitted, dataset, draw=draws, seed=seed)
        write_filled(out, fitted, settings, events, escape_formulas=escape_formulas)
        filled = Filled.of(fitted, dataset)
    _show_filled(filled, fitted, out, draws=draws, as_json=as_json)


def _show_filled(filled: Filled, fitted: TrainedModel, out: Path, *, draws: bool, as_json: bool) -> None:
    """Print what was filled in."""
    from genzoo.data.columns.unseen import about_unseen

    features = fitted.data.features
    pairs = zip(features, filled.missing, strict=False)
    by_column = {feature.name: int(count) for feature, count in pairs if count}
    if as_json:
        print_json({"out": str(out), "rows": filled.rows, "filled": by_column, "unseen": filled.unseen})
        return
    counts = ", ".join(f"{name} {count}" for name, count in by_column.items()) or "none was missing"
    print_line(f"{counted(filled.missing.sum(), 'value')} filled in ({counts}): {out}")
    means = [feature.name for feature in features if feature.kind == "count" and feature.name in by_column]
    if means and not draws:
        print_line(f"means were filled into counts, which need not be whole ({', '.join(means)}); --draws gives counts")
    if filled.unseen:
        print_line(f"look at: {about_unseen(filled.unseen, filled.count_unseen)}")
