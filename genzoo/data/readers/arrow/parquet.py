"""Read Parquet and Arrow files, which may come from anybody."""

from __future__ import annotations

import functools
import io
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
from genzoo.data.streams.block import in_blocks
from genzoo.data.table_source import PANDAS_INDEX, TableSource, check_whole, without_views
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.wording import argument

LARGE = 2**28
"""Size of the array, in bytes, above which a Parquet file is read one row group at a time."""


_BUFFER = 2**20
"""Bytes of a column that are read at a time."""


_ROWS = 2**16
"""Rows of a single column that are read at a time."""


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
        self._remote = path if isinstance(path, PartFile) and path.system is not None else None
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

    def none_of(self, columns: Sequence[str]) -> pa.Table:
        """Return columns of a Parquet file without their rows, in the types in which `read` and `blocks` give them."""
        schema = self.metadata.schema.to_arrow_schema()
        return without_views(pa.schema([schema.field(name) for name in columns]).empty_table())

    def count(self) -> int | None:
        return int(self.metadata.num_rows) if self.is_parquet else None

    def fingerprint(self) -> bytes:
        footer = io.BytesIO()
        if self.is_parquet:  # with the size of each column of a row group, and its least and largest value
            self._try(lambda: self.metadata.write_metadata_file(footer))
        return footer.getvalue()

    def blocks(self, columns: Sequence[str], size: int, first: int, last: int) -> Iterator[pa.Table]:
        for block in in_blocks(self._parts(list(columns), size, first, last), size):
            yield self._checked(block)

    def _parts(self, columns: list[str], size: int, first: int, last: int) -> Iterator[pa.Table]:
        """Yield rows as they come, at most `size` at a time."""
        # Buffers that are filled in advance stay until the end of the file, so they would hold all of it.
        coded = self._coded(columns)
        how = {"metadata": self.metadata, "buffer_size": _BUFFER, "pre_buffer": False, "read_dictionary": coded}
        with self._try(lambda: parquet.ParquetFile(self.file.opened(), **how)) as file:
            ends = np.cumsum([self.metadata.row_group(i).num_rows for i in range(self.metadata.num_row_groups)])
            groups = range(int(np.searchsorted(ends, first, "right")), int(np.searchsorted(ends, last, "left")) + 1)
            start = int(ends[groups[0] - 1]) if groups and groups[0] else 0
            batches = file.iter_batches(size, [i for i in groups if i < len(ends)], columns, use_threads=False)
            while (batch := self._try(lambda: next(batches, None))) is not None:
                begin, stop = max(first - start, 0), min(last - start, batch.num_rows)
                start += batch.num_rows
                if begin < stop:
                    rows = pa.Table.from_batches([batch.slice(begin, stop - begin)]).select(columns)
                    yield self._decoded(rows, coded) if coded else rows
        if start < last:
            raise DataError(f"{self._shown} is damaged: it has fewer rows than it declares.")
        self.file.check()  # whether all rows are of one version of the file

    def _checked(self, table: pa.Table) -> pa.Table:
        check_whole(table, self.shown)
        whole: pa.Table = self._try(lambda: without_views(table))
        return whole

    def column_blocks(self, column: str) -> Iterator[pa.ChunkedArray]:
        if not self.is_parquet:
            yield from super().column_blocks(column)
            return
        for block in self.blocks([column], _ROWS, 0, int(self.metadata.num_rows)):
            yield block.column(0)

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
        coded = self._coded(columns)
        nested = [name for name in columns if pa.types.is_nested(schema.field(name).type)]
        with parquet.ParquetFile(self.file.opened(), read_dictionary=coded, pre_buffer=True) as file:
            table = file.read(columns=[name for name in columns if name not in nested])
        for name in nested:  # no model takes it, and a row may hold any number of values: see `with_nested`
            table = table.append_column(schema.field(name), pa.nulls(metadata.num_rows, schema.field(name).type))
        table = table.select(columns)
        return self._decoded(table, coded)

    def _coded(self, columns: list[str]) -> list[str]:
        """Return the names of the columns of texts to read as dictionaries, as the file may be far larger unpacked."""
        schema = self.metadata.schema.to_arrow_schema()
        # pyarrow ends the process when it is asked about a damaged column chunk, so only groups are looked at.
        groups = map(self.metadata.row_group, range(self.metadata.num_row_groups))
        longest = sum(group.num_rows * group.total_byte_size for group in groups)
        return [name for name in columns if longest > HARMLESS and _is_text(schema.field(name).type)]

    def _decoded(self, table: pa.Table, coded: Sequence[str]) -> pa.Table:
        """Return a table with plain texts in the columns that were read as dictionaries, if these are not too large."""
        schema = self.metadata.schema.to_arrow_schema()
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
        if self._remote is None:
            return self._explained(work)
        with self._remote.reading():
            return self._explained(work)

    def _explained(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except DataError:  # a ValueError, too
            raise
        except (pa.ArrowException, OSError, EOFError, LookupError, ValueError, OverflowError, struct.error) as error:
            pass_out_of_memory(error)
            if self._remote is not None and not _is_damage(error):
                raise
            reason = " ".join(str(error).split()).removesuffix(".") or type(error).__name__
            raise DataError(f"{self._shown} cannot be read as a table: {reason}.") from error


def _is_damage(error: Exception) -> bool:
    """Return whether an error is about the content of a file, and not about its file system.

    pyarrow raises plain `OSError`s without a number for damaged files.
    """
    if isinstance(error, pa.ArrowException) or not isinstance(error, OSError):
        return True
    return type(error) is OSError and error.errno is None


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
