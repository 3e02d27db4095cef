"""Weights of real events in metrics of samples.

Weights that are whole numbers count equal events, so the events are repeated. Other weights say how much an event
counts in the distribution that the model learns, as importance weights do. Metrics use these weights.
"""

from __future__ import annotations

import numpy as np

from genzoo.data.dataset import Dataset, Rows
from genzoo.metrics.statistics import are_frequencies
from genzoo.typing import Array

MOST_REPEATED = 1_000_000
"""Largest number of rows that weights as counts repeat; of more, evenly spaced ones are used."""


def repeated(dataset: Dataset, rows: Rows) -> Rows:
    """Return the rows as often as their weights count them; rows of weight 0 are left out.

    Weights that are not whole numbers repeat nothing. All rows of the dataset decide whether weights are counts.
    """
    if dataset.weights is None:
        return rows
    own = dataset.weights[rows]
    if not are_frequencies(dataset.weights):
        kept: Rows = rows[own > 0]
        return kept
    # Huge counts would not fit in memory. Evenly spaced rows in the order of the counts are the same as thinned ones.
    ends = np.cumsum(own)
    total = int(ends[-1]) if len(ends) else 0
    places = np.arange(total) if total <= MOST_REPEATED else np.linspace(0, total - 1, MOST_REPEATED).astype(np.int64)
    counted: Rows = rows[np.searchsorted(ends, places, side="right")]
    return counted


def fractional(dataset: Dataset, rows: Rows) -> Array | None:
    """Return the weights of rows for metrics; `None` if they are equal, or counts that repeat the rows."""
    if dataset.weights is None or are_frequencies(dataset.weights) or not len(rows):
        return None
    own = dataset.weights[rows]
    return None if (own == own[0]).all() else same_squares(own)


def same_squares(weights: Array) -> Array:
    """Scale weights so that their sum is the sum of their squares.

    The sum is then the effective number of events ("Survey Sampling", Kish, 1965).
    """
    scaled: Array = weights * (weights.sum() / (weights @ weights))
    return scaled


def spread_evenly(values: Array, weights: Array | None) -> Array:
    """Return equally weighted values with the same quantiles as weighted `values (N,)`; NaN are left out.

    They lie at evenly spaced places of the weighted distribution. Their number is the effective number of `values`.

    Arguments:
        weights: `(N,)`, with the same sum as their squares. Defaults to `None`: the values themselves.
    """
    if weights is None:
        return values
    order = values.argsort()
    order = order[~np.isnan(values[order])]
    mass = np.cumsum(weights[order])
    if not len(order) or not mass[-1] > 0:
        return values[:0]
    count = max(1, round(mass[-1]))
    places = np.searchsorted(mass, (np.arange(count) + 0.5) / count * mass[-1])
    even: Array = values[order[np.minimum(places, len(order) - 1)]]
    return even


def counted_values(dataset: Dataset, rows: Rows, values: Array) -> Array:
    """Return `values (N,)` of increasing `rows` as often as the rows' weights count them."""
    if dataset.weights is None:
        return values
    counted = repeated(dataset, rows)
    return spread_evenly(values[np.searchsorted(rows, counted)], fractional(dataset, counted))
