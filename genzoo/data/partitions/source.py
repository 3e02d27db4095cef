"""Many files with the same columns, read as one table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from genzoo.data.partitions.files import PartFile
from genzoo.data.partitions.listing import key_columns, key_type
from genzoo.data.readers.arrow.parquet import ArrowFileSource, streamed_parts
from genzoo.data.readers.csv_files import CsvSource
from genzoo.data.readers.text_blocks import divide, is_large
from genzoo.data.row_groups import ParquetPart, RowGroupEvents
from genzoo.data.streams.block import in_blocks
from genzoo.data.table_source import Asked, NoRowsError, TableSource
from genzoo.errors import DataError, did_you_mean, pass_out_of_memory
from genzoo.runtime.progress import Phase
from genzoo.runtime.threads import in_order
from genzoo.text import counted

_AHEAD = 16
"""Files that are opened at the same time: behind a URL, most of that is waiting."""

OpenPart = Callable[[PartFile], TableSource]


class PartitionedSource(TableSource):
    """Files with the same columns, one after the other, and their Hive partitions as further columns.

    Arguments:
        shown: what names the files, for messages.
        files: the files, at least one, in order.
        open_part: opens one of them.

    Raises:
        DataError: a file cannot be read, or has other columns than the first.
    """

    def __init__(self, shown: str, files: Sequence[PartFile], open_part: OpenPart) -> None:
        def opened(file: PartFile) -> TableSource | None:
            try:
                return open_part(file)
            except NoRowsError:  # Spark, for one, writes such parts
                return None

        with Phase("opening files", len(files), "files") as phase:
            every = list(phase.over(in_order(opened, files, _AHEAD), lambda _: 1))
        empty = [file for file, part in zip(files, every, strict=True) if part is None]
        self._parts = [part for part in every if part is not None]
        self._files = [file for file, part in zip(files, every, strict=True) if part is not None]
        if not self._parts:
            raise NoRowsError(f"{shown} holds no rows.")
        self._keys = key_columns(shown, self._files)
        first = self._parts[0]
        super().__init__(shown, [*(name for name in first.names if name not in self._keys), *self._keys])
        self.compact_texts = first.compact_texts
        self.facts["files"] = f"{len(files)}"
        if empty:
            self.notes = (f"{counted(len(empty), 'file')} without rows left out: {empty[0].shown}",)
        for file, part in zip(self._files, self._parts, strict=True):
            self._check_columns(file, part)
        self._starts: Any = None

    def _check_columns(self, file: PartFile, part: TableSource) -> None:
        names, own = set(self.names) - self._keys.keys(), set(part.names) - self._keys.keys()
        if names == own:
            return
        for missing, where, other in ((names - own, file, self._files[0]), (own - names, self._files[0], file)):
            for name in sorted(missing):
                raise DataError(
                    f"{where.shown} has no column {name!r}, which {other.shown} has. All files need the same columns. "
                    f"{did_you_mean(name, part.names if where is file else self.names)}"
                )

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        stored = [name for name in columns if name not in self._keys]
        tables = self._tables(stored, texts)
        mixed = _mixed(tables)
        if mixed:  # numbers in one file, and texts in another
            tables = self._tables(stored, {*texts, *mixed})
            if not isinstance(self._parts[0], ArrowFileSource):
                tables = [_as_texts(table, mixed) for table in tables]
            self._check_types([table.schema for table in tables], _mixed(tables))
        counts = [table.num_rows for table in tables]
        self._starts = np.cumsum([0, *counts])
        try:
            table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
        except pa.ArrowException as error:  # such as a number beyond the type that suits the other files
            pass_out_of_memory(error)
            raise DataError(f"The files of {self.shown} cannot be read as one table: {error}.") from error
        self._take_remarks()
        for name in columns:
            if name in self._keys:
                table = table.append_column(name, self._key(name, counts))
        return table.select(list(columns))

    def _take_remarks(self) -> None:
        """Take over what the files say of themselves."""
        for part in self._parts:
            self.facts = {**part.facts, **self.facts}
            self.notes += tuple(note for note in part.notes if note not in self.notes)

    def count(self) -> int | None:
        counts = [part.count() for part in self._parts]
        known = [count for count in counts if count is not None]
        if len(known) < len(counts):
            return None
        self._starts = np.cumsum([0, *known])
        return sum(known)

    def in_parts(self, asked: Sequence[Asked]) -> TableSource | None:
        if self.count() is not None:
            return self
        texts = [part for part in self._parts if isinstance(part, CsvSource)]
        ambiguous = any(part.is_ambiguous(asked) for part in texts)
        if len(texts) < len(self._parts) or ambiguous or not is_large(sum(part.length for part in texts)):
            return None
        plain = [part.plain() for part in texts]
        self._take_remarks()
        table = divide(self, plain, asked, self._keys, self._key_of)
        if table is not None:
            self._starts = np.cumsum([0, *table.counts])
        return table

    def fingerprint(self) -> bytes:
        return b"".join(hashlib.sha256(part.fingerprint()).digest() for part in self._parts)

    def blocks(self, columns: Sequence[str], size: int, first: int, last: int) -> Iterator[pa.Table]:
        stored = [name for name in columns if name not in self._keys]
        empty = _plain([part.none_of(stored) for part in self._parts if isinstance(part, ArrowFileSource)])
        self._check_types([table.schema for table in empty], _mixed(empty))
        self.count()
        # Whole numbers in one file and fractions in another have one type in all blocks.
        none = pa.concat_tables(empty, promote_options="permissive").unify_dictionaries()
        for table in in_blocks(self._stretches(none, columns, size, first, last), size):
            yield table.select(list(columns))

    def _stretches(
        self, none: pa.Table, columns: Sequence[str], size: int, first: int, last: int
    ) -> Iterator[pa.Table]:
        """Yield the rows of one file after the other, with the columns of `none` and of partitions, in any number."""
        for place, part in enumerate(self._parts):
            start = int(self._starts[place])
            begin, stop = max(first - start, 0), min(last - start, part.count() or 0)
            if begin >= stop:
                continue
            if none.column_names:
                read = part.blocks(none.column_names, size, begin, stop)
                plain = (
                    _decoded(table, [name for name in none.column_names if not _is_coded(none, name)]) for table in read
                )
                tables = (pa.concat_tables([none, table], promote_options="permissive") for table in plain)
            else:
                tables = (pa.table({"": pa.nulls(min(size, stop - row))}) for row in range(begin, stop, size))
            for table in tables:
                for name in columns:
                    if name in self._keys:
                        table = table.append_column(name, self._key_of(name, place, table.num_rows))
                yield table

    def _key_of(self, name: str, place: int, rows: int) -> Any:
        """Return the value of a partition for rows of a file, in the type that `read` gives it."""
        return pa.repeat(pa.scalar(self._keys[name][place], key_type(self._keys[name])), rows)

    def _tables(self, columns: Sequence[str], texts: Collection[str]) -> list[pa.Table]:
        """Read the stored columns of every file. A file without any is asked for one, which gives its rows."""
        asked = columns or self._parts[0].names[:1]
        found = in_order(lambda part: part.read(asked, [name for name in texts if name in asked]), self._parts, 2)
        return _plain([table.select(list(columns)) if columns else table for table in found])

    def _check_types(self, schemas: Sequence[pa.Schema], mixed: Sequence[str]) -> None:
        for name in mixed:
            kinds = [schema.field(name).type for schema in schemas]
            place = next(place for place, kind in enumerate(kinds) if not _suit([kinds[0], kind]))
            raise DataError(
                f"Column {name!r} holds {kinds[0]} in {self._files[0].shown} and {kinds[place]} in "
                f"{self._files[place].shown}. All files need the same types: convert one of them."
            )

    def _key(self, name: str, counts: Sequence[int]) -> Any:
        kind = key_type(self._keys[name])
        values = pa.array(self._keys[name], kind)
        if pa.types.is_string(kind):
            values = values.dictionary_encode()
        column = values.take(pa.array(np.repeat(np.arange(len(counts)), counts)))
        return column.cast(kind) if pa.types.is_string(kind) and not self.compact_texts else column

    def with_nested(self, table: pa.Table) -> pa.Table:
        names = [field.name for field in table.schema if pa.types.is_nested(field.type)]
        if not names:
            return table
        found = pa.concat_tables([part.with_nested(part.read(names)) for part in self._parts])
        for name in names:
            table = table.set_column(table.column_names.index(name), name, found.column(name))
        return table

    def stream(self, columns: Sequence[str]) -> RowGroupEvents | None:
        parts, schemas = [], []
        for place, part in enumerate(self._parts):
            if not isinstance(part, ArrowFileSource) or not part.is_parquet:
                return None
            schemas.append(part.metadata.schema.to_arrow_schema())
            keys = {name: values[place] for name, values in self._keys.items()}
            if any(isinstance(keys[name], str) for name in columns if name in keys):
                return None
            parts.append(ParquetPart(part.file, part.metadata, {k: v for k, v in keys.items() if k in columns}))
        stored = [name for name in columns if name not in self._keys]
        mixed = [name for name in stored if not _suit([schema.field(name).type for schema in schemas])]
        return None if mixed else streamed_parts(parts, columns)

    def column_blocks(self, column: str) -> Iterator[pa.ChunkedArray]:
        if column not in self._keys:
            for part in self._parts:
                yield from part.column_blocks(column)
            return
        for place, part in enumerate(self._parts):
            count = part.count()
            blocks = [range(count)] if count is not None else part.column_blocks(part.names[0])
            for block in blocks:
                yield pa.chunked_array([self._key_of(column, place, len(block))])

    def where(self, row: int) -> str:
        if self._starts is None:
            return f"row {row}"
        place = int(np.searchsorted(self._starts, row, side="right")) - 1
        place = min(place, len(self._parts) - 1)
        return f"{self._parts[place].where(row - int(self._starts[place]))} of {self._files[place].shown}"


def _as_texts(table: pa.Table, names: Collection[str]) -> pa.Table:
    """Return a table whose whole numbers in some columns are texts; they were written as they print."""
    for name in names:
        if pa.types.is_integer(table.schema.field(name).type):
            place = table.column_names.index(name)
            table = table.set_column(place, name, table.column(name).cast(pa.string()))
    return table


def _plain(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Return tables that hold the values of a column where only some of them have codes."""
    coded = [name for name in _mixed(tables) if any(_is_coded(table, name) for table in tables)]
    return [_decoded(table, coded) for table in tables]


def _is_coded(table: pa.Table, name: str) -> bool:
    return bool(pa.types.is_dictionary(table.schema.field(name).type))


def _decoded(table: pa.Table, names: Collection[str]) -> pa.Table:
    """Return a table whose columns of some names hold their values, and no codes of them."""
    for name in names:
        if _is_coded(table, name):
            column = table.column(name)
            table = table.set_column(table.column_names.index(name), name, column.cast(column.type.value_type))
    return table


def _mixed(tables: Sequence[pa.Table]) -> list[str]:
    """Return the names of the columns whose types are not of one kind in all tables."""
    names = tables[0].column_names
    return [name for name in names if not _suit([table.schema.field(name).type for table in tables])]


def _suit(kinds: Sequence[Any]) -> bool:
    """Return whether columns of some types can be one column: numbers, times with any unit, texts ..."""
    kinds = list(dict.fromkeys(kinds))
    binary = [pa.types.is_binary(kind) or pa.types.is_large_binary(kind) for kind in kinds]
    if any(binary) and not all(binary):
        return all(pa.types.is_null(kind) for kind, own in zip(kinds, binary, strict=True) if not own)
    try:
        pa.unify_schemas([pa.schema([("", kind)]) for kind in kinds], promote_options="permissive")
    except pa.ArrowException:
        return False
    return True
