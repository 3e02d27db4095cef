"""Parquet files larger than memory, read one row group at a time when indexed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from genzoo.data.column import Column
from genzoo.data.readers.arrow.input import for_arrow
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.typing import Array


class RowGroupEvents:
    """Numeric columns of a Parquet file as an array `(N, C)` that keeps one row group in memory.

    Reading the rows in order takes one pass over the file. Each jump to another row group reads that whole group.

    Arguments:
        path: the file.
        columns: names of numeric or boolean columns.
    """

    ndim = 2

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._columns = list(columns)
        self._metadata = parquet.read_metadata(for_arrow(path))
        counts = [self._metadata.row_group(i).num_rows for i in range(self._metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        schema = self._metadata.schema.to_arrow_schema()
        self.schema = pa.schema([schema.field(name) for name in columns])
        narrow = all(pa.types.is_float32(kind) for kind in self.schema.types)
        self.dtype = np.dtype(np.float32 if narrow else np.float64)
        self.shape = (int(self._starts[-1]), len(columns))
        self._last: tuple[int, Array] | None = None

    @property
    def most_rows(self) -> int:
        """Number of rows of the largest row group."""
        return int(np.diff(self._starts).max(initial=0))

    @property
    def nbytes(self) -> int:
        """Number of bytes of the whole array."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            group = int(np.searchsorted(self._starts, start, side="right")) - 1
            if step == 1 and start < stop <= self._starts[min(group + 1, len(self._starts) - 1)]:
                first = int(self._starts[group])
                return self._group(group)[start - first : stop - first]
            rows = np.arange(start, stop, step)
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else np.where(index < 0, index + len(self), index)
        if index.ndim == 0:
            row: Array = self[int(index) : int(index) + 1][0]
            return row
        events = np.empty((len(index), self.shape[1]), self.dtype)
        groups = np.searchsorted(self._starts, index, side="right") - 1
        for group in np.unique(groups):
            here = groups == group
            events[here] = self._group(int(group))[index[here] - self._starts[group]]
        return events

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:].astype(dtype or self.dtype)

    def _group(self, number: int) -> Array:
        """Return the events of a row group, and keep them for the next call.

        Several threads may call this. Number and events are kept in one tuple, which is read and replaced in one step,
        so no thread sees the events of another group. At worst, two threads read the same group.
        """
        last = self._last
        if last is not None and last[0] == number:
            return last[1]
        self._last = last = None  # free the former group before the next one is read
        first = int(self._starts[number])
        events = np.empty((int(self._starts[number + 1]) - first, len(self._columns)), self.dtype)
        try:
            with parquet.ParquetFile(for_arrow(self._path), metadata=self._metadata) as file:
                for place, name in enumerate(self._columns):
                    values = file.read_row_group(number, columns=[name], use_threads=False).column(0)
                    if len(values) != len(events):
                        raise DataError(f"{self._path} is damaged: row group {number} lacks rows of column {name!r}.")
                    column = Column(name, values, str(self._path), lambda row: f"row {first + row}")
                    events[:, place] = column.numbers()
        except (pa.ArrowException, OSError) as error:
            pass_out_of_memory(error)
            raise DataError(f"{self._path} cannot be read as a table: {error}.") from error
        events.flags.writeable = False
        self._last = (number, events)
        return events
