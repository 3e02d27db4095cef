"""Distances between the columns of real and sampled tables, and between their correlations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import wasserstein_distance

from genzoo.errors import DataError
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score, check_events
from genzoo.metrics.statistics import standard_error
from genzoo.spec import DataSpec, Feature, Kind, Modality
from genzoo.typing import Array


class CorrelationDifference(Metric):
    """Mean absolute difference of the Pearson correlations over pairs of columns.

    Each category is a column of 0 and 1. The part of a column is the mean over pairs with that column. Columns that
    are constant in the samples have correlations of 0. If real and sampled correlations hardly differ, the standard
    error tends to be too large, because it ignores that absolute differences cannot be negative.
    """

    name = "correlation-difference"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("table",)

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        real, samples = table_pair(given)
        (x, owners), (y, _) = (_indicators(given.data, events) for events in (real, samples))
        changing = np.ptp(x, axis=0) > 0
        x, y, owners = x[:, changing], y[:, changing], owners[changing]
        pairs = owners[:, None] != owners
        if not pairs.any():
            raise DataError("Correlations need two columns that change in the real events.")
        gaps = np.abs(_correlations(x) - _correlations(y))
        names = [feature.name for feature in given.data.features]
        parts = {names[c]: float(gaps[(owners == c)[:, None] & pairs].mean()) for c in dict.fromkeys(owners.tolist())}

        def mean(a: Array, b: Array) -> float:
            return float(np.abs(_correlations(a) - _correlations(b))[pairs].mean())

        left_out = [name for name in names if name not in parts]
        notes = (f"left out: {', '.join(left_out)} never change in the real events.",) if left_out else ()
        protocol = {"unit": "Pearson correlation", "columns": len(parts)}
        error = standard_error(mean, x, y, given.seed)
        return Score(self.name, float(gaps[pairs].mean()), self.direction, error, protocol, notes=notes, parts=parts)


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


def _correlations(events: Array) -> Array:
    centered = events - events.mean(axis=0)
    length = np.sqrt((centered**2).sum(axis=0))
    scaled = centered / np.where(length > 0, length, 1.0)
    correlations: Array = scaled.T @ scaled
    return correlations


correlation_difference = CorrelationDifference()


Distance = Callable[[Array, Array], float]


_LEAST = 20
"""Smallest number of events, one for each group of the jackknife."""


def table_pair(given: MetricInput) -> tuple[Array, Array]:
    """Return real events and samples of a table as float64, `(N, C)` and `(M, C)`.

    Raises:
        DataError: there are too few of them, or numbers are not finite.
    """
    assert given.real is not None
    assert given.samples is not None
    real, samples = (np.asarray(events, np.float64) for events in (given.real, given.samples))
    check_events("real events", real, _LEAST)
    check_events("samples", samples, _LEAST)
    return real, samples


class Marginal(Metric):
    """Mean over columns of a distance between real and sampled values; each distance is a part of the score.

    Arguments:
        name: name of the metric.
        kinds: the kinds of columns it applies to.
        of: returns the distance function of a column for its real values, or `None` if the column has none.
        unit: unit of the distance.
        excuse: reason that a column has no distance, for messages.
    """

    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("table",)

    def __init__(
        self,
        name: str,
        kinds: tuple[Kind, ...],
        of: Callable[[Array, Feature], Distance | None],
        unit: str,
        excuse: str,
    ) -> None:
        self.name = name
        self._kinds = kinds
        self._of = of
        self._unit = unit
        self._excuse = excuse

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        columns = [i for i, feature in enumerate(given.data.features) if feature.kind in self._kinds]
        if not columns:
            raise DataError(f"The table has no {' or '.join(self._kinds)} column.")
        real, samples = table_pair(given)
        distances = {i: self._of(real[:, i], given.data.features[i]) for i in columns}
        known = {i: distance for i, distance in distances.items() if distance is not None}
        names = {i: given.data.features[i].name for i in columns}
        left_out = [names[i] for i in columns if i not in known]
        if not known:
            raise DataError(f"There is nothing to measure: {', '.join(left_out)} {self._excuse}.")

        def mean(x: Array, y: Array) -> float:
            return float(np.mean([distance(x[:, i], y[:, i]) for i, distance in known.items()]))

        parts = {names[i]: distance(real[:, i], samples[:, i]) for i, distance in known.items()}
        notes = (f"left out: {', '.join(left_out)} {self._excuse}.",) if left_out else ()
        error = standard_error(mean, real, samples, given.seed)
        value = float(np.mean(list(parts.values())))
        protocol = {"unit": self._unit, "columns": len(known)}
        return Score(self.name, value, self.direction, error, protocol, notes=notes, parts=parts)


def _wasserstein(real: Array, _: Feature) -> Distance | None:
    if not np.ptp(real) > 0:
        return None
    scale = float(real.std())
    return lambda x, y: float(wasserstein_distance(x, y)) / scale


def _total_variation(_: Array, feature: Feature) -> Distance:
    assert feature.levels is not None
    count = len(feature.levels)

    def shares(values: Array) -> Array:
        return np.bincount(values.astype(np.int64), minlength=count) / len(values)

    return lambda x, y: float(np.abs(shares(x) - shares(y)).sum() / 2)


wasserstein = Marginal(
    "wasserstein", ("continuous", "count"), _wasserstein, "standard deviations of the real events", "never change"
)


total_variation = Marginal(
    "total-variation", ("binary", "categorical"), _total_variation, "probability", "have no levels"
)
