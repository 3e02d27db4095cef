"""Read the rows that a command asks a trained model about, and write its answers row by row."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from genzoo.cli.options import data_layer, tell
from genzoo.config.settings import DataSettings, validate
from genzoo.data.align import filled_table
from genzoo.data.dataset import Dataset
from genzoo.data.loading import open_matching, open_source
from genzoo.errors import ConfigError
from genzoo.inference.export import save_events
from genzoo.inference.trained_model import TrainedModel
from genzoo.plugins.manager import get_registry
from genzoo.storage.atomic import atomic_write
from genzoo.storage.json_files import to_json
from genzoo.storage.paths import TABLE_SUFFIXES, TEXT_SUFFIXES
from genzoo.storage.tables import write_table, write_text
from genzoo.typing import Array


def open_data(fitted: TrainedModel, given: Mapping[str, Any]) -> Dataset:
    """The data that a command line names, in the form that a model was trained on.

    Raises:
        ConfigError: `--drop-missing`.
        ConfigError, DataError: as `open_matching`.
    """
    dataset = open_matching(_settings(given), fitted.data, get_registry())
    if dataset.ignored:
        tell(f"columns that the model does not know, left alone: {', '.join(dataset.ignored)}", err=True)
    return dataset


def _settings(given: Mapping[str, Any]) -> DataSettings:
    if given["drop_missing"]:
        raise ConfigError(
            "--drop-missing is for training, as it would change the numbers of the rows here; leave it out, or leave "
            "such rows out of the data."
        )
    return validate(DataSettings, data_layer(given["data"], given), "Data")


def write_filled(
    out: Path, fitted: TrainedModel, given: Mapping[str, Any], events: Array, *, escape_formulas: bool = False
) -> None:
    """Write the data that a command line names with `events` where they have missing values, by the suffix of `out`.

    A table keeps all its columns, their order and types; an array holds the columns of the model.

    Arguments:
        escape_formulas: as for `write_table`.

    Raises:
        ConfigError: a column of the table cannot be written to such a file.
        GenzooError: the disk is full or read-only.
    """
    settings = _settings(given)
    suffix = out.suffix.lower()
    source = open_source(settings, get_registry()) if suffix in TABLE_SUFFIXES else None
    if source is None:
        save_events(out, events, fitted.data, escape_formulas=escape_formulas)
        return
    table = filled_table(source, settings, fitted.data, events, as_written=suffix in TEXT_SUFFIXES)
    try:
        write_table(out, table, escape_formulas=escape_formulas)
    except pa.ArrowException as error:
        raise ConfigError(f"The table cannot be written as {out.name!r}: {error}. Write .parquet.") from error


def check_destination(out: Path | None) -> None:
    """Refuse a file that `show_columns` would refuse, before anything is computed.

    Raises:
        ConfigError: its suffix is unknown, or its folder does not exist.
    """
    if out is None:
        return
    if out.suffix.lower() not in (*TABLE_SUFFIXES, ".npy"):
        raise ConfigError(
            f"Figures by row cannot be written as {out.name!r}. Known: {', '.join(TABLE_SUFFIXES)}, .npy."
        )
    if not out.parent.is_dir():
        raise ConfigError(f"{out} lies in a folder that does not exist: {out.parent}.")


def show_columns(
    out: Path | None, columns: Mapping[str, Array], summary: Mapping[str, Any] | None, lines: Sequence[str]
) -> None:
    """Write columns to a file, or else to stdout, and tell what they come to.

    Arguments:
        summary: to be told as JSON, with the columns where no file takes them.
        lines: tell the same without `summary`; on stderr where stdout takes the columns.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    if out is not None or summary is None:
        _write_columns(out, columns)
    if summary is not None:
        rows = {} if out is not None else {name: column.tolist() for name, column in columns.items()}
        click.echo(to_json({**summary, "out": None if out is None else str(out), **rows}, indent=2))
        return
    for line in lines:
        tell(line, err=out is None)
    if out is not None:
        click.echo(f"rows: {out}")


def _write_columns(out: Path | None, columns: Mapping[str, Array]) -> None:
    """Write one line for each row, with its number from 0, by the suffix of `out`; as CSV to stdout without.

    NaN is an empty place, and stays NaN in `.npy`.
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
