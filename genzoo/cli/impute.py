"""`genzoo impute`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genzoo.cli.options import data_option, device_option, formulas_option, json_option, tell, with_data_options


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
def command(
    run: str, out: Path, draws: bool, seed: int, escape_formulas: bool, device: str, as_json: bool, **given: Any
) -> None:
    """Fill in the missing values of D with the model of RUN, and leave all else as it is.

    A missing value becomes its mean given the observed ones, or its most probable category; with --draws a draw.
    The columns of the table stay with their order and types, also those that the model does not know; those of
    --drop go. An array (.npy, .npz) holds the columns of the model.
    """
    import numpy as np

    from genzoo.cli.matching import open_data, write_filled
    from genzoo.files import to_json
    from genzoo.picture import check_suffix
    from genzoo.run import load

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
