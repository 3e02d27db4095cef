"""Sources of a table's columns: a file, or memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from genzoo.data.row_groups import RowGroupEvents
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.wording import argument


def check_twins(shown: str, names: Collection[object]) -> None:
    """Check that no two columns have one name.

    Raises:
        DataError: two have.
    """
    twins = sorted(repr(name) for name, count in Counter(names).items() if count > 1)
    if twins:
        raise DataError(f"{shown} has several columns named {', '.join(twins)}. Rename all but one.")


Asked: TypeAlias = tuple[Sequence[str], Collection[str]]
"""Names of columns to read, and of those among them to read as text."""


class NoRowsError(DataError):
    """A file of a table holds no rows. Among several files, such a file is left out."""


class TableSource(ABC):
    """A table whose columns are read on demand.

    Arguments:
        shown: name of the table, for messages.
        names: names of its columns.

    Raises:
        DataError: two columns have the same name.
    """

    compact_texts = False
    """Whether a dictionary column holds plain texts, and is no type of its own."""

    sequential = False
    """Whether a part is only reached through all rows before it."""

    def __init__(self, shown: str, names: Sequence[str]) -> None:
        self.shown = shown
        self.facts: dict[str, str] = {}  # how the table was read, in words
        self.notes: tuple[str, ...] = ()  # decisions about which the user should know, in sentences
        self.faults: dict[str, DataError] | None = None  # faults of columns, if they are listed and not raised
        self.names = list(names)
        check_twins(shown, self.names)

    @property
    def named(self) -> bool:
        """True if the columns have names of their own, and not just numbers: x0, x1 ..."""
        return self.names != numbered(len(self.names))

    @abstractmethod
    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        """Read columns, in this order.

        Arguments:
            columns: names of the columns.
            texts: names of the columns to read as text. Only sources of text, such as CSV files, look at it.

        Raises:
            DataError: the columns cannot be read.
        """

    def with_nested(self, table: pa.Table) -> pa.Table:
        """Return a table that `read` returned with the values of nested columns, which `read` may leave null.

        Raises:
            DataError: the columns cannot be read.
        """
        return table

    def at_fault(self, name: str, error: DataError) -> None:
        """Raise the fault of a column, or keep it to be listed."""
        if self.faults is None:
            raise error
        self.faults.setdefault(name, error)

    def stream(self, columns: Sequence[str]) -> RowGroupEvents | None:
        """Return columns as events that are read when indexed; `None` if they fit in memory."""
        return None

    def count(self) -> int | None:
        """Return the number of rows; `None` if the table can only be read whole, and not by `blocks`."""
        return None

    def in_parts(self, asked: Sequence[Asked]) -> TableSource | None:
        """Return a table of the same rows that `parts` divides; `None` if the table is small or can only be read whole.

        Arguments:
            asked: the reads that will be asked of each part.

        Raises:
            DataError: the rows cannot be read.
        """
        return None if self.count() is None else self

    def type_of(self, column: str) -> Any:
        """Return the Arrow type of a column that is read as values.

        Raises:
            DataError: the column cannot be read.
        """
        return next(self.blocks([column], 1, 0, 1)).schema.field(column).type

    def parts(self, columns: Sequence[str], size: int, first: int, last: int) -> Iterator[TableSource]:
        """Yield consecutive rows as tables of their own; arguments and errors are as for `blocks`.

        Arguments:
            first: number of the first row, a multiple of `size`.
        """
        for table in self.blocks(columns, size, first, last):
            yield TableBlock(self, table, first)
            first += table.num_rows

    def fingerprint(self) -> bytes:
        """Return what is known of all rows without a pass over them, to notice others in equal number."""
        return b""

    def blocks(self, columns: Sequence[str], size: int, first: int, last: int) -> Iterator[pa.Table]:
        """Yield consecutive rows, in memory that does not grow with their number.

        Arguments:
            columns: names of the columns to read, in this order. Nested ones are read, too.
            size: rows of each table; only the last one may have fewer.
            first, last: numbers of the first row, and of the row to stop before.

        Raises:
            DataError: the rows cannot be read.
        """
        raise NotImplementedError

    def column_blocks(self, column: str) -> Iterator[pa.ChunkedArray]:
        """Yield a column in blocks of rows, as it is written; a source of many rows reads one block at a time.

        Raises:
            DataError: the column cannot be read.
        """
        yield self.read([column], [column]).column(column)

    def where(self, row: int) -> str:
        """Return the position of a row, counted from 0, for messages."""
        return f"row {row}"


class TableBlock(TableSource):
    """Some rows of a table, already read. Messages name the place of a row in the whole table.

    Arguments:
        whole: the table that the rows are from.
        table: its rows, with the columns that are needed.
        first: number of the first of them, from 0.
    """

    def __init__(self, whole: TableSource, table: pa.Table, first: int) -> None:
        super().__init__(whole.shown, whole.names)
        self.compact_texts = whole.compact_texts
        self._whole, self._table, self._first = whole, table, first

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        table = self._table.select(list(columns))
        for place, field in enumerate(table.schema):
            if pa.types.is_nested(field.type):
                table = table.set_column(place, field, pa.nulls(table.num_rows, field.type))
        return table

    def with_nested(self, table: Any) -> Any:
        for place, field in enumerate(table.schema):
            if pa.types.is_nested(field.type):
                table = table.set_column(place, field, self._table.column(field.name))
        return table

    def where(self, row: int) -> str:
        return self._whole.where(self._first + row)


PANDAS_INDEX = "__index_level_"
"""Prefix of the columns in which pandas stores a table's index; they are skipped."""


def check_whole(table: Any, shown: str) -> None:
    """Check every value of a pyarrow table: offsets, indices of dictionaries, and the encoding of texts.

    pyarrow reads outside its memory otherwise.

    Raises:
        DataError: a column is damaged.
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowException as error:
            pass_out_of_memory(error)
            reason = str(error).rpartition("Invalid: ")[2].strip().removesuffix(".")
            raise DataError(
                f"{shown}: column {name!r} is damaged: {reason}. Write the file again, or leave the column out with "
                f"{argument('drop', [name])}."
            ) from error


def value_type(kind: Any) -> Any:
    """Return the type of the values of a column that has codes of them; the type itself for others."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def without_views(table: Any) -> Any:
    """Return a pyarrow table whose texts have a type that Arrow computes with; polars exports views of texts."""
    for place, column in enumerate(table.schema):
        kind = column.type
        if pa.types.is_string_view(kind):
            table = table.set_column(place, column.name, table.column(place).cast(pa.large_string()))
        elif pa.types.is_dictionary(kind) and pa.types.is_string_view(kind.value_type):
            coded = pa.dictionary(kind.index_type, pa.large_string(), kind.ordered)
            table = table.set_column(place, column.name, table.column(place).cast(coded))
    return table


def numbered(count: int) -> list[str]:
    """Return the names for columns without names: x0, x1 ..."""
    return [f"x{i}" for i in range(count)]
