"""Read Parquet and Arrow files, which may come from anybody."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from genzoo.config.data import DataSettings
from genzoo.data.partitions.files import PartFile
from genzoo.data.readers.arrow.input import mapped
from genzoo.data.readers.arrow.messages import MAGIC, declared, listed
from genzoo.data.readers.unpacked import HARMLESS, check_unpacked
from genzoo.data.row_groups import ParquetPart, RowGroupEvents
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

    def __init__(self, path: Path | PartFile) -> None:
        self._path = path if isinstance(path, Path) else Path(path.shown)
        self._shown = str(path) if isinstance(path, Path) else path.shown
        self.file: PartFile = path if isinstance(path, PartFile) else self._try(lambda: PartFile.of(path))
        self.is_parquet = self.file.name.lower().endswith(".parquet")
        names = self._try(self._names)
        super().__init__(self._shown, [name for name in names if not name.startswith(PANDAS_INDEX)])

    @functools.cached_property
    def metadata(self) -> Any:
        """The footer of a Parquet file."""
        return self._try(lambda: parquet.read_metadata(self.file.opened()))

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        return self._checked(self._try(lambda: self._read(list(columns))))

    def with_nested(self, table: Any) -> Any:
        if not self.is_parquet:
            return table
        names = [field.name for field in table.schema if pa.types.is_nested(field.type)]
        if not names:
            return table
        with self._try(lambda: parquet.ParquetFile(self.file.opened())) as file:
            found = self._try(lambda: file.read(columns=names))
        check_whole(found, self.shown)
        for name in names:
            table = table.set_column(table.column_names.index(name), name, found.column(name))
        return table

    def stream(self, columns: Sequence[str]) -> RowGroupEvents | None:
        if not self.is_parquet:
            return None
        events: RowGroupEvents | None = self._try(
            lambda: streamed_parts([ParquetPart(self.file, self.metadata, {})], columns)
        )
        return events

    def count(self) -> int | None:
        return int(self.metadata.num_rows) if self.is_parquet else None

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
        how = {"metadata": self.metadata, "buffer_size": _BUFFER, "pre_buffer": False}
        with self._try(lambda: parquet.ParquetFile(self.file.opened(), **how)) as file:
            ends = np.cumsum([self.metadata.row_group(i).num_rows for i in range(self.metadata.num_row_groups)])
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
        whole: pa.Table = self._try(lambda: without_views(table))
        return whole

    def column_blocks(self, column: str) -> Iterator[pa.ChunkedArray]:
        if not self.is_parquet:
            yield from super().column_blocks(column)
            return
        for number in range(self.metadata.num_row_groups):
            yield self._checked(self._try(lambda: self._row_group(number, column))).column(0)  # noqa: B023

    def _row_group(self, number: int, column: str) -> pa.Table:
        with parquet.ParquetFile(self.file.opened(), metadata=self.metadata) as file:
            return file.read_row_group(number, columns=[column], use_threads=False)

    def _names(self) -> list[str]:
        if self.is_parquet:
            return list(self.metadata.schema.to_arrow_schema().names)
        return list(self._open()[0].schema.names)

    def _read(self, columns: list[str]) -> Any:
        if self.is_parquet:
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
        metadata = self.metadata
        schema = metadata.schema.to_arrow_schema()
        self._check(metadata.num_rows * len(columns) * _NUMBER)
        # pyarrow ends the process when it is asked about a damaged column chunk, so only groups are looked at.
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        longest = sum(group.num_rows * group.total_byte_size for group in groups)
        coded = [name for name in columns if longest > HARMLESS and _is_text(schema.field(name).type)]
        nested = [name for name in columns if pa.types.is_nested(schema.field(name).type)]
        with parquet.ParquetFile(self.file.opened(), read_dictionary=coded, pre_buffer=True) as file:
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

    def _check(self, size: int) -> None:
        _check_size([self.file], size)

    def _try(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except DataError:  # a ValueError, too
            raise
        except (pa.ArrowException, OSError, EOFError, LookupError, ValueError, OverflowError, struct.error) as error:
            pass_out_of_memory(error)
            reason = " ".join(str(error).split()).removesuffix(".") or type(error).__name__
            raise DataError(f"{self._shown} cannot be read as a table: {reason}.") from error


def streamed_parts(parts: Sequence[ParquetPart], columns: Sequence[str]) -> RowGroupEvents | None:
    """Return columns of Parquet files as events that are read when indexed; `None` if they fit in memory.

    Raises:
        DataError: the files are small for the number of rows that they declare.
    """
    if not all(_is_plain(part.schema.field(name).type) for part in parts for name in columns):
        return None
    events = RowGroupEvents(parts, columns)
    if events.nbytes <= LARGE:
        return None
    files = [part.file for part in parts]
    _check_size(files, events.most_rows * len(columns) * _NUMBER, "write it again in smaller row groups")
    _check_size(files, len(events) * _NUMBER)  # rows are shuffled by their numbers
    return events


def _check_size(files: Sequence[PartFile], size: int, remedy: str | None = None) -> None:
    remedy = remedy or f"write it again in several files, or choose fewer {argument('columns')}"
    check_unpacked(files[0].shown, sum(file.size for file in files), size, remedy)


def _is_plain(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind))


def _text_bytes(coded: Any) -> int:
    """Return the size of a dictionary column as plain text."""
    return pc.sum(pc.binary_length(coded.dictionary).take(coded.indices).cast(pa.int64())).as_py() or 0


def read_arrow(path: Path | PartFile, _settings: DataSettings, _expected: Collection[str]) -> ArrowFileSource:
    """Open a Parquet, Arrow or Feather file. It says itself how it is read."""
    return ArrowFileSource(path)
