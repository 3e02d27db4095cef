"""Options that several commands share, and tables of settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from genzoo.config.explain import describe_fields
from genzoo.config.resolve import options_class
from genzoo.errors import ConfigError
from genzoo.plugins.registry import Entry, Registry
from genzoo.spec import ModelSpec, ObjectiveSpec
from genzoo.text import printable


def settings_rows(entry: Entry[ModelSpec] | Entry[ObjectiveSpec], prefix: str = "") -> list[list[str]]:
    """Name, type, default and meaning of every option of a model or objective."""
    changed = entry.spec.options if isinstance(entry.spec, ModelSpec) else {}
    return [
        [prefix + name, kind, json.dumps(changed[name]) if name in changed else default, meaning]
        for name, kind, default, meaning in describe_fields(options_class(entry))
    ]


def objective_rows(entry: Entry[ModelSpec], registry: Registry) -> list[tuple[str, str]]:
    """Each objective of a model with its summary and, below, its options."""
    rows = []
    for place, name in enumerate(entry.spec.objectives):
        objective = registry.objective_of(entry, name)
        rows.append((f"objective={name}", objective.spec.summary + (" (default)" if place == 0 else "")))
        rows += [
            (f"  objective.{field}", f"{meaning} [{kind}; default {default}]")
            for field, kind, default, meaning in describe_fields(options_class(objective))
        ]
    return rows


CommandT = TypeVar("CommandT", bound=Callable[..., Any])


data_option = click.option("--data", required=True, metavar="D", help="Built-in name or path; see: genzoo data.")


device_option = click.option("--device", default="auto", envvar="GENZOO_DEVICE", help="auto, cpu, cuda, cuda:N or mps.")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


features_option = click.option(
    "--features",
    metavar="NAME[=FILE]",
    help="What samples and events are compared by: pixels, columns, classifier, efficientnet-lite0, inception=FILE ...",
)


samples_option = click.option(
    "--samples", type=click.IntRange(1), metavar="N", help="Samples to draw, and the most events held against them."
)


draws_option = click.option(
    "--draws", type=click.IntRange(1), metavar="N", help="Of a lower bound of the likelihood; 64 without."
)


rows_option = click.option(
    "--out", type=click.Path(path_type=Path), metavar="F", help="Where to: .csv .tsv .parquet .arrow .npy; or stdout."
)


formulas_option = click.option(
    "--escape-formulas",
    is_flag=True,
    help="In .csv and .tsv, put an apostrophe before text and column names that begin with = + - @, a tab or a line "
    "end, so that no spreadsheet takes them for formulas. Other files need no such thing.",
)


DATA_OPTIONS = (
    click.Option(["--size"], type=int, help="Side in pixels: images of a folder are resized and centre-cropped to it."),
    click.Option(
        ["--color"], type=click.Choice(["auto", "gray", "rgb"]), help="What images of a folder are converted to."
    ),
    click.Option(["--skip-bad"], is_flag=True, default=None, help="Leave unreadable files out and count them."),
    click.Option(
        ["--binarize"], is_flag=True, default=None, help="Turn images into 0 and 1 at the middle of their range."
    ),
    click.Option(["--header/--no-header"], default=None, help="Whether the first row of a .csv or .tsv names columns."),
    click.Option(["--columns"], metavar="A,B", help="Columns of a table to keep, in this order."),
    click.Option(["--drop"], metavar="A,B", help="Columns of a table to leave out."),
    click.Option(
        ["--kind", "kinds"],
        multiple=True,
        metavar="COL=KIND",
        help="What a column is: continuous, binary, categorical or count.",
    ),
    click.Option(["--label"], metavar="COL", help="Column kept out of training, used only in reports."),
    click.Option(["--weight"], metavar="COL", help="Column kept out of training: how much each row counts."),
    click.Option(["--drop-missing"], is_flag=True, default=None, help="Leave rows with a missing value out."),
)
"""Stand wherever `--data` stands."""


def data_layer(source: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The data settings that were given.

    Arguments:
        given: the values of `DATA_OPTIONS` by name, and maybe of others.

    Raises:
        ConfigError: `--kind` without a kind.
    """
    told = {str(option.name): given[str(option.name)] for option in DATA_OPTIONS}
    told["kinds"] = dict(map(_kind, told["kinds"])) or None
    return {key: value for key, value in {"source": source, **told}.items() if value is not None}


def _kind(text: str) -> tuple[str, str]:
    column, found, kind = text.rpartition("=")
    if not found:
        raise ConfigError(f"--kind {text!r} is not of the form COL=KIND, such as grade=categorical.")
    return column, kind


def with_data_options(command: CommandT) -> CommandT:
    """A decorator that adds `DATA_OPTIONS` to a command."""
    parameters: list[click.Parameter] = getattr(command, "__click_params__", [])
    command.__click_params__ = [*parameters, *reversed(DATA_OPTIONS)]  # type: ignore[attr-defined]
    return command


def terminal_width() -> int:
    """Columns that a wide table may take."""
    return min(max(shutil.get_terminal_size((140, 24)).columns, 80), 200)


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, err: bool = False) -> None:
    """Left-aligned columns on stdout, or on stderr."""
    shown = [[printable(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(header))]
    for row in shown:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), err=err)


def tell(line: str, *, err: bool = False) -> None:
    """Print a line in which names from data or files stand."""
    click.echo(printable(line), err=err)
