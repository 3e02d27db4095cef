"""Read the rows that a command applies a trained model to, and write its results row by row."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from genzoo.cli.options import data_layer
from genzoo.cli.output import print_line, show_notes
from genzoo.config.settings import DataSettings, validate
from genzoo.data.align import filled_table
from genzoo.data.dataset import Dataset
from genzoo.data.loading import open_matching, open_source
from genzoo.errors import ConfigError, pass_out_of_memory
from genzoo.inference.export import save_events
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import capabilities_of
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase
from genzoo.storage.atomic import atomic_write
from genzoo.storage.json_files import to_json
from genzoo.storage.paths import TABLE_SUFFIXES, TEXT_SUFFIXES
from genzoo.storage.tables import write_table, write_text
from genzoo.typing import Array


def check_capable(fitted: TrainedModel, verb: str, *capabilities: str) -> None:
    """Check that a model has one of the capabilities that a command needs.

    Arguments:
        verb: what the command does: "cluster".

    Raises:
        ConfigError: it has none; the message lists the models that have.
    """
    if not capabilities_of(fitted.generator).isdisjoint(capabilities):
        return
    zoo = get_registry().models
    names = [name for name in zoo.names() if not zoo.get(name).spec.capabilities.isdisjoint(capabilities)]
    model = next((name for name in zoo.names() if zoo.get(name).id == fitted.model), fitted.model)
    raise ConfigError(f"Model {model!r} cannot {verb}. Models that can: {', '.join(names) or 'none is installed'}.")


def open_data(fitted: TrainedModel, given: Mapping[str, Any], *, keep_unknown: bool = False) -> Dataset:
    """Open the data that a command line names, in the form that a model was trained on.

    Arguments:
        keep_unknown: keep rows with categories that the model does not know. Defaults to false: they are an error.

    Raises:
        ConfigError: `--drop-missing` is given.
        ConfigError, DataError: as `open_matching`.
    """
    dataset = open_matching(_settings(given), fitted.data, get_registry(), keep_unknown=keep_unknown)
    show_notes(dataset.notes)
    if dataset.ignored:
        print_line(f"columns that the model does not use: {', '.join(dataset.ignored)}", err=True)
    return dataset


def _settings(given: Mapping[str, Any]) -> DataSettings:
    if given["drop_missing"]:
        raise ConfigError(
            "--drop-missing is for training. Here it would change the row numbers; leave it out, or remove such rows "
            "from the data."
        )
    return validate(DataSettings, data_layer(given["data"], given), "Data")


def write_filled(
    out: Path, fitted: TrainedModel, given: Mapping[str, Any], events: Array, *, escape_formulas: bool = False
) -> None:
    """Write the data that a command line names, with missing values filled in, by the suffix of `out`.

    A table keeps all its columns, their order and types. An array holds the columns of the model.

    Arguments:
        events: the rows without missing values, `(N, *event)`.
        escape_formulas: as for `write_table`.

    Raises:
        ConfigError: a column of the table cannot be written to such a file.
        GenzooError: the disk is full or read-only.
    """
    settings = _settings(given)
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


def check_destination(out: Path | None) -> None:
    """Check that `show_columns` can write a file, before anything is computed.

    Raises:
        ConfigError: the suffix is unknown, or the folder does not exist.
    """
    if out is None:
        return
    if out.suffix.lower() not in (*TABLE_SUFFIXES, ".npy"):
        raise ConfigError(
            f"Results by row cannot be written as {out.name!r}. Known: {', '.join(TABLE_SUFFIXES)}, .npy."
        )
    if not out.parent.is_dir():
        raise ConfigError(f"{out} is in a folder that does not exist: {out.parent}.")


def show_columns(
    out: Path | None, columns: Mapping[str, Array], summary: Mapping[str, Any] | None, lines: Sequence[str]
) -> None:
    """Write columns to a file, or else to stdout, and print a summary.

    Arguments:
        summary: summary to print as JSON, with the columns if there is no file. None prints `lines` instead.
        lines: summary as text; on stderr if stdout has the columns.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    if out is not None:
        with Phase(f"writing {out.name}"):
            _write_columns(out, columns)
    elif summary is None:
        _write_columns(None, columns)
    if summary is not None:
        rows = {} if out is not None else {name: column.tolist() for name, column in columns.items()}
        click.echo(to_json({**summary, "out": None if out is None else str(out), **rows}, indent=2))
        return
    for line in lines:
        print_line(line, err=out is None)
    if out is not None:
        click.echo(f"rows: {out}")


def _write_columns(out: Path | None, columns: Mapping[str, Array]) -> None:
    """Write one line per row, with its number from 0, by the suffix of `out`; CSV to stdout if it is None.

    NaN becomes an empty cell, and stays NaN in `.npy`.
    """
    count = len(next(iter(columns.values())))
    whole = {"row": np.arange(count), **columns}
    if out is not None and out.suffix.lower() == ".npy":
        matrix = np.stack([np.asarray(column, np.float64) for column in whole.values()], axis=1)
        atomic_write(out, lambda temporary: np.save(temporary, matrix))
        return
    table = pa.table({name: pa.array(column, from_pandas=True) for name, column in whole.items()})
    if out is not None:
        write_table(out, table)
        return
    text = io.BytesIO()
    write_text(text, table)
    sys.stdout.write(text.getvalue().decode())
