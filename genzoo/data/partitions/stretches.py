"""The order of training rows that are read from row groups: few groups at a time, mixed in a buffer."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from genzoo.data.dataset import Rows
from genzoo.data.row_groups import KEPT, RowGroupEvents
from genzoo.data.splits.large import LargeRows
from genzoo.runtime.seeding import derive


class StretchOrder:
    """The positions of training rows in one epoch, `(n,)`, computed for the part that is asked for.

    The row groups of an epoch come in a random order. As many of them as `KEPT` bytes hold, at least one, are a buffer,
    and the rows of a buffer are shuffled. So each row comes once in an epoch, and a batch holds rows of the few groups
    of one buffer, where a free shuffle would take them from all groups: with k groups in the buffer of m, the mean of a
    batch varies as if the rows came from k groups drawn at random. If groups differ, for instance by date, write the
    file in smaller or mixed groups.

    With several processes, each has its own row groups. One whose groups hold fewer rows takes some again.

    Arguments:
        bounds: first position of each row group among the training rows, and their number, `(G + 1,)`.
        together: number of row groups in a buffer.
        seed: seed of the run.
        epoch: number of the epoch, from 0.
        length: number of positions that an epoch takes. Defaults to 0: as many as there are.
        rank, count: rank of the process, and number of processes. Default to a single process.
    """

    ndim = 1
    dtype = np.dtype(np.int64)

    def __init__(
        self,
        bounds: Rows,
        together: int,
        seed: int,
        epoch: int,
        *,
        length: int = 0,
        rank: int = 0,
        count: int = 1,
    ) -> None:
        self._length = length
        self._bounds, self._seed, self._epoch, self._rank = bounds, seed, epoch, rank
        order = np.random.default_rng(derive(seed, "order", epoch)).permutation(len(bounds) - 1)[rank::count]
        groups = order.tolist()
        self._buffers = [groups[start : start + together] for start in range(0, len(groups), together)]
        totals = [sum(int(bounds[group + 1] - bounds[group]) for group in buffer) for buffer in self._buffers]
        self._starts = np.concatenate([[0], np.cumsum(totals, dtype=np.int64)])
        self.shape = (int(self._starts[-1]),)
        self._last: tuple[int, Rows] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Rows:
        return self[0 : max(len(self), self._length)].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, places: slice) -> Rows:
        """Return the positions at a stretch of places; places beyond the end begin again."""
        found = np.empty(places.stop - places.start, np.int64)
        done = 0
        while done < len(found):
            place = (places.start + done) % len(self)
            number = int(np.searchsorted(self._starts, place, side="right")) - 1
            own = self._buffer(number)[place - int(self._starts[number]) :][: len(found) - done]
            found[done : done + len(own)] = own
            done += len(own)
        return found

    def _buffer(self, number: int) -> Rows:
        """Return the shuffled positions of a buffer, and keep them for the next call."""
        if self._last is None or self._last[0] != number:
            groups = [np.arange(self._bounds[group], self._bounds[group + 1]) for group in self._buffers[number]]
            rng = np.random.default_rng(derive(self._seed, "order", self._epoch, self._rank, number))
            self._last = number, rng.permutation(np.concatenate(groups))
        return self._last[1]


def bounds_among(rows: Rows, events: RowGroupEvents) -> Rows:
    """Return where the row groups of events begin among some increasing rows, and the number of these, `(G + 1,)`.

    Row groups without such a row are left out.
    """
    large: Any = rows
    found = large.below(events.starts) if isinstance(large, LargeRows) else np.searchsorted(rows, events.starts)
    bounds = np.unique(np.concatenate([[0], found]))
    return cast("Rows", bounds.astype(np.int64))


def buffered_groups(events: RowGroupEvents) -> int:
    """Return how many row groups a buffer may hold, so that all of them stay in memory while it is used."""
    return max(1, KEPT // max(1, events.most_rows * events.shape[1] * events.dtype.itemsize))


def buffer_note(events: RowGroupEvents) -> str:
    """Return what the user should know about the order of rows, as a sentence."""
    sizes = np.diff(events.starts)
    groups, largest = len(sizes), int(sizes.max(initial=1))
    together = min(groups, buffered_groups(events))
    return (
        f"rows are shuffled among {together} of {groups} row groups at a time, up to {largest * together:,} rows; if "
        "the groups differ, a batch is less varied than one of all rows, and smaller or mixed groups help"
    )
