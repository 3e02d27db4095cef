"""`genzoo sample`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from genzoo.cli.command import ComputingCommand
from genzoo.cli.options import (
    check_data_given,
    device_option,
    drawn_on_option,
    formulas_option,
    json_option,
    sampling_layer,
    sampling_option,
    seed_option,
    with_data_options,
)
from genzoo.cli.output import print_json, print_line, show_unfinished
from genzoo.config.data import split_names
from genzoo.errors import ConfigError
from genzoo.storage.paths import check_not_source

if TYPE_CHECKING:
    from genzoo.inference.trained_model import TrainedModel
    from genzoo.persistence.run import Run

_LONGEST_ROW = 16


@click.command("sample", cls=ComputingCommand)
@click.argument("run")
@click.option(
    "-n",
    "count",
    type=int,
    metavar="N",
    help="Number of samples.  [default: 64; 1 with --stream; 10 with --interpolate; 7 per latent dimension with "
    "--traverse]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Output: a .png grid, a folder of PNG files (no suffix), or .csv, .tsv, .parquet, .arrow, .feather, .npy "
    "or .npz.  [default: .png or .csv in the current folder]",
)
@sampling_option
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
@click.option(
    "--given",
    "givens",
    multiple=True,
    metavar="COL=VALUE",
    help="Condition or column to sample given, such as species=setosa; may be repeated.  [default: conditions are "
    "drawn as often as training rows have them]",
)
@click.option(
    "--show",
    metavar="PART,...",
    help="Parts of each event to write, such as image. A single part is written as data of its kind.  [default: all]",
)
@click.option(
    "--prompt",
    metavar="TEXT",
    help="What each text begins with, for models that draw one symbol after another.",
)
@click.option(
    "--stream",
    is_flag=True,
    help="Print a single text while it is drawn.  [default: with -n 1, if the output is a terminal]",
)
@click.option("--data", metavar="DATA", help="Data that --interpolate takes rows from.  [default: the run's own]")
@drawn_on_option
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
    options: tuple[str, ...],
    givens: tuple[str, ...],
    show: str | None,
    prompt: str | None,
    stream: bool,
    on: str | None,
    escape_formulas: bool,
    device: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Draw samples from the model in RUN, a run directory or a model folder.

    \b
    genzoo sample RUN -n 64 --out grid.png
    genzoo sample RUN -n 64 -o steps=20                    of a model with the sampling option steps
    genzoo sample RUN -n 64 --mean --out means.png         without the noise that a VAE adds to what it decodes
    genzoo sample RUN --given species=setosa               samples of one condition
    genzoo sample RUN --given label=7 --show image         one part of events of several, given another
    genzoo sample RUN -n 5 --prompt "KING"                 texts that begin so
    genzoo sample RUN -n 100000000 --out rows.parquet --on dask   with all cores of this machine
    genzoo sample RUN --traverse --out traversal.png       show what each latent dimension does
    genzoo sample RUN --interpolate 3 17 --out path.png    walk from row 3 to row 17
    """
    walk = "--traverse" if traverse else None if ends is None else "--interpolate"
    _check(traverse, ends, given)
    _check_text(prompt, stream, walk, count, as_json=as_json)
    if show is not None and walk is not None:
        raise ConfigError(f"{walk} decodes all parts of an event, and --show names some. Leave --show out.")
    sampling = _sampling(options, walk=walk)
    if on is not None and walk is not None:
        raise ConfigError(f"{walk} decodes a few latent vectors, in this process. Leave --on out.")
    from genzoo.cli.drawing import Wish, save_samples
    from genzoo.verbs.given import open_asked
    from genzoo.verbs.streaming import cluster_of

    show_unfinished(run)
    opened, fitted = open_asked(run, device)
    if opened is not None:
        check_not_source(out, opened.config.data.source)
    known = _parse_given(givens)
    if traverse or ends is not None:
        fitted = fitted.under(known)
    if traverse:
        content, line = _traverse(fitted, 7 if count is None else count, out, seed, escape_formulas)
    elif ends is not None:
        content, line = _interpolate(
            opened, fitted, ends, 10 if count is None else count, out, seed, escape_formulas, given
        )
    else:
        asked = (1 if stream else 64) if count is None else count
        wish = Wish(asked, seed, mean, sampling, known, prompt, tuple(split_names(show)) if show else ())
        content, line = save_samples(
            fitted, wish, out, escape_formulas, stream=None if as_json else stream, on=cluster_of(run, on)
        )
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


def _check_text(prompt: str | None, stream: bool, walk: str | None, count: int | None, *, as_json: bool) -> None:
    if walk is not None and (prompt is not None or stream):
        flag = "--stream" if prompt is None else "--prompt"
        raise ConfigError(f"{walk} decodes latent vectors, and {flag} is for drawn texts. Leave {flag} out.")
    if stream and as_json:
        raise ConfigError("--stream prints the text itself on stdout, and --json a description. Give one of them.")
    if stream and count not in (None, 1):
        raise ConfigError(f"--stream shows a single text, not {count}. Leave -n out.")


def _sampling(given: Sequence[str], walk: str | None) -> dict[str, Any]:
    """Return the sampling options that `-o` sets.

    Arguments:
        walk: option that decodes latent vectors instead of drawing samples, or `None`.

    Raises:
        ConfigError: an option has another form, or there are some for a walk.
    """
    if given and walk is not None:
        raise ConfigError(f"{walk} decodes latent vectors, without sampling options. Leave -o {given[0]} out.")
    return sampling_layer(given)


def _parse_given(texts: tuple[str, ...]) -> dict[str, str]:
    """Return the values of `--given`, each `COL=VALUE`, by name.

    Raises:
        ConfigError: one has another form, or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name.strip() or not value.strip():
            raise ConfigError(f"--given {text!r} must have the form COL=VALUE, such as species=setosa.")
        if name in found:
            raise ConfigError(f"--given names {name!r} twice.")
        found[name] = value
    return found


def _traverse(
    fitted: TrainedModel, steps: int, out: Path | None, seed: int, escape_formulas: bool
) -> tuple[dict[str, Any], str]:
    from genzoo.cli.drawing import check_finite, default_path
    from genzoo.inference.export import check_traversal_suffix, save_traversal
    from genzoo.inference.latent import check_decoder, traverse

    check_decoder(fitted)
    out = out or default_path(fitted, "traversal")
    check_traversal_suffix(out, steps, fitted.data)
    traversal = traverse(fitted, steps=steps, seed=seed)
    check_finite(fitted, traversal.events)
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
    from genzoo.cli.drawing import check_finite, default_path
    from genzoo.cli.rows import open_data, settings_of
    from genzoo.inference.export import check_suffix, save_events
    from genzoo.inference.latent import check_decoder, interpolate
    from genzoo.verbs.given import open_rows
    from genzoo.verbs.latent import latent_ends

    check_decoder(fitted)
    out = out or default_path(fitted, f"path-{ends[0]}-{ends[1]}")
    check_suffix(out, steps, fitted.data)
    named = given["data"] is not None
    latent, between = latent_ends(
        fitted,
        ends,
        lambda: open_data(fitted, settings_of(given, fitted, run)) if named else open_rows(run, fitted, None).dataset,
        named=named,
        seed=seed,
    )
    path = interpolate(fitted, latent, steps=steps, seed=seed)
    check_finite(fitted, path.events)
    save_events(out, path.events, fitted.data, columns=min(steps, _LONGEST_ROW), escape_formulas=escape_formulas)
    way = "spherical" if path.spherical else "straight"
    content = {"out": str(out), "count": steps, "seed": seed, "ends": list(ends), "between": between, "path": way}
    return content, f"{steps} samples on a {way} path between {between}: {out}"
