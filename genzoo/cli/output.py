"""Print lines and tables."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from genzoo.runtime.progress import Phase
from genzoo.spec.events import DataSpec
from genzoo.text import printable
from genzoo.wording import shown_given

if TYPE_CHECKING:
    from genzoo.data.dataset import Dataset


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


def numbers_to_give(data: DataSpec) -> str:
    """Return the options of `genzoo sample` that a conditional model needs: its conditions that are numbers."""
    numbers = [feature.name for feature in data.condition if feature.levels is None]
    return "".join(f" {shown_given(name, 'NUMBER')}" for name in numbers)


class CommandOutput:
    """How a command line prints, and what it has printed. Each command finds it in its click context.

    Arguments:
        debug: whether errors are printed with their traceback. Defaults to false.
        as_json: whether the result is wanted as JSON. Defaults to false.

    Attributes:
        printed: whether it was printed.
    """

    def __init__(self, *, debug: bool = False, as_json: bool = False) -> None:
        self.debug, self.as_json, self.printed = debug, as_json, False


def print_json(content: Any) -> None:
    """Print a result on stdout as JSON. Numbers that are not finite become `null`."""
    from genzoo.storage.json_files import to_json  # imports pydantic

    text = to_json(content, indent=2, ascii_only=True)
    click.get_current_context().ensure_object(CommandOutput).printed = True
    click.echo(text)


def show_notes(notes: Iterable[str]) -> None:
    """Print notes about the data on stderr, one on each line."""
    for note in notes:
        print_line(f"Note: {note.removesuffix('.')}.", err=True)


def show_remarks(dataset: Dataset) -> None:
    """Print what may be wrong with a dataset, or with how it was read, on stderr."""
    from genzoo.data.degenerate.remarks import degenerate_remarks
    from genzoo.data.marks import mark_remarks
    from genzoo.data.value_range import reading_notes

    with Phase("looking at the data"):
        notes = [*reading_notes(dataset), *mark_remarks(dataset), *degenerate_remarks(dataset)]
    show_notes(notes)


def show_unfinished(path: str) -> None:
    """Print a note on stderr if the run at a path has diverged or has not finished; model folders have no such note."""
    from genzoo.errors import ArtifactError
    from genzoo.persistence.open_run import is_model_folder, open_run

    if is_model_folder(path):
        return
    with contextlib.suppress(ArtifactError):  # loading the model reports it
        unfinished = open_run(path).unfinished
        if unfinished is not None:
            print_line(f"Note: {path}: {unfinished}", err=True)
