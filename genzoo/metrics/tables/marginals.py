"""Distances and similarities between the columns of real and sampled tables.

References:
    `KSComplement`, `TVComplement` and "Column Shapes" of the package SDMetrics (MIT Data To AI Lab, 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from genzoo.errors import DataError
from genzoo.metrics.halves.half_samples import HalfSpread, between_halves, half_sample_spread
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score, check_events
from genzoo.spec.events import Feature, Kind
from genzoo.spec.modality import Modality
from genzoo.typing import Array

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


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance, or a similarity, between the values of one column.

    Arguments:
        value: takes real values `(N,)`, their weights or `None`, and samples `(M,)`; returns the distance.
        between: takes real values and others; returns the distance as a function of weights of both, `(N,)` and `(M,)`.
    """

    value: Callable[[Array, Array | None, Array], float]
    between: Callable[[Array, Array], Callable[[Array, Array], float]]


class Marginal(Metric):
    """Mean over columns of a distance between real and sampled values; each distance is a part, the worst first.

    Even between samples of the same distribution it is above 0, so `real_halves` is the value between two halves of
    the real events.

    Arguments:
        name: name of the metric.
        kinds: the kinds of columns it applies to.
        of: returns the distance of a column for its real values and their weights, or `None` if the column has none.
        unit: unit of the distance.
        excuse: reason that a column has no distance, for messages.
        direction: `higher` if it is a similarity. Defaults to `lower`: a distance.
    """

    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("table",)
    weighted = True

    def __init__(
        self,
        name: str,
        kinds: tuple[Kind, ...],
        of: Callable[[Array, Array | None, Feature], Distance | None],
        unit: str,
        excuse: str,
        direction: Direction = "lower",
    ) -> None:
        self.name = name
        self.direction = direction
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
        weights = given.real_weights
        distances = {i: self._of(real[:, i], weights, given.data.features[i]) for i in columns}
        known = {i: distance for i, distance in distances.items() if distance is not None}
        names = {i: given.data.features[i].name for i in columns}
        left_out = [names[i] for i in columns if i not in known]
        if not known:
            raise DataError(f"There is nothing to measure: {', '.join(left_out)} {self._excuse}.")
        parts = {names[i]: distance.value(real[:, i], weights, samples[:, i]) for i, distance in known.items()}
        notes = (f"left out: {', '.join(left_out)} {self._excuse}.",) if left_out else ()
        value = float(np.mean(list(parts.values())))
        protocol = {"unit": self._unit, "columns": len(known)}
        spread, floor = _spread(known, real, samples, given)
        return Score(
            self.name,
            value,
            self.direction,
            spread.error,
            protocol,
            notes=notes,
            parts=worst_first(parts, self.direction),
            real_halves=floor,
            shared=spread.shared,
        )


def worst_first(parts: Mapping[str, float], direction: Direction) -> dict[str, float]:
    """Return the parts of a score in a new order, so that a report that shows only some shows the worst."""
    return dict(sorted(parts.items(), key=lambda part: part[1], reverse=direction == "lower"))


def _spread(known: dict[int, Distance], real: Array, samples: Array, given: MetricInput) -> tuple[HalfSpread, float]:
    """Return the spread of the mean distance of some columns, and the mean distance between halves of real events."""
    apart = [distance.between(real[:, i], samples[:, i]) for i, distance in known.items()]
    among = [distance.between(real[:, i], real[:, i]) for i, distance in known.items()]
    weights = given.weights_of_real
    spread = half_sample_spread(
        lambda u, v: float(np.mean([column(u, v) for column in apart])), weights, len(samples), given.seed
    )
    floor = between_halves(lambda u, v: float(np.mean([column(u, v) for column in among])), weights, given.seed)
    return spread, floor


def _wasserstein(real: Array, weights: Array | None, _: Feature) -> Distance | None:
    if not np.ptp(real) > 0:
        return None
    scale = float(real.std() if weights is None else np.sqrt(np.cov(real, aweights=weights, ddof=0)))

    def value(x: Array, w: Array | None, y: Array) -> float:
        return float(wasserstein_distance(x, y, w)) / scale

    def between(x: Array, y: Array) -> Callable[[Array, Array], float]:
        order = np.concatenate([x, y]).argsort()
        steps = np.diff(np.concatenate([x, y])[order])

        def of(u: Array, v: Array) -> float:
            # The area between the distribution functions; sorting once serves all weights.
            gaps = np.cumsum(np.concatenate([u / u.sum(), -v / v.sum()])[order])[:-1]
            return float(np.abs(gaps) @ steps) / scale

        return of

    return Distance(value, between)


def _total_variation(_: Array, __: Array | None, feature: Feature) -> Distance:
    assert feature.levels is not None
    count = len(feature.levels)

    def shares(values: Array, weights: Array | None = None) -> Array:
        total = len(values) if weights is None else weights.sum()
        return np.bincount(values.astype(np.int64), weights, count) / total

    def between(x: Array, y: Array) -> Callable[[Array, Array], float]:
        return lambda u, v: float(np.abs(shares(x, u) - shares(y, v)).sum() / 2)

    return Distance(lambda x, w, y: float(np.abs(shares(x, w) - shares(y)).sum() / 2), between)


def _kolmogorov(*_: object) -> Distance:
    """Return the Kolmogorov-Smirnov distance: the largest difference of the distribution functions."""

    def between(x: Array, y: Array) -> Callable[[Array, Array], float]:
        both = np.concatenate([x, y])
        order = both.argsort()
        last = np.flatnonzero(np.diff(both[order], append=np.inf) > 0)  # of equal values

        def of(u: Array, v: Array) -> float:
            gaps = np.cumsum(np.concatenate([u / u.sum(), -v / v.sum()])[order])[last]
            return float(np.abs(gaps).max())

        return of

    return Distance(lambda x, w, y: between(x, y)(np.ones(len(x)) if w is None else w, np.ones(len(y))), between)


def _similar_shape(real: Array, weights: Array | None, feature: Feature) -> Distance:
    """Return 1 minus the distance that suits a column: `KSComplement` or `TVComplement` of SDMetrics."""
    own = (_kolmogorov if feature.levels is None else _total_variation)(real, weights, feature)

    def between(x: Array, y: Array) -> Callable[[Array, Array], float]:
        apart = own.between(x, y)
        return lambda u, v: 1 - apart(u, v)

    return Distance(lambda x, w, y: 1 - own.value(x, w, y), between)


wasserstein = Marginal(
    "wasserstein", ("continuous", "count"), _wasserstein, "standard deviations of the real events", "never change"
)


total_variation = Marginal(
    "total-variation", ("binary", "categorical"), _total_variation, "probability", "have no levels"
)


column_shapes = Marginal(
    "column-shapes",
    ("continuous", "count", "binary", "categorical"),
    _similar_shape,
    "1 - Kolmogorov-Smirnov or total variation distance",
    "have no values",
    "higher",
)
