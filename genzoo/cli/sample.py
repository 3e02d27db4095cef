"""`genzoo sample`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    check_data_given,
    device_option,
    formulas_option,
    json_option,
    seed_option,
    with_data_options,
)
from genzoo.cli.output import print_json, print_line, show_unfinished
from genzoo.errors import ConfigError
from genzoo.text import counted

if TYPE_CHECKING:
    from genzoo.inference.trained_model import TrainedModel
    from genzoo.persistence.run import Run
    from genzoo.typing import Array

_LONGEST_ROW = 16


@click.command("sample", cls=ComputingCommand)
@click.argument("run")
@click.option(
    "-n",
    "count",
    type=int,
    metavar="N",
    help="Number of samples.  [default: 64; 10 with --interpolate; 7 per latent dimension with --traverse]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Output: a .png grid, a folder of PNG files (no suffix), or .csv, .tsv, .parquet, .arrow, .feather, .npy "
    "or .npz.  [default: .png or .csv in the current folder]",
)
@seed_option("sampling")
@click.option("--traverse", is_flag=True, help="Vary one latent dimension at a time: one row each, at most 16.")
@click.option(
    "--interpolate",
    "ends",
    nargs=2,
    type=int,
    metavar="A B",
    help="Interpolate between rows A and B of --data. Without an encoder, A and B number the model's own samples.",
)
@click.option(
    "--mean",
    is_flag=True,
    help="Show the mean of each value, or the most probable category, instead of a draw. --traverse and --interpolate "
    "always do.",
)
@click.option("--data", metavar="DATA", help="Data that --interpolate takes rows from.  [default: the run's own]")
@formulas_option
@device_option
@json_option
@with_data_options
def sample_command(
    run: str,
    count: int | None,
    out: Path | None,
    seed: int,
    traverse: bool,
    ends: tuple[int, int] | None,
    mean: bool,
    escape_formulas: bool,
    device: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Draw samples from the model in RUN, a run directory or a model folder.

    \b
    genzoo sample RUN -n 64 --out grid.png
    genzoo sample RUN -n 64 --mean --out means.png         without the noise that a VAE adds to what it decodes
    genzoo sample RUN --traverse --out traversal.png       show what each latent dimension does
    genzoo sample RUN --interpolate 3 17 --out path.png    walk from row 3 to row 17
    """
    _check(traverse, ends, given)
    from genzoo.verbs.given import open_asked

    show_unfinished(run)
    opened, fitted = open_asked(run, device)
    if traverse:
        content, line = _traverse(fitted, 7 if count is None else count, out, seed, escape_formulas)
    elif ends is not None:
        content, line = _interpolate(
            opened, fitted, ends, 10 if count is None else count, out, seed, escape_formulas, given
        )
    else:
        content, line = _sample(fitted, 64 if count is None else count, out, seed, escape_formulas, mean)
    if as_json:
        print_json({**content, "event": fitted.data.describe()})
    else:
        print_line(line)


def _check(traverse: bool, ends: tuple[int, int] | None, given: dict[str, Any]) -> None:
    if traverse and ends is not None:
        raise ConfigError("--traverse and --interpolate exclude each other. Give one of them.")
    if ends is None and given["data"] is not None:
        raise ConfigError("--data names the rows for --interpolate A B, which was not given.")
    check_data_given(given)


def _default(fitted: TrainedModel, name: str) -> Path:
    return Path(f"{fitted.model.rpartition('/')[2]}-{name}{fitted.data.form.suffix}")


def _sample(
    fitted: TrainedModel, count: int, out: Path | None, seed: int, escape_formulas: bool, mean: bool
) -> tuple[dict[str, Any], str]:
    from genzoo.inference.export import check_suffix, save_events

    if mean and "decoder" not in fitted.capabilities:
        raise ConfigError(f"Model {fitted.model!r} has no latent space to decode, so its samples have no means.")
    out = out or _default(fitted, f"{count}-seed{seed}{'-mean' if mean else ''}")
    check_suffix(out, count, fitted.data)
    events = _finite(fitted, fitted.sample(count, seed=seed, output="array", mean=mean))
    save_events(out, events, fitted.data, escape_formulas=escape_formulas)
    content = {"out": str(out), "count": count, "seed": seed, "mean": mean}
    kind = "mean" if mean else "sample"
    noisy = not mean and fitted.data.form.pictured and fitted.adds_noise
    hint = "; they include the noise of each pixel, and --mean leaves it out" if noisy else ""
    return content, f"{counted(count, kind)} ({fitted.data.describe()}): {out}{hint}"


def _finite(fitted: TrainedModel, events: Array) -> Array:
    """Return the events if all their values are finite.

    Raises:
        ArtifactError: one is not.
    """
    import numpy as np

    from genzoo.errors import ArtifactError

    bad = int((~np.isfinite(events)).reshape(len(events), -1).any(1).sum())
    if bad:
        raise ArtifactError(
            f"{bad} of {len(events)} samples from {fitted.origin} hold values that are not finite. Its weights cannot "
            f"be used."
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
    traversal = traverse(fitted, steps=steps, seed=seed)
    _finite(fitted, traversal.events)
    save_traversal(out, traversal, fitted.data, escape_formulas=escape_formulas)
    content = {
        "out": str(out),
        "dimensions": traversal.dimensions.tolist(),
        "values": traversal.values.tolist(),
        "seed": seed,
    }
    numbers = ", ".join(map(str, traversal.dimensions))
    return content, f"latent dimensions {numbers}, most influential first, {steps} samples each: {out}"


def _interpolate(
    run: Run | None,
    fitted: TrainedModel,
    ends: tuple[int, int],
    steps: int,
    out: Path | None,
    seed: int,
    escape_formulas: bool,
    given: dict[str, Any],
) -> tuple[dict[str, Any], str]:
    from genzoo.cli.rows import open_data, settings_of
    from genzoo.inference.export import check_suffix, save_events
    from genzoo.inference.latent import check_decoder, interpolate
    from genzoo.verbs.given import open_rows
    from genzoo.verbs.latent import latent_ends

    check_decoder(fitted)
    out = out or _default(fitted, f"path-{ends[0]}-{ends[1]}")
    check_suffix(out, steps, fitted.data)
    named = given["data"] is not None
    latent, between = latent_ends(
        fitted,
        ends,
        lambda: open_data(fitted, settings_of(given)) if named else open_rows(run, fitted, None).dataset,
        named=named,
        seed=seed,
    )
    path = interpolate(fitted, latent, steps=steps, seed=seed)
    _finite(fitted, path.events)
    save_events(out, path.events, fitted.data, columns=min(steps, _LONGEST_ROW), escape_formulas=escape_formulas)
    way = "spherical" if path.spherical else "straight"
    content = {"out": str(out), "count": steps, "seed": seed, "ends": list(ends), "between": between, "path": way}
    return content, f"{steps} samples on a {way} path between {between}: {out}"
