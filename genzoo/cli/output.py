"""Print lines and tables."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence

import click

from genzoo.text import printable


def terminal_width() -> int:
    """Return the number of columns that a wide table may take."""
    return min(max(shutil.get_terminal_size((140, 24)).columns, 80), 200)


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, err: bool = False) -> None:
    """Print left-aligned columns on stdout, or on stderr."""
    shown = [[printable(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in shown) for i in range(len(header))]
    for row in shown:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), err=err)


def print_line(line: str, *, err: bool = False) -> None:
    """Print a line that may hold names from data or files."""
    click.echo(printable(line), err=err)


def show_notes(notes: Iterable[str]) -> None:
    """Print notes about the data on stderr, one on each line."""
    for note in notes:
        print_line(f"Note: {note.removesuffix('.')}.", err=True)


def show_unfinished(path: str) -> None:
    """Print a note on stderr if the run at a path has diverged or has not finished; model folders have no such note."""
    from genzoo.errors import ArtifactError
    from genzoo.persistence.run import is_model_folder, open_run

    if is_model_folder(path):
        return
    with contextlib.suppress(ArtifactError):  # loading the model reports it
        unfinished = open_run(path).unfinished
        if unfinished is not None:
            print_line(f"Note: {path}: {unfinished}", err=True)
