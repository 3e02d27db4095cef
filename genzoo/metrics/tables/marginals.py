"""Distances and similarities between the columns of real and sampled tables.

References:
    `KSComplement`, `TVComplement` and "Column Shapes" of the package SDMetrics (MIT Data To AI Lab, 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from genzoo.errors import DataError
from genzoo.metrics.halves.half_samples import between_halves
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score, check_events
from genzoo.metrics.tables.multipliers import Gaps, spread_of_mean
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


Distance = Callable[[Array, Array], Gaps]
"""A distance between the values of one column: takes real values `(N,)` and others `(M,)`."""


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
        direction: `higher` for the similarity, 1 minus the distance. Defaults to `lower`: the distance.
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
        weights, drawn = given.weights_of_real, np.ones(len(samples))
        distances = {i: self._of(real[:, i], given.real_weights, given.data.features[i]) for i in columns}
        known = {i: distance for i, distance in distances.items() if distance is not None}
        names = {i: given.data.features[i].name for i in columns}
        left_out = [names[i] for i in columns if i not in known]
        if not known:
            raise DataError(f"There is nothing to measure: {', '.join(left_out)} {self._excuse}.")
        apart = {i: distance(real[:, i], samples[:, i]) for i, distance in known.items()}
        among = [distance(real[:, i], real[:, i]) for i, distance in known.items()]
        parts = {names[i]: self._value(distance(weights, drawn)) for i, distance in apart.items()}
        notes = (f"left out: {', '.join(left_out)} {self._excuse}.",) if left_out else ()
        spread = spread_of_mean(list(apart.values()), weights, drawn, given.seed)
        floor = between_halves(lambda u, v: float(np.mean([one(u, v) for one in among])), weights, given.seed)
        return Score(
            self.name,
            float(np.mean(list(parts.values()))),
            self.direction,
            spread.error,
            {"unit": self._unit, "columns": len(known)},
            notes=notes,
            parts=worst_first(parts, self.direction),
            real_halves=self._value(floor),
            shared=spread.shared,
        )

    def _value(self, distance: float) -> float:
        return 1 - distance if self.direction == "higher" else distance


def worst_first(parts: Mapping[str, float], direction: Direction) -> dict[str, float]:
    """Return the parts of a score in a new order, so that a report that shows only some shows the worst."""
    return dict(sorted(parts.items(), key=lambda part: part[1], reverse=direction == "lower"))


def _wasserstein(real: Array, weights: Array | None, _: Feature) -> Distance | None:
    if not np.ptp(real) > 0:
        return None
    scale = float(real.std() if weights is None else np.sqrt(np.cov(real, aweights=weights, ddof=0)))
    return lambda x, y: area_between(x / scale, y / scale)


def area_between(x: Array, y: Array) -> Gaps:
    """Return the Wasserstein distance of order 1 of numbers `(N,)` and `(M,)`: the area between the distributions."""
    values, gaps = _distribution_gaps(x, y)
    steps = np.diff(values, append=values[-1])
    return Gaps(gaps, lambda found: float(np.abs(found) @ steps))


def _kolmogorov(*_: object) -> Distance:
    """Return the Kolmogorov-Smirnov distance: the largest difference of the distribution functions."""
    return lambda x, y: Gaps(_distribution_gaps(x, y)[1], lambda found: float(np.abs(found).max()))


def _distribution_gaps(x: Array, y: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Return the values that occur, `(G,)`, and a function: the sums of shares up to each value, `(G,)`.

    Sorting once serves all weights.
    """
    both = np.concatenate([x, y])
    order = both.argsort()
    last = np.flatnonzero(np.diff(both[order], append=np.inf) > 0)  # of equal values
    return both[order][last], lambda shares: np.cumsum(shares[order])[last]


def _total_variation(_: Array, __: Array | None, feature: Feature) -> Distance:
    assert feature.levels is not None
    count = len(feature.levels)

    def between(x: Array, y: Array) -> Gaps:
        codes = np.concatenate([x, y]).astype(np.int64)
        return Gaps(lambda shares: np.bincount(codes, shares, count), lambda found: float(np.abs(found).sum() / 2))

    return between


def _shape(real: Array, weights: Array | None, feature: Feature) -> Distance | None:
    """Return the distance that suits a column: 1 minus `KSComplement` or `TVComplement` of SDMetrics."""
    return (_kolmogorov if feature.levels is None else _total_variation)(real, weights, feature)


wasserstein = Marginal(
    "wasserstein", ("continuous", "count"), _wasserstein, "standard deviations of the real events", "never change"
)


total_variation = Marginal(
    "total-variation", ("binary", "categorical"), _total_variation, "probability", "have no levels"
)


column_shapes = Marginal(
    "column-shapes",
    ("continuous", "count", "binary", "categorical"),
    _shape,
    "1 - Kolmogorov-Smirnov or total variation distance",
    "have no values",
    "higher",
)
