"""Options and output that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

DATA_OPTIONS = (
    click.Option(["--size"], type=int, help="Side in pixels: images of a folder are resized and centre-cropped to it."),
    click.Option(
        ["--colour"], type=click.Choice(["auto", "grey", "rgb"]), help="What images of a folder are converted to."
    ),
    click.Option(["--skip-bad"], is_flag=True, default=None, help="Leave unreadable files out and count them."),
)
"""Stand wherever `--data` stands."""


def data_layer(source: str | None, size: int | None, colour: str | None, skip_bad: bool | None) -> dict[str, Any]:
    """The data settings that were given."""
    given = {"source": source, "size": size, "colour": colour, "skip_bad": skip_bad}
    return {key: value for key, value in given.items() if value is not None}


def with_data_options(command: CommandT) -> CommandT:
    """A decorator that adds `DATA_OPTIONS` to a command."""
    parameters: list[click.Parameter] = getattr(command, "__click_params__", [])
    command.__click_params__ = [*parameters, *reversed(DATA_OPTIONS)]  # type: ignore[attr-defined]
    return command


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Left-aligned columns on stdout."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
