"""Columns that only divide the rows: groups and times."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset
from genzoo.data.marks import without_marks
from genzoo.data.row_groups import RowGroupEvents
from genzoo.data.splits.groups import groups_of, joined
from genzoo.data.splits.hashes import buckets_of
from genzoo.data.splits.times import check_times, times_of
from genzoo.data.table import EventTable, complete, one_column, select, table_dataset
from genzoo.data.table_source import TableSource
from genzoo.errors import ConfigError, did_you_mean
from genzoo.text import counted


def read_divided(name: str, source: TableSource, settings: DataSettings, split: SplitSettings) -> Dataset:
    """Read a table as `table_dataset` does, with the groups and times of its rows.

    The columns that divide the rows are not among the columns to learn from, unless `settings.columns` names them.

    Raises:
        ConfigError: a setting names an unknown column.
        DataError: a column cannot be used, or a row has no time.
    """
    if not split.columns:
        return table_dataset(name, source, settings)
    table = _WithSplitColumns(source, settings, split)
    dataset = table.divided(table_dataset(name, table, table.settings))
    return complete(dataset) if settings.drop_missing else dataset


def select_divided(dataset: Dataset, settings: DataSettings, split: SplitSettings) -> Dataset:
    """Apply the settings of tables to an open dataset, as `read_divided` does.

    Raises:
        ConfigError, DataError: as `read_divided`.
    """
    if not split.columns:
        return select(dataset, settings)
    table = _WithSplitColumns(EventTable(dataset), settings, split)
    table.read([])
    chosen = table.divided(select(dataset, table.settings))
    return complete(chosen) if settings.drop_missing else chosen


def without_split_columns(source: TableSource, settings: DataSettings, split: SplitSettings) -> DataSettings:
    """Return settings that leave out the columns that only divide the rows.

    Raises:
        ConfigError: there is no such column.
    """
    for name in split.columns:
        if name not in source.names:
            hint = did_you_mean(name, source.names)
            raise ConfigError(f"{source.shown} has no column {name!r} to divide the rows by. {hint}")
    apart = [name for name in split.columns if name not in (settings.columns or ())]
    forms = {name: form for name, form in settings.date_formats.items() if name not in apart}
    return settings.model_copy(update={"drop": tuple(dict.fromkeys([*settings.drop, *apart])), "date_formats": forms})


class _WithSplitColumns(TableSource):
    """A table that keeps the columns that divide its rows whenever other columns are read.

    Arguments:
        source: the table.
        settings: how to read it.
        split: names the columns.

    Raises:
        ConfigError: there is no such column.
    """

    def __init__(self, source: TableSource, settings: DataSettings, split: SplitSettings) -> None:
        super().__init__(source.shown, source.names)
        self.compact_texts = source.compact_texts
        self._source = source
        self._split = split
        self._partial = settings.drop_missing
        self._table: pa.Table | None = None
        self._date_format = settings.date_formats.get(split.time or "")
        # Rows are dropped when their groups and times are known, so that these are dropped, too.
        apart = without_split_columns(source, settings, split)
        self.settings = apart.model_copy(update={"drop_missing": False})

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        # Groups are compared as they are written: 007 is not 7.
        written = [name for name in self._split.by if name not in columns]
        written += [self._split.time] if self._date_format and self._split.time else []
        names = list(dict.fromkeys([*columns, *self._ordering]))
        table = self._source.read(names, [*texts, *written])
        self.facts, self.notes = self._source.facts, self._source.notes
        self._table = without_marks(table, self.settings, self.names)
        return table.select(list(columns))

    @property
    def _ordering(self) -> list[str]:
        """Names of the columns of groups and times; keys are read on their own, block by block."""
        return [name for name in self._split.columns if name != self._split.hashed]

    def stream(self, columns: Sequence[str]) -> RowGroupEvents | None:
        return self._source.stream(columns)

    def column_blocks(self, column: str) -> Iterator[pa.ChunkedArray]:
        return self._source.column_blocks(column)

    def where(self, row: int) -> str:
        return self._source.where(row)

    def divided(self, dataset: Dataset) -> Dataset:
        """Return a dataset that was read from this table, with the groups and times of its rows."""
        if self._table is None and self._ordering:
            self.read([])
        table = pa.table({}) if self._table is None else self._table
        groups, times, notes = None, None, list(dataset.notes)
        if self._split.by:
            found = [groups_of(table.column(name)) for name in self._split.by]
            groups = functools.reduce(joined, [group for group, _ in found])
            notes += [_ungrouped(name, gone) for name, (_, gone) in zip(self._split.by, found, strict=True) if gone]
        if self._split.time is not None:
            column = one_column(self, table, self._split.time, self._date_format)
            times, doubts = times_of(column)
            notes += doubts
            if not self._partial:
                check_times(column, times)
        buckets = None
        if self._split.hashed is not None:
            marked = (self._marked(self._split.hashed, keys) for keys in self.column_blocks(self._split.hashed))
            buckets = buckets_of(marked, self._split.hashed, self.shown, self.where)
        return dataclasses.replace(dataset, groups=groups, times=times, buckets=buckets, notes=tuple(notes))

    def _marked(self, name: str, keys: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return keys without the marks of missing values."""
        return without_marks(pa.table({name: keys}), self.settings, self.names).column(name)


def _ungrouped(name: str, rows: int) -> str:
    return f"{counted(rows, 'row')} without a {name}: each is a group of its own"
