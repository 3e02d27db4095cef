"""Read Parquet and Arrow files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from genzoo.data.row_groups import RowGroupEvents
from genzoo.data.table_source import PANDAS_INDEX, TableSource
from genzoo.errors import DataError

LARGE = 2**28
"""Size of the array, in bytes, above which a Parquet file is read one row group at a time."""


class ArrowFileSource(TableSource):
    """A Parquet, Arrow or Feather file.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        names = self._try(self._schema).names
        super().__init__(str(path), [name for name in names if not name.startswith(PANDAS_INDEX)])

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        return self._try(lambda: self._read(columns))

    def stream(self, columns: Sequence[str]) -> RowGroupEvents | None:
        if self._path.suffix.lower() != ".parquet":
            return None
        schema = self._try(self._schema)
        if not all(_is_plain(schema.field(name).type) for name in columns):
            return None
        events = RowGroupEvents(self._path, columns)
        return events if events.nbytes > LARGE else None

    def _schema(self) -> Any:
        if self._path.suffix.lower() == ".parquet":
            return parquet.read_schema(self._path)
        with pa.memory_map(str(self._path)) as file:
            return _open_arrow(file).schema

    def _read(self, columns: Sequence[str]) -> Any:
        if self._path.suffix.lower() == ".parquet":
            with parquet.ParquetFile(self._path) as file:
                return file.read(columns=list(columns)).select(list(columns))
        with pa.memory_map(str(self._path)) as file:
            return _open_arrow(file).read_all().select(list(columns))

    def _try(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (pa.ArrowException, OSError, KeyError) as error:
            raise DataError(f"{self._path} cannot be read as a table: {error}.") from error


def _is_plain(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _open_arrow(file: Any) -> Any:
    """Open Arrow's file or stream format."""
    try:
        return pa.ipc.open_file(file)
    except pa.ArrowInvalid:
        file.seek(0)
        return pa.ipc.open_stream(file)
