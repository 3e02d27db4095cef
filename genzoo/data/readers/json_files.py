"""Read `.json` files with a list of records or of columns, and `.jsonl` files with one record a line."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.marks import marks_of
from genzoo.data.readers.cells import Cells, trimmed
from genzoo.data.readers.number_formats import FORMS
from genzoo.data.readers.text_input import TextInput
from genzoo.data.table_source import TableSource
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.wording import argument

_HARMLESS = 2**27
"""Bytes that any compressed file may unpack to. A short record takes thirty times its size."""


class JsonSource(TableSource):
    """Records with named values. A name that a record lacks is a missing value.

    Arguments:
        content: the file, or its bytes.
        settings: how to read it.
        shown: name of the table, for messages. Defaults to the path.

    Raises:
        DataError: the file cannot be read, or holds something other than records.
    """

    def __init__(self, content: Path | bytes, settings: DataSettings, shown: str | None = None) -> None:
        shown = shown or str(content)
        text = TextInput(content, shown, harmless=_HARMLESS)
        if text.encoding == "utf-8":
            text.encoding = "utf-8-sig"
        self._records = _records(text.whole(), shown)
        names = list(dict.fromkeys(name for record in self._records for name in record))
        if odd := [name for name in names if not _is_text(name)]:
            raise DataError(f"{shown}: the name {odd[0]!a} holds half a character, which no text may. Rename it.")
        super().__init__(shown, names)
        self._settings = settings

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        return pa.table([self._settled(name, name in texts) for name in columns], names=list(columns))

    def _settled(self, name: str, as_text: bool) -> Any:
        try:
            return self._column(name, as_text)
        except DataError as error:
            self.at_fault(name, error)
            shown = (_text(record.get(name)) for record in self._records)
            return pa.chunked_array(
                [pa.array([text and text.encode(errors="replace") for text in shown]).cast("string")]
            )

    def where(self, row: int) -> str:
        return f"record {row + 1}"

    def _column(self, name: str, as_text: bool) -> Any:
        values = [record.get(name) for record in self._records]
        nested = next((row for row, value in enumerate(values) if isinstance(value, list | dict)), None)
        if nested is not None:
            raise DataError(
                f"{self.shown}: column {name!r} holds a list or an object in {self.where(nested)}, and no single "
                f"value. Leave it out with {argument('drop', [name])}."
            )
        half = next((row for row, value in enumerate(values) if isinstance(value, str) and not _is_text(value)), None)
        if half is not None:
            raise DataError(
                f"{self.shown}: column {name!r} holds half a character in {self.where(half)}: {values[half]!a}. "
                f"Correct it, or leave the column out with {argument('drop', [name])}."
            )
        if not any(isinstance(value, str) for value in values):
            try:
                return pa.chunked_array([pa.array(_alike(values), from_pandas=True)])
            except (pa.ArrowException, OverflowError) as error:
                pass_out_of_memory(error)
                raise DataError(f"{self.shown}: column {name!r} cannot be read: {error}.") from error
        column = pa.chunked_array([pa.array([_text(value) for value in values], pa.string())])
        common, own = marks_of(self._settings, self.names)
        marks = [*common, *own.get(name, ())]
        if name == self._settings.text:  # the texts are the events, exactly as they are
            return column
        if as_text:
            return pa.chunked_array([trimmed(column.combine_chunks(), marks)])
        numeric = [name for name, kind in self._settings.kinds.items() if kind in ("continuous", "count")]
        return Cells(self.shown, self.where, FORMS, self.facts, numeric).settled(name, column, marks)


def _records(text: str, shown: str) -> list[dict[str, Any]]:
    """Return the records of a text: a list, or one record a line."""
    try:
        found: list[Any] = json.loads(text) if text.lstrip().startswith("[") else _from_lines(text)
        if len(found) == 1 and isinstance(found[0], dict) and text.lstrip().startswith("{"):
            found = _from_columns(found[0]) or found
    except json.JSONDecodeError as error:
        raise DataError(f"{shown} is not valid JSON: {error}.") from error
    except ValueError as error:  # Python converts no more digits, because that takes long
        raise DataError(f"{shown} holds a whole number of thousands of digits, which no model takes.") from error
    except RecursionError as error:
        raise DataError(f"{shown} is nested too deeply to be a table.") from error
    for place, record in enumerate(found):
        if not isinstance(record, dict):
            raise DataError(
                f"{shown}: record {place + 1} is of type {type(record).__name__}. A table in JSON is a list of "
                f"objects, or one object a line."
            )
    if not found:
        raise DataError(f"{shown} holds no rows.")
    return found


def _from_lines(text: str) -> list[Any]:
    """Return one value for each line; or the values of a single object that spans lines."""
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError:
        if len(lines) < 2 or lines[0].strip() != "{":
            raise
        whole = json.loads(text)
        return [whole]


def _from_columns(whole: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the records of a table written by columns, as `DataFrame.to_json` does; None if it is none.

    Each column is a list of its values, or an object with a value for each row number, or the other way round; or the
    names of the columns and the rows stand under `columns` and `data`.
    """
    if isinstance(names := whole.get("columns"), list) and isinstance(rows := whole.get("data"), list):
        whole_rows = all(isinstance(row, list) and len(row) == len(names) for row in rows)
        if whole_rows and names and all(isinstance(name, str) for name in names):
            return [dict(zip(names, row, strict=True)) for row in rows]
        return None
    columns = list(whole.values())
    if columns and all(isinstance(column, dict) for column in columns):
        places = list(dict.fromkeys(place for column in columns for place in column))
        if all(map(str.isdecimal, whole)) and not any(map(str.isdecimal, places)):
            return columns
        if not places or not all(map(str.isdecimal, places)) or any(map(str.isdecimal, whole)):
            return None  # rows and columns look alike
        return [{name: column.get(place) for name, column in whole.items()} for place in places]
    lists = all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns)
    if not columns or not lists:
        return None
    return [dict(zip(whole, row, strict=True)) for row in zip(*columns, strict=True)]


def _alike(values: list[Any]) -> list[Any]:
    """Return numbers of one type, if some are whole and some are not; booleans stay if all are."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int} or kinds <= {bool}:
        return values
    return [None if value is None else float(value) for value in values]


def _is_text(text: str) -> bool:
    """Return whether a text can be encoded; JSON can name halves of a surrogate pair on their own."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_json(path: Path, settings: DataSettings, _expected: Collection[str]) -> JsonSource:
    """Open a file of records, which has no header."""
    return JsonSource(path, settings)
