"""Read Parquet and Arrow files, which may come from anybody."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from genzoo.config.data import DataSettings
from genzoo.data.readers.arrow.input import for_arrow, mapped
from genzoo.data.readers.arrow.messages import MAGIC, declared, listed
from genzoo.data.readers.unpacked import HARMLESS, check_unpacked
from genzoo.data.row_groups import RowGroupEvents
from genzoo.data.table_source import PANDAS_INDEX, TableSource, check_whole, without_views
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.wording import argument

LARGE = 2**28
"""Size of the array, in bytes, above which a Parquet file is read one row group at a time."""


_BUFFER = 2**20
"""Bytes of a column that are read at a time."""


_NUMBER = 8
"""Bytes that a value takes as a number."""


class ArrowFileSource(TableSource):
    """A Parquet, Arrow or Feather file.

    Raises:
        DataError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_parquet = path.suffix.lower() == ".parquet"
        names = self._try(self._names)
        super().__init__(str(path), [name for name in names if not name.startswith(PANDAS_INDEX)])

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        table = self._try(lambda: self._read(list(columns)))
        check_whole(table, self.shown)
        return self._try(lambda: without_views(table))

    def with_nested(self, table: Any) -> Any:
        if not self._is_parquet:
            return table
        names = [field.name for field in table.schema if pa.types.is_nested(field.type)]
        if not names:
            return table
        with self._try(lambda: parquet.ParquetFile(for_arrow(self._path))) as file:
            found = self._try(lambda: file.read(columns=names))
        check_whole(found, self.shown)
        for name in names:
            table = table.set_column(table.column_names.index(name), name, found.column(name))
        return table

    def stream(self, columns: Sequence[str]) -> RowGroupEvents | None:
        if not self._is_parquet:
            return None
        events: RowGroupEvents | None = self._try(lambda: self._stream(columns))
        return events

    def count(self) -> int | None:
        if not self._is_parquet:
            return None
        return int(self._try(lambda: parquet.read_metadata(for_arrow(self._path)).num_rows))

    def blocks(self, columns: Sequence[str], size: int, first: int, last: int) -> Iterator[pa.Table]:
        parts: list[pa.Table] = []
        for part in self._parts(list(columns), size, first, last):
            parts.append(part)
            while (rows := sum(one.num_rows for one in parts)) >= size:
                whole = pa.concat_tables(parts)
                yield self._checked(whole.slice(0, size))
                parts = [whole.slice(size)] if rows > size else []
        if parts:
            yield self._checked(pa.concat_tables(parts))

    def _parts(self, columns: list[str], size: int, first: int, last: int) -> Iterator[pa.Table]:
        """Yield rows as they come, at most `size` at a time."""
        # Buffers that are filled in advance stay until the end of the file, so they would hold all of it.
        how = {"buffer_size": _BUFFER, "pre_buffer": False}
        with self._try(lambda: parquet.ParquetFile(for_arrow(self._path), **how)) as file:
            ends = np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)])
            groups = range(int(np.searchsorted(ends, first, "right")), int(np.searchsorted(ends, last, "left")) + 1)
            start = int(ends[groups[0] - 1]) if groups and groups[0] else 0
            batches = file.iter_batches(size, [i for i in groups if i < len(ends)], columns, use_threads=False)
            while (batch := self._try(lambda: next(batches, None))) is not None:
                begin, stop = max(first - start, 0), min(last - start, batch.num_rows)
                start += batch.num_rows
                if begin < stop:
                    yield pa.Table.from_batches([batch.slice(begin, stop - begin)]).select(columns)
        if start < last:
            raise DataError(f"{self._path} is damaged: it has fewer rows than it declares.")

    def _checked(self, table: pa.Table) -> pa.Table:
        check_whole(table, self.shown)
        return self._try(lambda: without_views(table))

    def _stream(self, columns: Sequence[str]) -> RowGroupEvents | None:
        schema = parquet.read_schema(for_arrow(self._path))
        if not all(_is_plain(schema.field(name).type) for name in columns):
            return None
        events = RowGroupEvents(self._path, columns)
        if events.nbytes <= LARGE:
            return None
        self._check(events.most_rows * len(columns) * _NUMBER, "write it again in smaller row groups")
        self._check(len(events) * _NUMBER)  # rows are shuffled by their numbers
        return events

    def _names(self) -> list[str]:
        if self._is_parquet:
            return list(parquet.read_schema(for_arrow(self._path)).names)
        return list(self._open()[0].schema.names)

    def _read(self, columns: list[str]) -> Any:
        if self._is_parquet:
            return self._read_parquet(columns)
        reader, messages = self._open()
        rows = unpacked = 0
        for message in messages:
            more = declared(message)
            rows, unpacked = rows + more[0], unpacked + more[1]
        self._check(unpacked)
        self._check(rows * len(columns) * _NUMBER)
        return reader.read_all().select(columns)

    def _read_parquet(self, columns: list[str]) -> Any:
        metadata = parquet.read_metadata(for_arrow(self._path))
        schema = metadata.schema.to_arrow_schema()
        self._check(metadata.num_rows * len(columns) * _NUMBER)
        # pyarrow ends the process when it is asked about a damaged column chunk, so only groups are looked at.
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        longest = sum(group.num_rows * group.total_byte_size for group in groups)
        coded = [name for name in columns if longest > HARMLESS and _is_text(schema.field(name).type)]
        nested = [name for name in columns if pa.types.is_nested(schema.field(name).type)]
        with parquet.ParquetFile(for_arrow(self._path), read_dictionary=coded) as file:
            table = file.read(columns=[name for name in columns if name not in nested])
        for name in nested:  # no model takes it, and a row may hold any number of values: see `with_nested`
            table = table.append_column(schema.field(name), pa.nulls(metadata.num_rows, schema.field(name).type))
        table = table.select(columns)
        check_whole(table, self.shown)
        for name in coded:  # a text of a dictionary may recur in every row
            self._check(sum(map(_text_bytes, table.column(name).chunks)))
            plain = table.column(name).cast(schema.field(name).type)
            table = table.set_column(table.column_names.index(name), schema.field(name), plain)
        return table

    def _open(self) -> tuple[Any, Iterable[Any]]:
        """Return a reader of an Arrow file or stream, mapped into memory, and the messages that it reads."""
        content = mapped(self._path)
        if content[: len(MAGIC)].to_pybytes() == MAGIC:
            return pa.ipc.open_file(pa.BufferReader(content)), listed(content)
        stream = pa.ipc.MessageReader.open_stream(pa.BufferReader(content))
        return pa.ipc.open_stream(pa.BufferReader(content)), stream

    def _check(self, size: int, remedy: str | None = None) -> None:
        remedy = remedy or f"write it again in several files, or choose fewer {argument('columns')}"
        check_unpacked(self._path, self._path.stat().st_size, size, remedy)

    def _try(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except DataError:  # a ValueError, too
            raise
        except (pa.ArrowException, OSError, EOFError, LookupError, ValueError, OverflowError, struct.error) as error:
            pass_out_of_memory(error)
            reason = str(error).strip().removesuffix(".") or type(error).__name__
            raise DataError(f"{self._path} cannot be read as a table: {reason}.") from error


def _is_plain(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _text_bytes(coded: Any) -> int:
    """Return the size of a dictionary column as plain text."""
    return pc.sum(pc.binary_length(coded.dictionary).take(coded.indices).cast(pa.int64())).as_py() or 0


def read_arrow(path: Path, _settings: DataSettings, _expected: Collection[str]) -> ArrowFileSource:
    """Open a Parquet, Arrow or Feather file. It says itself how it is read."""
    return ArrowFileSource(path)
