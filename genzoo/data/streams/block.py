"""Consecutive rows of a table as a table of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from genzoo.data.table_source import TableSource


def in_blocks(parts: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Yield the rows of consecutive tables again, `size` at a time; only the last table may have fewer."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        while (rows := sum(one.num_rows for one in waiting)) >= size:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, size)
            waiting = [whole.slice(size)] if rows > size else []
    if waiting and any(one.num_rows for one in waiting):
        yield pa.concat_tables(waiting)


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
