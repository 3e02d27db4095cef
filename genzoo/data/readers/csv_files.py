"""Read `.csv` and `.tsv` files."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from genzoo.data.column import LARGEST_WHOLE, Column, inexact, is_number
from genzoo.data.table_source import TableSource, numbered
from genzoo.errors import DataError

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None", "<NA>", "#N/A")
"""Texts that mean a missing value."""


_LOOKED_AT = 100
"""Number of rows that are examined to detect a header."""


_LONG_WHOLE = re.compile(r"\s*[+-]?\d{16,}\s*")


class CsvSource(TableSource):
    """A text file with one row a line.

    The separator of a `.tsv` file is the tab. In other files it is the comma, or the semicolon or tab if the first row
    has no comma.

    Arguments:
        path: the file.
        header: whether the first row names the columns. Defaults to `auto`: it does if it holds only text and either
            a column below it has a number or all its names differ.

    Raises:
        DataError: the file cannot be read, or holds no rows.
    """

    def __init__(self, path: Path, header: Literal["auto"] | bool = "auto") -> None:
        self._path = path
        tabs = path.suffix.lower() == ".tsv"
        self._delimiter = "\t" if tabs else ","
        rows = self._look()
        if not tabs and len(rows[0]) == 1:
            other = next((mark for mark in ";\t" if mark in rows[0][0]), None)
            if other is not None:
                self._delimiter = other
                rows = self._look()
        self._header = _is_header(rows) if header == "auto" else header
        if self._header and len(rows) == 1:
            raise DataError(f"{path} holds the names of columns and no rows.")
        self._raw = rows[0] if self._header else numbered(len(rows[0]))
        super().__init__(str(path), [name.strip() or f"x{i}" for i, name in enumerate(self._raw)])

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        raw = {name: self._raw[self.names.index(name)] for name in columns}
        convert = arrow_csv.ConvertOptions(
            include_columns=list(raw.values()),
            column_types={raw[name]: pa.string() for name in columns if name in texts},
            null_values=MISSING,
            strings_can_be_null=True,
        )
        try:
            found = arrow_csv.read_csv(
                self._path,
                read_options=arrow_csv.ReadOptions(column_names=None if self._header else self._raw),
                parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                convert_options=convert,
            )
        except (pa.ArrowException, OSError) as error:
            self._check_fields()  # names the line, if a line is the cause
            raise DataError(f"{self._path} cannot be read as a table: {error}.") from error
        settle = {name: self._settled_text if name in texts else self._settled for name in columns}
        return pa.table({name: settle[name](name, found.column(raw[name])) for name in columns})

    def where(self, row: int) -> str:
        return f"line {next(itertools.islice(self._rows(), row, None))[0]}"

    def _look(self) -> list[list[str]]:
        rows = [fields for _, fields in itertools.islice(self._records(), _LOOKED_AT + 1)]
        if not rows:
            raise DataError(f"{self._path} holds no rows.")
        return rows

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield every row that is not blank, with the number of its last line, from 1."""
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, delimiter=self._delimiter)
                for fields in reader:
                    if fields:
                        yield reader.line_num, fields
        except UnicodeDecodeError as error:
            raise DataError(f"{self._path} is not UTF-8 text: {error.reason}. Store it as UTF-8.") from error
        except csv.Error as error:
            raise DataError(f"{self._path} cannot be read as a table: {error}.") from error
        except OSError as error:
            raise DataError(f"{self._path} cannot be read: {error.strerror}.") from error

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the records below the header."""
        return itertools.islice(self._records(), int(self._header), None)

    def _check_fields(self) -> None:
        for line, fields in self._records():
            if len(fields) != len(self._raw):
                raise DataError(
                    f"{self._path}: line {line} has {len(fields)} fields, and the first row has {len(self._raw)}. "
                    f"Correct that line."
                )

    def _settled(self, name: str, values: Any) -> Any:
        """Return a column of inferred type; if most of its texts are numbers, all must be numbers.

        Raises:
            DataError: a text is not a number in a column of numbers, or a whole number is too large to be exact.
        """
        if pa.types.is_floating(values.type):
            self._check_exact(name, values)
        if not pa.types.is_string(values.type):
            return values
        counted = pc.value_counts(values.drop_null())
        numeric = [is_number(text) for text in counted.field("values").to_pylist()]
        counts = np.asarray(counted.field("counts"))
        if counts[numeric].sum() * 2 <= counts.sum():
            return values
        if all(numeric):
            return pa.chunked_array([[None if text is None else float(text) for text in values.to_pylist()]])
        Column(name, values, self.shown, self.where).numbers()  # raises, and names the text
        return values

    def _settled_text(self, name: str, values: Any) -> Any:
        """Return a column read as text, as int64 if all its texts are plain whole numbers; 007 is not one."""
        whole = all(re.fullmatch(r"0|-?[1-9]\d{0,14}", text) for text in values.drop_null().unique().to_pylist())
        return values.cast(pa.int64()) if whole else values

    def _check_exact(self, name: str, values: Any) -> None:
        """Raise if a whole number is so large that it was read as floating point."""
        largest = pc.max(pc.abs(values)).as_py()
        if largest is None or largest <= LARGEST_WHOLE:
            return
        place = self.names.index(name)
        for line, fields in self._rows():
            text = fields[place]
            if _LONG_WHOLE.fullmatch(text) and abs(int(text)) > LARGEST_WHOLE:
                raise inexact(self.shown, name, text, f"line {line}")


def _is_header(rows: list[list[str]]) -> bool:
    """Return whether the first row names the columns."""
    names, below = rows[0], rows[1:]
    spelt = [name.strip() for name in (names if names[0].strip() else names[1:])]  # R and pandas leave the first empty
    if any(is_number(name) or name in MISSING for name in spelt):
        return False
    columns = itertools.zip_longest(*below, fillvalue="")
    if any(any(is_number(text) for text in column) for column in columns):
        return True
    return len(set(names)) == len(names)
