"""`genzoo cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genzoo.cli.options import with_data_options


@click.command("cluster")
@click.argument("run")
@click.option("--data", required=True, metavar="D", help="Built-in name or path; see: genzoo data.")
@with_data_options
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="F", help="Where to: .csv .tsv .parquet .arrow .npy; or stdout."
)
@click.option("--device", default="auto", envvar="GENZOO_DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: str, out: Path | None, device: str, as_json: bool, **given: Any) -> None:
    """Assign every row of D to the most probable component of the model of RUN; outliers are -1.

    Where the data have labels (--label COL), their agreement is told as the adjusted Rand index.
    """
    from genzoo.cli.matching import check_destination, open_data, write_columns
    from genzoo.evaluation import cluster
    from genzoo.files import to_json
    from genzoo.run import load

    check_destination(out)
    fitted = load(run, device)
    found = cluster(fitted, open_data(fitted, given))
    columns = {"cluster": found.label, "probability": found.probability}
    if out is not None or not as_json:
        write_columns(out, columns)
    if as_json:
        rows = {} if out is not None else {name: column.tolist() for name, column in columns.items()}
        summary = {"rows": len(found.label), "sizes": found.sizes, "adjusted_rand_index": found.rand_index}
        click.echo(to_json({**summary, "out": None if out is None else str(out), **rows}, indent=2))
        return
    sizes = ", ".join(f"{label}: {count}" for label, count in found.sizes.items())
    click.echo(f"{len(found.label)} rows, sizes {sizes}", err=out is None)
    if found.rand_index is not None:
        click.echo(f"adjusted Rand index against the labels: {found.rand_index:.4f}", err=out is None)
    if out is not None:
        click.echo(f"clusters: {out}")
