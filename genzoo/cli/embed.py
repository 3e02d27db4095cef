"""`genzoo embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genzoo.cli.options import data_option, device_option, json_option, rows_option, with_data_options


@click.command("embed")
@click.argument("run")
@data_option
@with_data_options
@rows_option
@device_option
@json_option
def command(run: str, out: Path | None, device: str, as_json: bool, **given: Any) -> None:
    """Find the latent vector of every row of D with the model of RUN: the posterior means, in columns z0, z1 ...

    For models with an encoder; see what a model can do with: genzoo models NAME.
    """
    from genzoo.cli.matching import check_destination, open_data, show_columns
    from genzoo.evaluation import embed
    from genzoo.run import load

    check_destination(out)
    fitted = load(run, device)
    z = embed(fitted, open_data(fitted, given))
    columns = {f"z{dimension}": z[:, dimension] for dimension in range(z.shape[1])}
    summary = {"rows": len(z), "latent": z.shape[1]} if as_json else None
    show_columns(out, columns, summary, [f"{len(z)} rows, {z.shape[1]} latent dimensions"])
