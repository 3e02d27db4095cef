"""Consecutive rows of a table as a table of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from genzoo.data.table_source import TableSource


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
