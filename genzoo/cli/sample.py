"""`genzoo sample`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.options import data_layer, formulas_option, tell, with_data_options
from genzoo.errors import ConfigError

if TYPE_CHECKING:
    from genzoo.data.dataset import Dataset
    from genzoo.inference.trained_model import TrainedModel
    from genzoo.typing import Array

_LONGEST_ROW = 16


@click.command("sample")
@click.argument("run")
@click.option("-n", "count", type=int, help="How many events: 64; 10 on a path; 7 along each dimension of a traversal.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to, by suffix: .png, none for a folder of PNGs, .csv .tsv .parquet .arrow, .npy .npz.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same events.")
@click.option("--traverse", is_flag=True, help="Walk along single latent dimensions: a row each, at most 16.")
@click.option(
    "--interpolate",
    "ends",
    nargs=2,
    type=int,
    metavar="A B",
    help="Walk from row A of --data to row B; for a model without encoder, from its own sample A to B under --seed.",
)
@click.option("--data", metavar="D", help="The data whose rows --interpolate names; the run's own without.")
@with_data_options
@formulas_option
@click.option(
    "--device", default="auto", envvar="GENZOO_DEVICE", show_default=True, help="auto, cpu, cuda, cuda:N or mps."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sample_command(
    run: str,
    count: int | None,
    out: Path | None,
    seed: int,
    traverse: bool,
    ends: tuple[int, int] | None,
    escape_formulas: bool,
    device: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Draw events from RUN, a run directory or a model folder.

    \b
    genzoo sample RUN -n 64 --out grid.png
    genzoo sample RUN --traverse --out traversal.png       what each latent dimension does
    genzoo sample RUN --interpolate 3 17 --out path.png    from one event to another
    """
    _check(traverse, ends, given)
    from genzoo.runs.run import load

    fitted = load(run, device)
    if traverse:
        found = _traverse(fitted, 7 if count is None else count, out, seed, escape_formulas)
    elif ends is not None:
        found = _interpolate(run, fitted, ends, 10 if count is None else count, out, seed, escape_formulas, given)
    else:
        found = _sample(fitted, 64 if count is None else count, out, seed, escape_formulas)
    content, line = found
    tell(json.dumps({**content, "event": fitted.data.describe()}) if as_json else line)


def _check(traverse: bool, ends: tuple[int, int] | None, given: dict[str, Any]) -> None:
    if traverse and ends is not None:
        raise ConfigError("--traverse and --interpolate ask for two different things. Give one of them.")
    if ends is None and given["data"] is not None:
        raise ConfigError("--data names the rows for --interpolate A B, which was not given.")
    if given["data"] is None and (told := data_layer(None, given)):
        raise ConfigError(f"--{next(iter(told)).replace('_', '-')} says how --data is read, which was not given.")


def _default(fitted: TrainedModel, name: str) -> Path:
    suffix = "png" if fitted.data.modality == "image" else "csv"
    return Path(f"{fitted.model.rpartition('/')[2]}-{name}.{suffix}")


def _sample(
    fitted: TrainedModel, count: int, out: Path | None, seed: int, escape_formulas: bool
) -> tuple[dict[str, Any], str]:
    from genzoo.inference.export import check_suffix, save_events

    out = out or _default(fitted, f"{count}-seed{seed}")
    check_suffix(out, count, fitted.data)
    events = _finite(fitted, fitted.sample(count, seed=seed))
    save_events(out, events, fitted.data, escape_formulas=escape_formulas)
    content = {"out": str(out), "count": count, "seed": seed}
    return content, f"{count} events ({fitted.data.describe()}): {out}"


def _finite(fitted: TrainedModel, events: Array) -> Array:
    """The events, if every number of them is finite.

    Raises:
        ArtifactError: the weights are of no use.
    """
    import numpy as np

    from genzoo.errors import ArtifactError

    bad = int((~np.isfinite(events)).reshape(len(events), -1).any(1).sum())
    if bad:
        raise ArtifactError(
            f"{bad} of {len(events)} events that {fitted.origin} gives hold numbers that are not finite: its weights "
            f"are of no use."
        )
    return events


def _traverse(
    fitted: TrainedModel, steps: int, out: Path | None, seed: int, escape_formulas: bool
) -> tuple[dict[str, Any], str]:
    from genzoo.inference.export import check_traversal_suffix, save_traversal
    from genzoo.inference.latent import check_decoder, traverse

    check_decoder(fitted)
    out = out or _default(fitted, "traversal")
    check_traversal_suffix(out, steps, fitted.data)
    found = traverse(fitted, steps=steps, seed=seed)
    _finite(fitted, found.events)
    save_traversal(out, found, fitted.data, escape_formulas=escape_formulas)
    content = {"out": str(out), "dimensions": found.dimensions.tolist(), "values": found.values.tolist(), "seed": seed}
    numbers = ", ".join(map(str, found.dimensions))
    return content, f"latent dimensions {numbers}, the one that changes events most first, {steps} events each: {out}"


def _interpolate(
    run: str,
    fitted: TrainedModel,
    ends: tuple[int, int],
    steps: int,
    out: Path | None,
    seed: int,
    escape_formulas: bool,
    given: dict[str, Any],
) -> tuple[dict[str, Any], str]:
    from genzoo.inference.export import check_suffix, save_events
    from genzoo.inference.latent import check_decoder, has_encoder, interpolate, latent_of_rows, latent_of_samples

    check_decoder(fitted)
    out = out or _default(fitted, f"path-{ends[0]}-{ends[1]}")
    check_suffix(out, steps, fitted.data)
    if has_encoder(fitted):
        dataset = _dataset(run, fitted, given)
        latent, between = latent_of_rows(fitted, dataset, ends), f"rows {ends[0]} and {ends[1]} of {dataset.name}"
    elif given["data"] is not None:
        raise ConfigError(
            f"Model {fitted.model!r} has no encoder, so rows of data have no place in its latent space. Leave --data "
            f"out: A and B are then numbers of its own samples under --seed."
        )
    else:
        latent = latent_of_samples(fitted, ends, seed=seed)
        between = f"its own samples {ends[0]} and {ends[1]} under seed {seed}, as it has no encoder"
    found = interpolate(fitted, latent, steps=steps, seed=seed)
    _finite(fitted, found.events)
    save_events(out, found.events, fitted.data, columns=min(steps, _LONGEST_ROW), escape_formulas=escape_formulas)
    way = "spherical" if found.spherical else "straight"
    content = {"out": str(out), "count": steps, "seed": seed, "ends": list(ends), "between": between, "path": way}
    return content, f"{steps} events on a {way} path between {between}: {out}"


def _dataset(run: str, fitted: TrainedModel, given: dict[str, Any]) -> Dataset:
    """The data whose rows are the ends of a path.

    Raises:
        ConfigError: a model folder says nothing of its data, and `--data` was not given.
    """
    from genzoo.cli.rows import open_data
    from genzoo.runs.run import is_model_folder, open_run

    if given["data"] is not None:
        return open_data(fitted, given)
    if is_model_folder(run):
        raise ConfigError(
            f"{run} is a model folder, which holds no data. Name the data whose rows A and B are: --data."
        )
    return open_run(run).open_data()
