"""Parquet files larger than memory, read one row group at a time when indexed."""

from __future__ import annotations

import base64
import functools
import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from genzoo.data.column import Column
from genzoo.data.columns.survey import Survey, Surveyed, sample_rows
from genzoo.data.partitions.files import PartFile
from genzoo.data.partitions.remote import explained
from genzoo.data.splits.large import stretch_of
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.runtime.dividing import divided
from genzoo.runtime.progress import Phase
from genzoo.typing import Array

KEPT = 2**26
"""Bytes of events that are kept for the next call: row groups of so many, but at least one."""


_AT_ONCE = 2**26
"""Bytes of columns that are read together. Behind a URL, each read takes a while."""


_ROWS = 2**13
"""Rows that are put side by side at a time, so that they stay in the cache."""


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """A Parquet file, and what its footer says.

    Arguments:
        file: the file.
        metadata: its `pyarrow.parquet.FileMetaData`.
        keys: values of columns that are the same in all of its rows. Defaults to none.
    """

    file: PartFile
    metadata: Any
    keys: Mapping[str, int | None]

    @property
    def schema(self) -> Any:
        """The Arrow schema of its columns, and of the values that all of its rows share."""
        own = self.metadata.schema.to_arrow_schema()
        for name in self.keys:
            if name in own.names:
                own = own.remove(own.get_field_index(name))
            own = own.append(pa.field(name, pa.int64()))
        return own


class RowGroupEvents(Surveyed):
    """Numeric columns of Parquet files as an array `(N, C)` that keeps few row groups in memory.

    Reading the rows in order takes one pass over the files. Each jump to another row group reads that whole group.

    Arguments:
        parts: the files, in order.
        columns: names of numeric or boolean columns.
    """

    ndim = 2

    def __init__(self, parts: Sequence[ParquetPart], columns: Sequence[str]) -> None:
        self._columns = list(columns)
        self._groups = [(part, number) for part in parts for number in range(part.metadata.num_row_groups)]
        counts = [part.metadata.row_group(number).num_rows for part, number in self._groups]
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        schemas = [pa.schema([part.schema.field(name) for name in columns]) for part in parts]
        self.schema = pa.unify_schemas(schemas, promote_options="permissive")
        narrow = all(pa.types.is_float32(kind) for kind in self.schema.types)
        self.dtype = np.dtype(np.float32 if narrow else np.float64)
        self.shape = (int(self._starts[-1]), len(columns))
        self._kept: dict[int, Array] = {}
        self._survey: Survey | None = None
        self._lock = threading.Lock()

    @property
    def starts(self) -> Array:
        """The first row of each row group, and the number of rows."""
        return self._starts

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
        if self._survey is not None and (known := self._survey.sampled(index)) is not None:
            return known
        events = np.empty((len(index), self.shape[1]), self.dtype)
        groups = np.searchsorted(self._starts, index, side="right") - 1
        for group in np.unique(groups):
            here = groups == group
            events[here] = self._group(int(group))[index[here] - self._starts[group]]
        return events

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:].astype(dtype or self.dtype)

    @property
    def survey(self) -> Survey:
        """What one pass over all rows finds; the processes of a training each look at some row groups.

        Raises:
            DataError: a file cannot be read, or the files of two processes differ.
        """
        if self._survey is None:
            with Phase("looking over the data", len(self._groups), "row groups") as phase:
                parts = divided(functools.partial(self._look_over, phase))
            if len({part["outline"] for part in parts}) > 1:
                raise DataError(
                    f"The processes of a training must have the same data, and the files of "
                    f"{self._groups[0][0].file.shown} differ. Give all of them the same files."
                )
            rows = sample_rows(len(self), self.shape[1])
            sample = np.frombuffer(b"".join(base64.b64decode(part["sample"]) for part in parts), self.dtype)
            self._survey = Survey(
                hashlib.sha256("".join(text for part in parts for text in part["digests"]).encode()).hexdigest(),
                np.any([part["missing"] for part in parts], axis=0),
                np.any([part["observed"] for part in parts], axis=0),
                rows,
                sample.reshape(len(rows), self.shape[1]),
            )
        return self._survey

    def _look_over(self, phase: Phase, rank: int, count: int) -> dict[str, Any]:
        """Return what one of `count` stretches of row groups holds, as plain values."""
        rows = sample_rows(len(self), self.shape[1])
        missing, observed = np.zeros((2, self.shape[1]), bool)
        digests, sample = [], []
        for number in phase.over(range(*stretch_of(len(self._groups), rank, count)), lambda _: 1):
            events = self._group(number)
            digests.append(hashlib.sha256(events.data).hexdigest())
            gone = np.isnan(events)
            missing |= gone.any(axis=0)
            observed |= ~gone.all(axis=0)
            ends = np.searchsorted(rows, self._starts[number : number + 2])
            sample.append(events[rows[slice(*ends)] - self._starts[number]].tobytes())
        return {
            "outline": self._outline(),
            "digests": digests,
            "missing": missing.tolist(),
            "observed": observed.tolist(),
            "sample": base64.b64encode(b"".join(sample)).decode(),
        }

    def _outline(self) -> str:
        """Return a digest of the footers of the files, which mostly have the ranges of values."""
        digest = hashlib.sha256()
        for part in {id(part): part for part, _ in self._groups}.values():
            footer = pa.BufferOutputStream()
            part.metadata.write_metadata_file(footer)
            digest.update(footer.getvalue())
        return digest.hexdigest()

    def _group(self, number: int) -> Array:
        """Return the events of a row group, and keep them for the next calls.

        Several threads may call this. At worst, two of them read the same group.
        """
        with self._lock:
            events = self._kept.pop(number, None)
            if events is not None:
                self._kept[number] = events  # the last one in use
                return events
            size = int(self._starts[number + 1] - self._starts[number]) * self.shape[1] * self.dtype.itemsize
            while self._kept and sum(kept.nbytes for kept in self._kept.values()) + size > KEPT:
                del self._kept[next(iter(self._kept))]  # free former groups before the next one is read
        events = self._read(number)
        with self._lock:
            self._kept[number] = events
        return events

    def _read(self, number: int) -> Array:
        part, own = self._groups[number]
        first = int(self._starts[number])
        events = np.empty((int(self._starts[number + 1]) - first, len(self._columns)), self.dtype)
        for name, value in part.keys.items():
            if name in self._columns:
                events[:, self._columns.index(name)] = np.nan if value is None else value
        stored = [name for name in self._columns if name not in part.keys]
        shown = part.file.shown
        with explained(shown):
            try:
                self._fill(events, part, own, stored, first)
            except (pa.ArrowException, OSError) as error:
                pass_out_of_memory(error)
                if not isinstance(error, pa.ArrowException) and type(error) is not OSError:
                    raise  # a file that is not there, or may not be read
                reason = " ".join(str(error).split()).rstrip(".")
                raise DataError(
                    f"{shown} cannot be read as a table: row group {own} is damaged: {reason}. Write the file again, "
                    f"or leave the file out."
                ) from error
        pa.default_memory_pool().release_unused()  # it would keep what the largest group took
        events.flags.writeable = False
        return events

    def _fill(self, events: Array, part: ParquetPart, group: int, names: Sequence[str], first: int) -> None:
        """Read columns of a row group into their places among the events."""
        together = max(1, _AT_ONCE // max(1, len(events) * 8))
        remote = part.file.system is not None
        with parquet.ParquetFile(part.file.opened(), metadata=part.metadata, pre_buffer=remote) as file:
            for start in range(0, len(names), together):
                some = list(names[start : start + together])
                table = file.read_row_group(group, columns=some, use_threads=False)
                numbers = []
                for name in some:
                    values = table.column(name)
                    if len(values) != len(events):
                        raise DataError(
                            f"{part.file.shown} is damaged: row group {group} lacks rows of column {name!r}."
                        )
                    column = Column(name, values, part.file.shown, lambda row: f"row {first + row}")
                    numbers.append(column.floats())
                places = [self._columns.index(name) for name in some]
                for row in range(0, len(events), _ROWS):
                    for place, own in zip(places, numbers, strict=True):
                        events[row : row + _ROWS, place] = own[row : row + _ROWS]
