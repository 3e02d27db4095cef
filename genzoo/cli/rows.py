"""Read the rows that a command applies a trained model to, and write its results row by row."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from genzoo.cli.options import check_data_given, data_layer
from genzoo.cli.output import print_json, print_line, show_notes
from genzoo.config.data import DataSettings
from genzoo.config.settings import validate
from genzoo.data.align import filled_table, known_to_model
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.loading import open_matching, open_source
from genzoo.data.opening.given import check_matching
from genzoo.data.opening.reuse import read_as_before
from genzoo.errors import ConfigError, pass_out_of_memory
from genzoo.inference.export import save_events
from genzoo.inference.trained_model import TrainedModel
from genzoo.persistence.open_run import is_model_folder, open_run
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase
from genzoo.spec.modality import TABLE_SUFFIXES, TEXT_SUFFIXES
from genzoo.storage.atomic import atomic_write
from genzoo.storage.paths import check_not_source
from genzoo.storage.tables import without_formulas, write_table, write_text
from genzoo.typing import Array
from genzoo.wording import argument


def open_data(
    fitted: TrainedModel, settings: DataSettings, *, keep_unknown: bool = False, keep: Sequence[str] = ()
) -> Dataset:
    """Open the data of a command line, in the form that a model was trained on.

    Arguments:
        settings: as `settings_of` returns them.
        keep_unknown: keep rows with categories that the model does not know. Defaults to false: they are an error.
        keep: columns that are of use though the model does not use them. Defaults to none.

    Raises:
        ConfigError, DataError: as `open_matching`.
    """
    dataset = open_matching(settings, fitted.data, get_registry(), keep_unknown=keep_unknown)
    show_reading(dataset, keep)
    return dataset


def show_reading(dataset: Dataset, keep: Sequence[str] = ()) -> None:
    """Print on stderr how data were read, and which columns the model does not use.

    Arguments:
        keep: as for `open_data`. Defaults to none.
    """
    show_notes(dataset.notes)
    if ignored := [name for name in dataset.ignored if name not in keep]:
        print_line(f"columns that the model does not use: {', '.join(ignored)}", err=True)


def settings_of(
    given: Mapping[str, Any], fitted: TrainedModel, run: str | Run | None = None, out: Path | None = None
) -> DataSettings:
    """Return how a command line says that its data are read.

    Arguments:
        fitted: the model that takes the data.
        run: the run, or its path. Its own data are meant if the command line names none, and others are read as they
            were. Defaults to `None`: there is none.
        out: file of the results. Defaults to `None`: there is none.

    Raises:
        ArtifactError: the path is no run.
        ConfigError: a setting is only for training, or out of range; the path is a model folder; or the results would
            overwrite the data.
        DataError: the run was trained on data in memory.
    """
    if given["data"] is None and run is not None:
        check_data_given(given)
        if isinstance(run, str) and is_model_folder(run):
            raise ConfigError(f"{run} is a model folder, which does not name its data. Give --data.")
        opened = run if isinstance(run, Run) else open_run(run)
        opened.check_data_on_disk()
        settings = known_to_model(opened.config.data)
        check_not_source(out, settings.source)
        print_line(f"data: all rows of {settings.source}, the run's own", err=True)
        return settings
    check_not_source(out, given["data"])
    layer = data_layer(given["data"], given)
    if run is not None and not (isinstance(run, str) and is_model_folder(run)):
        own = (run if isinstance(run, Run) else open_run(run)).config.data
        shared = read_as_before(own, layer, fitted.data, get_registry())
        if shared:
            shown = " ".join(argument(name, value) for name, value in shared.items())
            print_line(f"read as the run's own data: {shown}", err=True)
        layer = {**shared, **layer}
    return check_matching(validate(DataSettings, layer, "Data"))


def write_filled(
    out: Path, fitted: TrainedModel, settings: DataSettings, events: Array, *, escape_formulas: bool = False
) -> None:
    """Write the data of a command line, with missing values filled in, by the suffix of `out`.

    A table keeps all its columns, their order and types. An array holds the columns of the model.

    Arguments:
        settings: as `settings_of` returns them.
        events: the rows without missing values, `(N, *event)`.
        escape_formulas: as for `write_table`.

    Raises:
        ConfigError: a column of the table cannot be written to such a file.
        GenzooError: the disk is full or read-only.
    """
    suffix = out.suffix.lower()
    source = open_source(settings, get_registry(), fitted.data) if suffix in TABLE_SUFFIXES else None
    if source is None:
        save_events(out, events, fitted.data, escape_formulas=escape_formulas)
        return
    try:
        with Phase(f"writing {out.name}"):
            table = filled_table(source, settings, fitted.data, events, as_written=suffix in TEXT_SUFFIXES)
            write_table(out, table, escape_formulas=escape_formulas)
    except pa.ArrowException as error:
        pass_out_of_memory(error)
        raise ConfigError(f"The table cannot be written as {out.name!r}: {error}. Write .parquet.") from error


def check_destination(out: Path | None, keep: Sequence[str] = ()) -> None:
    """Check that `show_columns` can write a file, before anything is computed.

    Arguments:
        keep: columns of the data to copy. Defaults to none.

    Raises:
        ConfigError: the suffix is unknown or does not suit columns of the data, or the folder does not exist.
    """
    if out is None:
        return
    if out.suffix.lower() not in (*TABLE_SUFFIXES, ".npy"):
        raise ConfigError(
            f"Results by row cannot be written as {out.name!r}. Known: {', '.join(TABLE_SUFFIXES)}, .npy."
        )
    if keep and out.suffix.lower() == ".npy":
        raise ConfigError(f"{out.name} can hold numbers only, and --keep copies columns. Write .csv or .parquet.")
    if not out.parent.is_dir():
        raise ConfigError(f"{out} is in a folder that does not exist: {out.parent}.")


RowColumn: TypeAlias = Any
"""A column of results: an array, or a column of pyarrow."""


def show_columns(
    out: Path | None,
    columns: Mapping[str, RowColumn],
    summary: Mapping[str, Any] | None,
    lines: Sequence[str],
    *,
    escape_formulas: bool = False,
) -> None:
    """Write columns to a file, or else to stdout, and print a summary.

    Arguments:
        columns: columns by name; arrays of objects hold texts, and `None` for nothing.
        summary: summary to print as JSON, with the columns if there is no file. None prints `lines` instead.
        lines: summary as text; on stderr if stdout has the columns.
        escape_formulas: as for `write_table`. Defaults to false.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    if out is not None:
        with Phase(f"writing {out.name}"):
            _write_columns(out, columns, escape_formulas=escape_formulas)
    elif summary is None:
        _write_columns(None, columns, escape_formulas=escape_formulas)
    if summary is not None and out is None:
        print_json({**summary, "out": None, **{name: _listed(column) for name, column in columns.items()}})
        return
    show_summary(out, summary, lines)


def show_summary(out: Path | None, summary: Mapping[str, Any] | None, lines: Sequence[str]) -> None:
    """Print a summary of results that are in a file, or on stdout.

    Arguments:
        summary: summary to print as JSON. None prints `lines` instead.
        lines: summary as text; on stderr if there is no file, because stdout has the results.
    """
    if summary is not None:
        print_json({**summary, "out": None if out is None else str(out)})
        return
    for line in lines:
        print_line(line, err=out is None)
    if out is not None:
        print_line(f"rows: {out}")


def sorted_columns(columns: Mapping[str, RowColumn], order: Rows) -> dict[str, RowColumn]:
    """Return columns in another order of their rows, with the number of each row as the first column.

    Arguments:
        order: numbers of the rows.
    """
    taken = {
        name: column.take(pa.array(order)) if isinstance(column, pa.ChunkedArray) else column[order]
        for name, column in columns.items()
    }
    return {"row": order, **taken}


def _listed(column: RowColumn) -> list[Any]:
    """Return the values of a column for JSON: numbers, truth values, texts and `None`."""
    if not isinstance(column, pa.ChunkedArray):
        return list(column.tolist())
    values = column.to_pylist()
    return [value if isinstance(value, bool | int | float | str | None) else str(value) for value in values]


def _write_columns(out: Path | None, columns: Mapping[str, RowColumn], *, escape_formulas: bool) -> None:
    """Write one line per row, with its number from 0, by the suffix of `out`; CSV to stdout if it is None.

    NaN becomes an empty cell, and stays NaN in `.npy`, which has no columns of text.
    """
    count = len(next(iter(columns.values())))
    whole = {"row": np.arange(count), **columns}  # sorted columns have their own numbers
    if out is not None and out.suffix.lower() == ".npy":
        numbers = [np.asarray(column, np.float64) for column in whole.values() if column.dtype != object]
        matrix = np.stack(numbers, axis=1)
        atomic_write(out, lambda temporary: np.save(temporary, matrix))
        return
    table = pa.table({name: _as_arrow(column) for name, column in whole.items()})
    if out is not None:
        write_table(out, table, escape_formulas=escape_formulas)
        return
    text = io.BytesIO()
    write_text(text, without_formulas(table) if escape_formulas else table)
    sys.stdout.write(text.getvalue().decode())


def _as_arrow(column: RowColumn) -> Any:
    if isinstance(column, pa.ChunkedArray):
        return column
    return pa.array(column, pa.string() if column.dtype == object else None, from_pandas=True)
