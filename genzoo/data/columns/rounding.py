"""Find what the recorded values of a column stand for: a cell around each, as wide as the rounding.

Columns are rounded to decimal places or to digits, so the step is found near each value: 386.1 and 1001 may be of one
column. Values that recur off every decimal grid, such as logarithms of counts, have cells that reach half-way to their
neighbors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from genzoo.data.columns.cells import decimal_grid
from genzoo.data.columns.survey import spaced_rows
from genzoo.data.dataset import Dataset
from genzoo.typing import Array

_NUMBERS, _LEAST_ROWS = 2**19, 2000
"""Numbers of a dataset that are examined, in rows that are evenly spaced, and the smallest number of rows."""

_NEAR = 8
"""Differences of neighbors, on either side of a value, whose common step is the step there."""

_SPACING = 3
"""Neighbors on either side whose mean distance is the spacing of values off a grid."""

_SAME = 1e-12
"""Differences up to this share of a column's range are errors of arithmetic, and no difference of values."""


@dataclass(frozen=True, slots=True)
class RoundedColumn:
    """The cells of one column.

    Arguments:
        places: recorded values, `(M,)`, increasing.
        below, above: how far the cell of each reaches, `(M,)`; 0 for both if the value is not rounded. Cells end at the
            smallest and at the largest value.
        step: step of the grid near each, `(M,)`; `None` off a grid.
    """

    places: Array
    below: Array
    above: Array
    step: Array | None

    def cells_near(self, x: Array, most: int) -> tuple[Array, Array, Array]:
        """Return the cells around values `x (N,)` and up to `most` possible values on either side of each.

        Returns:
            The values, and how far their cells reach below and above them, `(N, 2 most + 1)` each. Cells of values
            beyond the smallest and largest one are empty.
        """
        own = np.searchsorted((self.places[1:] + self.places[:-1]) / 2, x)
        offsets = np.arange(-most, most + 1)
        if self.step is None:
            near = own[:, None] + offsets
            inside = (near >= 0) & (near < len(self.places))
            near = near.clip(0, len(self.places) - 1)
            return self.places[near], self.below[near] * inside, self.above[near] * inside
        step = self.step[own, None]
        values = x[:, None] + offsets * step
        low, high = self.places[0], self.places[-1]
        outside = (values < low - step / 4) | (values > high + step / 4)
        below, above = ((end * np.ones_like(values)).clip(0, step / 2) for end in (values - low, high - values))
        return values, np.where(outside, 0.0, below), np.where(outside, 0.0, above)


def rounded_columns(dataset: Dataset) -> dict[int, RoundedColumn]:
    """Return the cells of the rounded continuous columns of a table, by number of the column."""
    spec = dataset.spec
    if not spec.form.columns or not len(dataset):
        return {}
    most = max(_LEAST_ROWS, _NUMBERS // spec.size)
    events = np.asarray(dataset.events[spaced_rows(dataset.events, most)], np.float64)
    digits = np.finfo(dataset.events.dtype).eps if dataset.events.dtype.kind == "f" else 0.0
    columns = ((place, feature) for place, feature in enumerate(spec.features) if not feature.discrete)
    found = {place: rounded_column(events[:, place], float(digits)) for place, _ in columns}
    return {place: column for place, column in found.items() if column is not None}


def rounded_column(values: Array, rounding: float = 0.0) -> RoundedColumn | None:
    """Return the cells of a column; `None` if its values are neither rounded nor recur.

    Arguments:
        values: `(n,)`, NaN for missing values.
        rounding: relative error of a stored value.

    Examples:
        >>> column = rounded_column(np.array([0.5, 0.6, 0.9, 1.2, 1.4]))
        >>> [sides[0].round(3).tolist() for sides in column.cells_near(np.array([0.6]), 1)]
        [[0.5, 0.6, 0.7], [0.0, 0.05, 0.05], [0.05, 0.05, 0.05]]
    """
    known = np.sort(values[~np.isnan(values)])
    if not len(known) or known[0] == known[-1]:
        return None
    places, counts = _different(known)
    grid = decimal_grid(places, rounding)
    if grid is not None:
        step = _steps(grid.whole) / grid.parts
        below, above = step / 2, step / 2
    elif (counts > 1).any():
        step = None
        below, above = (np.where(counts > 1, side, 0.0) for side in _half_spacing(places))
    else:
        return None
    below[0] = above[-1] = 0.0
    return RoundedColumn(places, below, above, step)


def _different(known: Array) -> tuple[Array, Array]:
    """Return the different values of sorted `known (n,)`, and how often each occurs, `(M,)` each."""
    first = np.flatnonzero(np.diff(known, prepend=-np.inf) > _SAME * (known[-1] - known[0]))
    return known[first], np.diff(first, append=len(known))


def _steps(whole: Array) -> Array:
    """Return the step near each value of a grid, `(M,)`: the larger one of the steps on its two sides.

    Arguments:
        whole: different whole numbers, `(M,)` int64, increasing.
    """
    gaps = np.diff(whole)
    size = min(_NEAR, len(gaps))
    common = np.gcd.reduce(sliding_window_view(gaps, size), axis=1)
    number, last = np.arange(len(whole)), len(common) - 1
    return np.asarray(np.maximum(common[np.minimum(number, last)], common[np.clip(number - size, 0, last)]))


def _half_spacing(places: Array) -> tuple[Array, Array]:
    """Return half the spacing of `places (M,)` below and above each of them."""
    number = np.arange(len(places))
    left, right = np.maximum(number - _SPACING, 0), np.minimum(number + _SPACING, len(places) - 1)
    below = (places - places[left]) / np.maximum(2 * (number - left), 1)
    return below, (places[right] - places) / np.maximum(2 * (right - number), 1)
