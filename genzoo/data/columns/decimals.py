"""The decimal places that a column was recorded with, such as one in 5.1 and 4.9."""

from __future__ import annotations

import math

import numpy as np

from genzoo.data.columns.cells import decimal_grid
from genzoo.data.dataset import Dataset
from genzoo.spec.events import Feature
from genzoo.typing import Array

_HANDFUL = 5
"""Different values that a column needs: fewer may have few decimal places by chance."""

_ERRORS = 4
"""Rounding errors of a stored value by which it may miss its decimal number, because of arithmetic."""


class DecimalPlaces:
    """Finds the decimal places of a column, block by block.

    Arguments:
        rounding: relative error of a stored value.

    Examples:
        >>> found = DecimalPlaces(np.finfo(np.float64).eps)
        >>> found.add(np.array([5.1, 4.9, 6.0, 5.85, np.nan, 4.0]))
        >>> found.count
        2
    """

    def __init__(self, rounding: float) -> None:
        self._rounding = rounding
        self._parts: float | None = 1.0
        self._different = np.empty(0)

    @property
    def count(self) -> int | None:
        """Number of decimal places; `None` if values have more than nine, or hardly any differ."""
        if self._parts is None or len(self._different) < _HANDFUL:
            return None
        return round(math.log10(self._parts))

    @property
    def step(self) -> float | None:
        """Step of the grid that values lie on, such as 0.1; `None` if they have no decimal places, or none is known."""
        return 10.0**-self.count if self.count else None

    def plain(self) -> tuple[float | None, list[float]]:
        """Return what was found as plain values for JSON."""
        return self._parts, self._different.tolist()

    def merge(self, parts: float | None, different: list[float]) -> None:
        """Take in what `plain` returned for further values."""
        self._parts = None if self._parts is None or parts is None else max(self._parts, parts)
        self._different = np.unique(np.concatenate([self._different, different]))[:_HANDFUL]

    def add(self, values: Array) -> None:
        """Take in values of the column, `(n,)`, NaN for missing ones."""
        known = values[~np.isnan(values)]
        if self._parts is None or not len(known):
            return
        grid = decimal_grid(known, self._rounding)
        # `decimal_grid` takes values near a grid, also tiny ones near 0, which samples must keep.
        if grid is None or (np.abs(known - grid.whole / grid.parts) > _ERRORS * self._rounding * np.abs(known)).any():
            self._parts = None
            return
        self._parts = max(self._parts, grid.parts)
        if len(self._different) < _HANDFUL:
            self._different = np.unique(np.concatenate([self._different, known]))[:_HANDFUL]


def decimal_places(dataset: Dataset) -> dict[int, DecimalPlaces]:
    """Return a finder of the decimal places of each continuous column of a table, by number of the column."""
    features = enumerate(dataset.spec.features)
    stored = dataset.events.dtype
    return {place: DecimalPlaces(_rounding(feature, stored)) for place, feature in features if not feature.discrete}


def _rounding(feature: Feature, stored: np.dtype[np.generic]) -> float:
    """Return the relative error of a stored value; a source of float32 may be held as float64."""
    single = stored == np.float32 or feature.stored == "float32"
    return float(np.finfo(np.float32 if single else np.float64).eps)


def on_grid(x: Array, step: Array) -> Array:
    """Return numbers rounded to multiples of `step`.

    Multiples of 0.1, 0.01 ... are the floating-point numbers nearest to decimal ones, and 0 has no sign.

    Examples:
        >>> on_grid(np.array([0.28, 131.0, -0.02]), np.array([0.1, 60.0, 0.1])).tolist()
        [0.3, 120.0, 0.0]
    """
    parts = np.rint(1 / step)
    divides = np.abs(parts * step - 1) < 1e-9
    with np.errstate(over="ignore"):
        placed = np.where(divides, np.rint(x * parts) / np.maximum(parts, 1), np.rint(x / step) * step) + 0.0
    return np.where(np.isfinite(placed), placed, x)  # a number too large for this has no decimal places
