"""`genzoo cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genzoo.cli.options import data_option, device_option, json_option, rows_option, with_data_options


@click.command("cluster")
@click.argument("run")
@data_option
@with_data_options
@rows_option
@device_option
@json_option
def command(run: str, out: Path | None, device: str, as_json: bool, **given: Any) -> None:
    """Assign every row of D to the most probable component of the model of RUN; outliers are -1.

    Where the data have labels (--label COL), their agreement is told as the adjusted Rand index.
    """
    from genzoo.cli.matching import check_destination, open_data, show_columns
    from genzoo.evaluation import cluster
    from genzoo.run import load

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
