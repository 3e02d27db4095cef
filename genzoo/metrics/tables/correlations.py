"""Difference between the correlations of real and sampled tables."""

from __future__ import annotations

import numpy as np

from genzoo.errors import DataError
from genzoo.metrics.halves.half_samples import HalfSpread, between_halves
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.metrics.tables.marginals import table_pair
from genzoo.metrics.tables.multipliers import DRAWS, multipliers, shrunk, simulated_spread
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import Modality
from genzoo.typing import Array


class CorrelationDifference(Metric):
    """Mean absolute difference of the Pearson correlations over pairs of columns.

    Each category is a column of 0 and 1. The part of a column is the mean over pairs with that column. Columns that
    are constant in the samples have correlations of 0. Even between samples of the same distribution it is above 0, so
    `real_halves` is the value between two halves of the real events. The standard error is simulated: differences of
    correlations are normal, but their absolute values are not.
    """

    name = "correlation-difference"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("table",)
    weighted = True

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        real, samples = table_pair(given)
        (x, owners), (y, _) = (_indicators(given.data, events) for events in (real, samples))
        changing = np.ptp(x, axis=0) > 0
        x, y, owners = x[:, changing], y[:, changing], owners[changing]
        pairs = owners[:, None] != owners
        if not pairs.any():
            raise DataError("Correlations need two columns that change in the real events.")
        gaps = np.abs(correlations(x, given.real_weights) - correlations(y))
        names = [feature.name for feature in given.data.features]
        parts = {names[c]: float(gaps[(owners == c)[:, None] & pairs].mean()) for c in dict.fromkeys(owners.tolist())}

        def among(u: Array, v: Array) -> float:
            return float(np.abs(correlations(x, u) - correlations(x, v))[pairs].mean())

        left_out = [name for name in names if name not in parts]
        notes = (f"left out: {', '.join(left_out)} never change in the real events.",) if left_out else ()
        protocol = {"unit": "Pearson correlation", "columns": len(parts)}
        weights = given.weights_of_real
        spread = _spread(x, y, pairs, weights, given.seed)
        return Score(
            self.name,
            float(gaps[pairs].mean()),
            self.direction,
            spread.error,
            protocol,
            notes=notes,
            parts=parts,
            real_halves=between_halves(among, weights, given.seed),
            shared=spread.shared,
        )


def _indicators(data: DataSpec, events: Array) -> tuple[Array, Array]:
    """Return the columns, with one indicator column for each category, and the source column of each.

    The first category is left out, because the other indicators determine it.
    """
    parts, owners = [], []
    for column, feature in enumerate(data.features):
        values = events[:, column : column + 1]
        if feature.kind == "categorical" and feature.levels:
            values = (values == np.arange(1, max(2, len(feature.levels)))).astype(np.float64)
        parts.append(values)
        owners += [column] * values.shape[1]
    return np.concatenate(parts, axis=1), np.array(owners)


def correlations(events: Array, weights: Array | None = None) -> Array:
    """Return the correlations of the columns of `events (N, C)` under `weights (N,)`."""
    if weights is None:
        centered = events - events.mean(axis=0)
    else:
        events, weights = events[weights > 0], weights[weights > 0]
        mean = weights @ events / weights.sum()
        centered = (events - mean) * np.sqrt(weights)[:, None]
        centered[:, np.ptp(events, axis=0) == 0] = 0.0  # the mean of equal values may be off by rounding
    length = np.sqrt((centered**2).sum(axis=0))
    scaled = centered / np.where(length > 0, length, 1.0)
    found: Array = scaled.T @ scaled
    return found


def _spread(x: Array, y: Array, pairs: Array, weights: Array, seed: int) -> HalfSpread:
    """Return the spread of the mean absolute difference of correlations, by a multiplier bootstrap.

    Arguments:
        x, y: real events and samples, `(N, C)` and `(M, C)`.
        pairs: which pairs of columns count, `(C, C)`.
        weights: weights of the real events, `(N,)`.
    """
    pairs = np.triu(pairs)
    gaps = (correlations(x, weights) - correlations(y))[pairs]
    errors = correlation_errors(x, weights, pairs, seed, 0) - correlation_errors(y, np.ones(len(y)), pairs, seed, 1)
    true = shrunk(gaps, float((errors**2).mean(axis=0).sum()))
    return simulated_spread(np.abs(true + errors).mean(axis=1))


def correlation_errors(events: Array, weights: Array, pairs: Array, seed: int, part: int) -> Array:
    """Return random errors of the correlations of `pairs (C, C)` of columns, `(DRAWS, P)`, with their covariances.

    Arguments:
        events: `(N, C)`.
        weights: their weights, `(N,)`.
        part: 0 for real events, 1 for samples.
    """
    w = weights / weights.sum()
    z = events - w @ events
    length = np.sqrt(w @ z**2)
    z = np.where(length > 1e-12 * np.abs(events).max(axis=0), z / np.where(length > 0, length, 1.0), 0.0)
    measured = (z * w[:, None]).T @ z
    found = np.empty((DRAWS, int(pairs.sum())))
    for draw, drawn in zip(found, multipliers(len(w), seed, part), strict=True):
        # The influence of an event on a correlation r is ab - r (a² + b²) / 2, for standardized values a and b.
        products = (z * (w * drawn)[:, None]).T @ z
        own = np.diag(products)
        draw[:] = (products - measured * (own[:, None] + own) / 2)[pairs]
    return found


correlation_difference = CorrelationDifference()
