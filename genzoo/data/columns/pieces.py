"""Columns that are converted to numbers some rows at a time, so that a large table is not held twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from genzoo.runtime.threads import thread_pool
from genzoo.typing import Array

_CACHED = 1 << 19
"""Number of values that fit a cache."""


_LEAST_ROWS = 1 << 14
"""Number of rows below which the calls take longer than the conversion."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """A column as numbers or codes, converted when they are asked for.

    Arguments:
        rows: number of rows.
        convert: returns the rows from a first row to before a last one, float64 `(N,)` with NaN for missing values.
    """

    rows: int
    convert: Callable[[int, int], Array]

    @property
    def all(self) -> Array:
        """The whole column, `(N,)`."""
        return self.convert(0, self.rows)


def in_one_piece(values: Array) -> Pieces:
    """Return a column that is already converted."""
    return Pieces(len(values), lambda start, stop: values[start:stop])


@dataclass(frozen=True, slots=True)
class Extent:
    """The range of a column's values.

    Arguments:
        low, high: the smallest and the largest value; NaN if there is none.
        missing: whether a value is missing.
    """

    low: float
    high: float
    missing: bool


def extent(values: Array) -> Extent:
    """Return the range of values `(N,)`, in which NaN is a missing value."""
    if not len(values):
        return Extent(np.nan, np.nan, False)
    low, high = float(values.min()), float(values.max())
    if not np.isnan(low):
        return Extent(low, high, False)
    return Extent(float(np.fmin.reduce(values)), float(np.fmax.reduce(values)), True)


def side_by_side(columns: Sequence[Pieces], events: Array) -> list[Extent]:
    """Fill `events (N, C)` with its columns, a block of rows at a time, and return the range of each column.

    Raises:
        DataError: a value cannot be used.
    """
    rows = max(_LEAST_ROWS, _CACHED // max(1, len(columns)))

    def fill(start: int) -> list[Extent]:
        stop = min(start + rows, len(events))
        found = []
        for place, column in enumerate(columns):
            values = column.convert(start, stop)
            events[start:stop, place] = values
            found.append(extent(values))
        return found

    with thread_pool() as pool:
        blocks = list(pool.map(fill, range(0, len(events), rows)))
    return [_together(parts) for parts in zip(*blocks, strict=True)]


def _together(parts: Sequence[Extent]) -> Extent:
    return Extent(
        float(np.fmin.reduce([part.low for part in parts])),
        float(np.fmax.reduce([part.high for part in parts])),
        any(part.missing for part in parts),
    )
