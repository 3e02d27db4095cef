"""`genzoo sample`."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("sample")
@click.argument("run")
@click.option("-n", "count", type=int, default=64, show_default=True, help="How many events.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to, by suffix: .png, none for a folder of PNGs, .csv .tsv .parquet .arrow, .npy .npz.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same events.")
@click.option(
    "--device", default="auto", envvar="GENZOO_DEVICE", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(run: str, count: int, out: Path | None, seed: int, device: str, as_json: bool) -> None:
    """Draw events from RUN, a run directory or a model folder."""
    from genzoo.picture import check_suffix, save_events
    from genzoo.run import load

    fitted = load(run, device)
    if out is None:
        suffix = "png" if fitted.data.modality == "image" else "csv"
        out = Path(f"{fitted.model.rpartition('/')[2]}-{count}-seed{seed}.{suffix}")
    check_suffix(out, count, fitted.data)
    save_events(out, fitted.sample(count, seed=seed), fitted.data)
    if as_json:
        click.echo(json.dumps({"out": str(out), "count": count, "seed": seed, "event": fitted.data.describe()}))
    else:
        click.echo(f"{count} events ({fitted.data.describe()}): {out}")
