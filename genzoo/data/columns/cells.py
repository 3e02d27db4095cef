"""Cells of columns whose values repeat: a density of such values could profit from rounding, a probability cannot.

A model that adapts to the values of a column can put a spike on each that recurs, and so reach any density. Each value
is therefore spread over a cell of its own, whose probability counts. Cells are as wide as the step of the grid that the
values lie on, such as 0.1; if there is none, as the smallest difference of two values.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection

import numpy as np

from genzoo.data.dataset import Dataset, Rows
from genzoo.typing import Array

_NUMBERS, _LEAST_ROWS = 2**22, 1000
"""Numbers of training rows that are examined, evenly spaced, and the smallest number of rows."""

_DISTINCT = 0.99
"""Share of different values from which on a column counts as free of repeated ones."""

_DIGITS = 9
"""Largest number of decimal places of a grid."""


def with_cells(dataset: Dataset, rows: Rows, columns: Collection[int]) -> Dataset:
    """Return a dataset whose spec has the cells of those features whose values repeat in the training rows.

    Arguments:
        rows: the training rows.
        columns: numbers of continuous features: columns of a table, or 0 for all pixels of images.
    """
    if not columns:
        return dataset
    most = max(_LEAST_ROWS, _NUMBERS // dataset.spec.size)
    if len(rows) > most:
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(np.int64))]
    values = np.concatenate([np.asarray(block, np.float64) for block in dataset.blocks(rows)])
    digits = np.finfo(dataset.events.dtype).eps if dataset.events.dtype.kind == "f" else 0.0
    specs, numbers = [], itertools.count()
    for piece in dataset.spec.pieces:
        own = piece.take(values).reshape(-1, len(piece.spec.features))
        features = list(piece.spec.features)
        for place, number in zip(range(len(features)), numbers, strict=False):
            if number in columns:
                cell = piece.spec.quantum or find_cell(own[:, place], float(digits))
                features[place] = dataclasses.replace(features[place], cell=cell)
        specs.append(dataclasses.replace(piece.spec, features=tuple(features)))
    return dataclasses.replace(dataset, spec=dataset.spec.of_parts(specs))


def find_cell(values: Array, rounding: float = 0.0) -> float | None:
    """Return the width of the cells of a column; `None` if hardly any value repeats, or all are equal.

    Arguments:
        values: `(n,)`, NaN for missing values.
        rounding: relative error of a stored value.

    Examples:
        >>> find_cell(np.array([5.1, 5.1, 4.9, 6.0]))
        0.1
    """
    known = values[~np.isnan(values)]
    different = np.unique(known)
    if len(different) < 2 or len(different) > _DISTINCT * len(known):
        return None
    grid = decimal_grid(different, rounding)
    if grid is not None:
        return float(np.gcd.reduce(grid.whole)) / grid.parts
    return float(np.diff(different).min())


@dataclasses.dataclass(frozen=True, slots=True)
class DecimalGrid:
    """Values with few decimal places.

    Arguments:
        whole: the values times `parts`, `(M,)` int64.
        parts: a power of ten.
    """

    whole: Array
    parts: float


def decimal_grid(values: Array, rounding: float = 0.0) -> DecimalGrid | None:
    """Return values `(M,)` as whole numbers of tenths, hundredths ...; `None` if they have too many decimal places.

    Arguments:
        rounding: relative error of a stored value.
    """
    largest = float(np.abs(values).max())
    for digits in range(_DIGITS + 1):
        scaled = values * 10.0**digits
        if largest * 10.0**digits > 2**53 or (error := 4 * rounding * largest * 10.0**digits) > 0.1:
            return None
        if np.abs(scaled - np.round(scaled)).max() <= max(error, 1e-6):
            return DecimalGrid(np.round(scaled).astype(np.int64), 10.0**digits)
    return None
