"""Where the columns of a table come from: a file, or memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from genzoo.data.row_groups import RowGroupEvents
from genzoo.errors import DataError


class TableSource(ABC):
    """A table whose columns are read when they are asked for.

    Arguments:
        shown: its name, for messages.
        names: of its columns.

    Raises:
        DataError: two columns have one name.
    """

    def __init__(self, shown: str, names: Sequence[str]) -> None:
        self.shown = shown
        self.names = list(names)
        twins = sorted({name for name in self.names if self.names.count(name) > 1})
        if twins:
            raise DataError(f"{shown} has several columns named {', '.join(map(repr, twins))}. Rename all but one.")

    @property
    def named(self) -> bool:
        """Whether the columns have names of their own, and not only numbers: x0, x1 ..."""
        return self.names != numbered(len(self.names))

    @abstractmethod
    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        """Some columns, in this order.

        Arguments:
            columns: their names.
            texts: of them, those to be read as they are written, where the source holds nothing but text.

        Raises:
            DataError: they cannot be read.
        """

    def stream(self, columns: Sequence[str]) -> RowGroupEvents | None:
        """Columns as events that are read as they are indexed, where they are too large to be held; else `None`."""
        return None

    def where(self, row: int) -> str:
        """Where a row stands, for messages; rows count from 0."""
        return f"row {row}"


class ArrowTableSource(TableSource):
    """A table in memory."""

    def __init__(self, shown: str, table: Any) -> None:
        super().__init__(shown, [name for name in table.column_names if not name.startswith(PANDAS_INDEX)])
        self._table = table

    @staticmethod
    def of(exporter: Any) -> ArrowTableSource:
        """The table of an object that exports Arrow columns.

        Raises:
            DataError: it cannot.
        """
        try:
            return ArrowTableSource("The table", pa.table(exporter))
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(f"The table cannot be read as Arrow columns: {error}.") from error

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        return self._table.select(columns)


PANDAS_INDEX = "__index_level_"
"""How the names begin under which pandas stores a table's index, which is no column of it."""


def numbered(count: int) -> list[str]:
    """The names of columns that have none: x0, x1 ..."""
    return [f"x{i}" for i in range(count)]
