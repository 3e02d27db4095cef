"""The cells around the values of a column. Values that were rounded count as anywhere in their cell."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def cells(x: Array, weights: Array, smallest: float) -> tuple[Array, Array]:
    """Return the ends of the cells around different values, and the share of all values below each end."""
    values, which = np.unique(x, return_inverse=True)
    counts = np.bincount(which, weights)
    if len(values) == 1:
        return values + np.array([-0.5, 0.5]) * smallest, np.array([0.0, 1.0])
    middle = (values[1:] + values[:-1]) / 2
    ends = np.concatenate([[1.5 * values[0] - values[1] / 2], middle, [1.5 * values[-1] - values[-2] / 2]])
    return ends, np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
