"""Find continuous columns that a categorical column determines, such as the years of each kind of school."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genzoo.data.dataset import BLOCK, Dataset
from genzoo.typing import Array

_LEAST = 5
"""Smallest mean number of rows for each category: single rows determine everything."""


@dataclass(frozen=True, slots=True)
class Determined:
    """A continuous column with a single value in each category of another column."""

    column: str
    by: str


def find_determined(dataset: Dataset) -> list[Determined]:
    """Find the continuous columns of a table that have one value in each category, in one pass over the rows."""
    features = dataset.spec.features
    if not dataset.spec.form.columns:
        return []
    numbers = [place for place, feature in enumerate(features) if not feature.discrete]
    pairs = [
        (place, by, np.full(len(feature.levels), np.nan), np.zeros(len(feature.levels), np.int64))
        for by, feature in enumerate(features)
        if feature.levels is not None and 2 <= len(feature.levels) * _LEAST <= len(dataset)
        for place in numbers
    ]
    if not pairs:
        return []
    for start in range(0, len(dataset), 16 * BLOCK):
        block = np.asarray(dataset.events[start : start + 16 * BLOCK])
        pairs = [pair for pair in pairs if _one_value_each(block[:, pair[0]], block[:, pair[1]], *pair[2:])]
        if not pairs:
            return []
    return [
        Determined(features[place].name, features[by].name)
        for place, by, value, count in pairs
        if (count > 0).sum() * _LEAST <= count.sum() and len(np.unique(value[count > 0])) > 1
    ]


def _one_value_each(values: Array, codes: Array, known: Array, count: Array) -> bool:
    """Return whether a block has the known value in each category; note the values and counts of new ones.

    Arguments:
        values, codes: the two columns, `(n,)`.
        known, count: value and number of rows of each category so far, `(L,)`; changed in place.
    """
    present = ~(np.isnan(values) | np.isnan(codes))
    values, codes = values[present], codes[present].astype(np.int64)
    fresh = np.isnan(known)
    if fresh.any():
        first = np.full(len(known), np.nan)
        first[codes[::-1]] = values[::-1]
        known[fresh] = first[fresh]
    count += np.bincount(codes, minlength=len(count))
    return bool((values == known[codes]).all())
