"""Moments of the columns of a table, summed in one pass over blocks of rows.

A column of numbers becomes three numbers per row: whether it is observed, its value, and its square. A column of
categories becomes whether it is observed, and one indicator per category. Missing values are 0 in all of them. Sums of
products of these numbers then hold the mean, spread and correlations of all columns over the rows in which they are
observed: by component, and for all pairs of columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genzoo.inference.description.figures import ColumnFigures
from genzoo.spec.events import Feature
from genzoo.typing import Array

_ROUNDING = 1e-12
"""Relative size below which a sum of many numbers is rounding."""


@dataclass(frozen=True, slots=True)
class ColumnCoding:
    """How the columns of a table become numbers whose sums of products are moments.

    Arguments:
        features: the columns.
        center, scale: values near the mean and spread of each column, `(C,)`. Squares of centered values do not round
            away the spread of a column far from 0.
        starts: place of each column's first number, `(C,)`.
        width: numbers per row, D.
    """

    features: tuple[Feature, ...]
    center: Array
    scale: Array
    starts: tuple[int, ...]
    width: int

    @staticmethod
    def of(features: Sequence[Feature], rows: Array) -> ColumnCoding:
        """Return the coding of columns, scaled by some of the rows, `(n, C)`."""
        scaled = np.array([feature.levels is None for feature in features])
        center, scale = np.zeros(len(features)), np.ones(len(features))
        for column in np.flatnonzero(scaled):
            values = rows[:, column].astype(np.float64)
            values = values[np.isfinite(values)]
            if len(values):
                center[column] = values.mean()
                scale[column] = values.std() or 1.0
        widths = [3 if feature.levels is None else 1 + len(feature.levels) for feature in features]
        ends = np.cumsum(widths)
        return ColumnCoding(tuple(features), center, scale, (0, *map(int, ends[:-1])), int(ends[-1]))

    def encode(self, rows: Array) -> Array:
        """Return the numbers of rows `(n, C)`, `(n, D)` float64."""
        coded = np.zeros((len(rows), self.width))
        observed = ~np.isnan(rows)
        for column, (feature, start) in enumerate(zip(self.features, self.starts, strict=True)):
            known = observed[:, column]
            coded[:, start] = known
            values = np.where(known, rows[:, column], self.center[column]).astype(np.float64)
            if feature.levels is None:
                coded[:, start + 1] = (values - self.center[column]) / self.scale[column]
                coded[:, start + 2] = coded[:, start + 1] ** 2
            else:
                places = np.flatnonzero(known)
                coded[places, start + 1 + values[places].astype(np.int64)] = 1.0
        return coded

    def figures(self, sums: Array) -> tuple[ColumnFigures, ...]:
        """Return the distribution of each column from sums of its numbers over rows, `(D,)`."""
        return tuple(self._figures(column, sums) for column in range(len(self.features)))

    def _figures(self, column: int, sums: Array) -> ColumnFigures:
        feature, start = self.features[column], self.starts[column]
        count = sums[start]
        if not count > 0:
            return ColumnFigures(feature.name)
        if feature.levels is not None:
            shares = sums[start + 1 : start + 1 + len(feature.levels)] / count
            return ColumnFigures(feature.name, levels=dict(zip(feature.levels, map(float, shares), strict=True)))
        mean, square = sums[start + 1] / count, sums[start + 2] / count
        center, scale = self.center[column], self.scale[column]
        variance = square - mean**2
        spread = np.sqrt(variance) * scale if variance > _ROUNDING * max(square, 1.0) else 0.0
        found = center + mean * scale
        return ColumnFigures(feature.name, float(found if abs(found) > _ROUNDING * abs(center) else 0.0), float(spread))

    def separation(self, sums: Array) -> Array:
        """Return η² of each column: the share of its variance that lies between groups, `(C,)`.

        The variance of a column of categories is the sum of the variances of their indicators. For two categories, η²
        is the squared correlation; in general, it is Goodman and Kruskal's τ.

        Arguments:
            sums: sums of the numbers of rows in each group, `(K, D)`.

        References:
            "Measures of Association for Cross Classifications" (Goodman and Kruskal, 1954).
        """
        return np.array([self._separation(column, sums) for column in range(len(self.features))])

    def _separation(self, column: int, sums: Array) -> float:
        feature, start = self.features[column], self.starts[column]
        counts = sums[:, start]
        count = counts.sum()
        if not count > 0:
            return 0.0
        values = 1 if feature.levels is None else len(feature.levels)
        totals = sums[:, start + 1 : start + 1 + values]  # (K, 1 or levels)
        square = sums[:, start + 2].sum() if feature.levels is None else count  # a row has one indicator of 1
        middle = (totals.sum(axis=0) ** 2).sum() / count
        used = counts > 0
        between = (totals[used] ** 2 / counts[used, None]).sum() - middle
        total = square - middle
        return float(np.clip(between / total, 0.0, 1.0)) if total > _ROUNDING * count else 0.0


def pair_strengths(coding: ColumnCoding, products: Array, rows: int) -> Array:
    """Return how strongly each pair of columns depends on each other, `(C, C)`; the diagonal is 1.

    Arguments:
        coding: the coding of the columns.
        products: sums of products of all pairs of numbers, `(D, D)`.
        rows: number of rows that were summed. It differs from the sum of weights if rows have weights.

    Returns:
        Pearson's correlation for two columns of numbers, otherwise the correlation ratio or Cramér's V, both corrected
        for chance; see `measure_of_pair`. 0 if a column is constant.

    References:
        "A bias-correction for Cramér's V and Tschuprow's T" (Bergsma, 2013);
        "An Unbiased Correlation Ratio Measure" (Kelley, 1935).
    """
    features, starts = coding.features, np.array(coding.starts)
    strengths = np.eye(len(features))
    total = max(float(products[starts, starts].max()), 1e-300)
    numeric = np.array([feature.levels is None for feature in features])
    where = np.flatnonzero(numeric)
    strengths[np.ix_(where, where)] = _correlations(products, starts[where])
    for i in np.flatnonzero(~numeric):
        for j in range(len(features)):
            if i == j or (not numeric[j] and j < i):
                continue
            count = products[starts[i], starts[j]] / total * rows
            inside = _ratio if numeric[j] else _cramers_v
            strengths[i, j] = strengths[j, i] = inside(coding, products, int(i), j, float(count))
    return strengths


def measure_of_pair(one: Feature, two: Feature) -> str:
    """Return the measure of dependency between two columns."""
    categories = (one.levels is not None) + (two.levels is not None)
    return ("correlation", "correlation ratio", "Cramér's V")[categories]


def _correlations(products: Array, starts: Array) -> Array:
    """Return Pearson correlations of columns of numbers, each pair over the rows that have both values."""
    count = np.maximum(products[np.ix_(starts, starts)], 1e-300)
    mean = products[np.ix_(starts + 1, starts)] / count  # of the first column, where both are observed
    variance = products[np.ix_(starts + 2, starts)] / count - mean**2
    covariance = products[np.ix_(starts + 1, starts + 1)] / count - mean * mean.T
    length = np.sqrt(np.maximum(variance, 0.0) * np.maximum(variance.T, 0.0))
    found = np.where(length > 1e-12, covariance / np.maximum(length, 1e-12), 0.0).clip(-1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found


def _ratio(coding: ColumnCoding, products: Array, i: int, j: int, rows: float) -> float:
    """Return the correlation ratio of numbers in column j given the categories in column i."""
    levels = _levels(coding, i)
    start = coding.starts[j]
    counts, sums = products[levels, start], products[levels, start + 1]
    square = products[coding.starts[i], start + 2]
    used = counts > 0
    middle = sums.sum() ** 2 / max(counts.sum(), 1e-300)
    total = square - middle
    groups = int(used.sum())
    if not total > _ROUNDING * max(counts.sum(), 1e-300) or rows <= groups:
        return 0.0
    explained = ((sums[used] ** 2 / counts[used]).sum() - middle) / total
    return float(np.sqrt(np.clip(1 - (1 - explained) * (rows - 1) / (rows - groups), 0.0, 1.0)))


def _cramers_v(coding: ColumnCoding, products: Array, i: int, j: int, rows: float) -> float:
    table = products[_levels(coding, i), _levels(coding, j)]
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    if min(table.shape) < 2 or rows <= 1:
        return 0.0
    shares = table / table.sum()
    expected = shares.sum(axis=1, keepdims=True) * shares.sum(axis=0)
    squared = ((shares - expected) ** 2 / expected).sum()
    height, width = table.shape
    squared = max(0.0, squared - (height - 1) * (width - 1) / (rows - 1))
    corrected = [size - (size - 1) ** 2 / (rows - 1) for size in (height, width)]
    limit = min(corrected) - 1
    return float(np.sqrt(min(squared / limit, 1.0))) if limit > 0 else 0.0


def _levels(coding: ColumnCoding, column: int) -> slice:
    levels = coding.features[column].levels
    assert levels is not None
    return slice(coding.starts[column] + 1, coding.starts[column] + 1 + len(levels))
