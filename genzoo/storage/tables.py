"""Write tables to files, in the format of the suffix."""

from __future__ import annotations

import contextlib
import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from genzoo.errors import ConfigError
from genzoo.spec.modality import ARROW_SUFFIXES, TABLE_SUFFIXES, TEXT_SUFFIXES
from genzoo.storage.atomic import atomic_write
from genzoo.storage.durations import duration_texts
from genzoo.text import PATTERN, guarded
from genzoo.wording import argument

_UNITS = ("s", "ms", "us", "ns")
"""Units of times, the largest first."""


NUMBERS = {b"genzoo": b"numbers"}
"""Metadata of a text column that holds numbers as they were written."""


def write_table(path: Path, table: pa.Table, *, escape_formulas: bool = False) -> None:
    """Write a table atomically, in the format of the suffix of `path`.

    Arguments:
        escape_formulas: put an apostrophe before text that a spreadsheet would run as a formula, in `.csv` and
            `.tsv`; other formats mark text as text. Defaults to false.

    Raises:
        ConfigError: the suffix is unknown, or two columns would have the same name with an apostrophe.
        GenzooError: the disk is full or read-only.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        atomic_write(path, lambda temporary: parquet.write_table(table, temporary))
    elif suffix in ARROW_SUFFIXES:
        atomic_write(path, lambda temporary: _write_arrow(temporary, table))
    elif suffix in TEXT_SUFFIXES:
        shown = without_formulas(table) if escape_formulas else table
        atomic_write(path, lambda temporary: _write_text(temporary, shown, "," if suffix == ".csv" else "\t"))
    else:
        raise ConfigError(f"A table cannot be written as {path.name!r}. Known: {', '.join(TABLE_SUFFIXES)}.")


def _write_arrow(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _write_text(path: Path, table: pa.Table, delimiter: str) -> None:
    with path.open("wb") as sink:
        write_text(sink, table, delimiter)


def write_text(sink: BinaryIO, table: pa.Table, delimiter: str = ",") -> None:
    """Write a table as text with a header; fields are quoted only if needed, and missing values are empty."""
    form = TextTable(delimiter)
    form.see(table)
    form.write(sink, table)


class TextTable:
    """How a table is written as text, which depends on all of its rows. They may come in blocks.

    Arguments:
        delimiter: the mark between fields.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._quoted = False
        self._units: dict[str, str] = {}

    def see(self, table: pa.Table) -> None:
        """Look at rows that will be written."""
        for name, column in zip(table.column_names, table.columns, strict=True):
            if pa.types.is_timestamp(column.type):
                self._units[name] = max(self._units.get(name, "s"), _unit(column), key=_UNITS.index)
            self._quoted = self._quoted or _has_special(_decoded(column), self._delimiter)

    def write(self, sink: BinaryIO, table: pa.Table, *, header: bool = True) -> None:
        """Write rows.

        Arguments:
            header: whether to write the names of the columns before them. Defaults to true.
        """
        if header:
            text = io.StringIO()
            # With this line terminator, the writer quotes names that contain \r or \n; the terminator is replaced.
            csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n").writerow(table.column_names)
            sink.write(text.getvalue().removesuffix("\r\n").encode() + b"\n")
        pairs = zip(table.column_names, table.columns, strict=True)
        plain = [_decoded(column, self._units.get(name)) for name, column in pairs]
        style = "needed" if self._quoted else "none"
        options = arrow_csv.WriteOptions(include_header=False, delimiter=self._delimiter, quoting_style=style)
        arrow_csv.write_csv(pa.table(plain, names=table.column_names), sink, options)


def without_formulas(table: pa.Table) -> pa.Table:
    """Return the table with an apostrophe before texts and names that a spreadsheet would run as a formula.

    Raises:
        ConfigError: two columns would have the same name.
    """
    columns = [
        _decoded(column) if field.metadata == NUMBERS else _guarded(_decoded(column))
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    names = [guarded(name) for name in table.column_names]
    counts = Counter(names)
    if twins := [name for name, other in zip(table.column_names, names, strict=True) if counts[other] > 1]:
        raise ConfigError(
            f"With {argument('escape_formulas')}, columns {' and '.join(map(repr, twins[:2]))} would have the "
            f"same name. "
            f"Write .parquet, or leave the option out."
        )
    return pa.table(columns, names=names)


def _guarded(column: Any) -> Any:
    if not _is_text(column):
        return column
    bare = pc.fill_null(pc.match_substring_regex(column, PATTERN), False)
    return pc.if_else(bare, pc.binary_join_element_wise("'", column, ""), column)


def _decoded(column: Any, unit: str | None = None) -> Any:
    """Return a column as it is written: categories by name, durations as text, and times without fractions of 0.

    Arguments:
        unit: unit of times. Defaults to the largest one that loses nothing.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_duration(kind):
        return duration_texts(column)
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp(unit or _unit(column), kind.tz))
    return column


def _unit(column: Any) -> str:
    """Return the largest unit in which times lose no digits."""
    for unit in _UNITS[:-1]:
        with contextlib.suppress(pa.ArrowInvalid):  # it would lose digits
            column.cast(pa.timestamp(unit, column.type.tz))
            return unit
    return str(column.type.unit)


def _is_text(column: Any) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _has_special(column: Any, delimiter: str) -> bool:
    """Return whether a text of the column needs quotes."""
    return _is_text(column) and bool(pc.any(pc.match_substring_regex(column, f'["\\r\\n{delimiter}]')).as_py())
