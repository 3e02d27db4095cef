"""Means and standard deviations of columns, added up block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from genzoo.typing import Array


class ColumnMoments:
    """Count, mean and sum of squared deviations, of each column of a table or of all values.

    Blocks are merged by their counts, means and sums of squared deviations. A running sum of squares would lose its
    digits if the mean is large against the deviation.

    Arguments:
        axis: 0 for each column, `None` for all values together.
        missing: whether NaN stands for missing values of columns, which do not count.

    Attributes:
        count, mean, squares: as above, `()` or `(C,)`.

    References:
        "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (Chan, Golub and LeVeque, 1979).
    """

    def __init__(self, axis: int | None, *, missing: bool) -> None:
        self._axis, self._missing = axis, missing
        self.count: Array = np.zeros(())
        self.mean: Array = np.zeros(())
        self.squares: Array = np.zeros(())

    @property
    def deviation(self) -> Array:
        """Standard deviation; not finite if squares overflow."""
        deviation: Array = np.sqrt(self.squares / self.count)
        return deviation

    def add(self, block: Array) -> None:
        """Take in events in data units, `(n, *event)`."""
        with np.errstate(over="ignore", invalid="ignore"):  # the caller raises for an overflow, with the column's name
            x = np.asarray(block, np.float64)
            self.merge(*(_observed_moments(x) if self._missing else _whole_moments(x, self._axis)))

    def merge(self, count: Any, mean: Array, squares: Array) -> None:
        """Take in the moments of further events."""
        with np.errstate(over="ignore", invalid="ignore"):
            delta = mean - self.mean
            total = np.maximum(self.count + count, 1.0)
            self.mean = self.mean + delta * (count / total)
            self.squares = self.squares + squares + delta**2 * (self.count * count / total)
            self.count = self.count + count

    def of(self, columns: tuple[int, ...] | None) -> ColumnMoments:
        """Return the moments of some columns; `None` for all."""
        if columns is None:
            return self
        chosen = ColumnMoments(self._axis, missing=self._missing)
        own = list(columns)
        chosen.count = np.broadcast_to(self.count, self.mean.shape)[own]
        chosen.mean, chosen.squares = self.mean[own], self.squares[own]
        return chosen


def _whole_moments(x: Array, axis: int | None) -> tuple[Any, Array, Array]:
    """Return count, mean and sum of squared deviations over an axis."""
    mean = x.mean(axis=axis)
    return float(x.size if axis is None else len(x)), mean, ((x - mean) ** 2).sum(axis=axis)


def _observed_moments(x: Array) -> tuple[Any, Array, Array]:
    """Return count, mean and sum of squared deviations of each column of `x (n, C)`, NaN left out."""
    gone = np.isnan(x)
    n = (~gone).sum(axis=0).astype(np.float64)
    mean = np.where(gone, 0.0, x).sum(axis=0) / np.maximum(n, 1.0)
    return n, mean, np.where(gone, 0.0, (x - mean) ** 2).sum(axis=0)


class MeasuredBlocks(Iterable[Array]):
    """Events in blocks whose moments are already known, so that no pass is needed for them.

    Arguments:
        blocks: the events.
        moments: their moments.
    """

    def __init__(self, blocks: Iterable[Array], moments: ColumnMoments) -> None:
        self._blocks = blocks
        self.moments = moments

    def __iter__(self) -> Iterator[Array]:
        return iter(self._blocks)


def moments_of(blocks: Iterable[Array], axis: int | None, *, missing: bool) -> ColumnMoments:
    """Return the moments of blocks of events, in one pass if they are not known.

    Arguments are as for `ColumnMoments`.
    """
    if isinstance(blocks, MeasuredBlocks):
        return blocks.moments
    moments = ColumnMoments(axis, missing=missing)
    for block in blocks:
        moments.add(block)
    return moments
