"""Write tables to files a block of rows at a time, in memory that does not grow with the number of rows."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from pyarrow import parquet

from genzoo.errors import ConfigError, pass_out_of_memory
from genzoo.spec.modality import TEXT_SUFFIXES
from genzoo.storage.atomic import atomic_write
from genzoo.storage.tables import TextTable, without_formulas

BLOCK_SUFFIXES = (".parquet", *TEXT_SUFFIXES)
"""Suffixes of files that `write_blocks` can write."""


class Spool:
    """Tables on disk: written in order, and read again in order. Use it as a context.

    Blocks of one table may differ in the types of their columns, which are then brought together as they are read:
    whole numbers and fractions become fractions, and anything else becomes text.

    Arguments:
        folder: a temporary folder.
        name: name of the files in it. Defaults to `spool`.
    """

    def __init__(self, folder: Path, name: str = "spool") -> None:
        self._folder, self._name = folder, name
        self._files: list[Path] = []
        self._writer: Any = None
        self._schema: pa.Schema | None = None
        self.schema: pa.Schema | None = None
        """The columns of all tables together; `None` if there are no tables."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with contextlib.suppress(OSError, pa.ArrowException):  # such as a full disk, which the write reported
            self._end_file()

    def add(self, table: pa.Table) -> None:
        """Write a table. Its columns have the names of those before.

        Raises:
            OSError: the disk is full or read-only.
        """
        if self._writer is None or table.schema != self._schema:
            self._end_file()
            self._files.append(self._folder / f"{self._name}-{len(self._files)}.arrows")
            self._schema = table.schema
            self._writer = pa.ipc.new_stream(str(self._files[-1]), table.schema)
            self.schema = table.schema if self.schema is None else _together(self.schema, table.schema)
        self._writer.write_table(table)

    def tables(self) -> Iterator[pa.Table]:
        """Yield the tables in the order in which they came, with the columns of `schema`.

        Raises:
            OSError: the disk cannot be read.
        """
        self._end_file()
        for file in self._files:
            with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as reader:
                for batch in reader:
                    table = pa.Table.from_batches([batch])
                    yield table if table.schema == self.schema else table.cast(self.schema)

    def _end_file(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def _together(one: pa.Schema, other: pa.Schema) -> pa.Schema:
    fields = [
        own if own.type == new.type else own.with_type(_wider(own.type, new.type))
        for own, new in zip(one, other, strict=True)
    ]
    return pa.schema(fields)


def _wider(one: Any, other: Any) -> Any:
    """Return a type that holds the values of two."""
    types = (one, other)
    if any(map(pa.types.is_null, types)):
        return other if pa.types.is_null(one) else one
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in types):
        return pa.float64()
    return pa.string()


def write_blocks(
    path: Path, blocks: Iterable[pa.Table], *, escape_formulas: bool = False, distinct: Collection[str] = ()
) -> int:
    """Write blocks of rows as one table atomically, in the format of the suffix of `path`. Return the number of rows.

    The file holds what `write_table` writes of the whole table; a Parquet file has a row group for each block.

    Arguments:
        blocks: tables with the same columns, at least one.
        escape_formulas: as for `write_table`. Defaults to false.
        distinct: names of columns whose values hardly repeat: a Parquet file has no dictionaries of them, which take
            longer to write and more space than the values. Defaults to none.

    Raises:
        ConfigError: two columns would have the same name with an apostrophe, or such a file cannot hold a column.
        GenzooError: the disk is full or read-only.
    """
    rows = 0

    def counted() -> Iterator[pa.Table]:
        nonlocal rows
        for block in blocks:
            rows += block.num_rows
            yield block

    def write(temporary: Path) -> None:
        if path.suffix.lower() == ".parquet":
            _write_parquet(temporary, counted(), distinct)
        else:
            _write_text(temporary, counted(), "," if path.suffix.lower() == ".csv" else "\t", escape_formulas)

    try:
        atomic_write(path, write)
    except pa.ArrowException as error:
        pass_out_of_memory(error)
        raise ConfigError(f"The table cannot be written as {path.name!r}: {error}. Write .parquet.") from error
    return rows


def _write_parquet(path: Path, blocks: Iterator[pa.Table], distinct: Collection[str]) -> None:
    first = next(blocks)
    with parquet.ParquetWriter(path, first.schema, use_dictionary=_dictionaries(first.schema, distinct)) as writer:
        writer.write_table(first)
        for block in blocks:
            writer.write_table(block)


def _dictionaries(schema: pa.Schema, distinct: Collection[str]) -> bool | list[str]:
    """Return the paths of the values, also inside lists and structs, that Parquet keeps dictionaries of."""
    if not distinct:
        return True
    sink = pa.BufferOutputStream()
    with parquet.ParquetWriter(sink, schema):
        pass  # the file without rows names the paths
    columns = parquet.read_metadata(pa.BufferReader(sink.getvalue())).schema
    return [path for path in (columns.column(place).path for place in range(len(columns))) if path not in distinct]


def _write_text(path: Path, blocks: Iterator[pa.Table], delimiter: str, escape_formulas: bool) -> None:
    """Write text in two passes: whether texts have quotes, and how exact times are, depends on all rows."""
    form = TextTable(delimiter)
    with Spool(path.parent, "text") as spool:
        for block in blocks:
            shown = without_formulas(block) if escape_formulas else block
            form.see(shown)
            spool.add(shown)
        with path.open("wb") as sink:
            for number, block in enumerate(spool.tables()):
                form.write(sink, block, header=number == 0)
