"""Parquet files larger than memory: events that are read as they are indexed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from genzoo.data.column import Column
from genzoo.errors import DataError
from genzoo.typing import Array


class RowGroupEvents:
    """Numeric columns of a Parquet file as an array `(N, C)`, of which one row group at a time is in memory.

    Reading rows in their order costs one pass over the file; each jump to another row group costs reading it whole.

    Arguments:
        path: the file.
        columns: names of columns of numbers, or of true and false.
    """

    ndim = 2

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._columns = list(columns)
        self._metadata = parquet.read_metadata(path)
        counts = [self._metadata.row_group(i).num_rows for i in range(self._metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        schema = self._metadata.schema.to_arrow_schema()
        self.schema = pa.schema([schema.field(name) for name in columns])
        narrow = all(pa.types.is_float32(kind) for kind in self.schema.types)
        self.dtype = np.dtype(np.float32 if narrow else np.float64)
        self.shape = (int(self._starts[-1]), len(columns))
        self._held: tuple[int, Array] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that all of it would take."""
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
        found = np.empty((len(index), self.shape[1]), self.dtype)
        groups = np.searchsorted(self._starts, index, side="right") - 1
        for group in np.unique(groups):
            here = groups == group
            found[here] = self._group(int(group))[index[here] - self._starts[group]]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:].astype(dtype or self.dtype)

    def _group(self, number: int) -> Array:
        """The events of a row group; the last one asked for is kept, and several threads may ask."""
        held = self._held
        if held is not None and held[0] == number:
            return held[1]
        self._held = held = None  # before another takes its place
        first = int(self._starts[number])
        found = np.empty((int(self._starts[number + 1]) - first, len(self._columns)), self.dtype)
        try:
            with parquet.ParquetFile(self._path, metadata=self._metadata) as file:
                for place, name in enumerate(self._columns):
                    values = file.read_row_group(number, columns=[name], use_threads=False).column(0)
                    column = Column(name, values, str(self._path), lambda row: f"row {first + row}")
                    found[:, place] = column.numbers()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self._path} cannot be read as a table: {error}.") from error
        found.flags.writeable = False
        self._held = (number, found)
        return found
