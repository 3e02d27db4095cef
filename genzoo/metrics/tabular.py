"""Distances between columns of real and sampled tables, and between their correlations."""

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
    """The mean absolute difference of Pearson correlations over pairs of columns, levels of a category as 0 and 1.

    The part of a column is its mean over pairs with that column. A column that samples never change correlates with
    nothing there. The standard error is too large, if anything, where most pairs hang together alike: it takes no
    account of differences having no sign.
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
    """Columns, levels of categories as columns of their own, and the number of the column that each came from.

    The first level goes without saying.
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
    found: Array = scaled.T @ scaled
    return found


correlation_difference = CorrelationDifference()


Distance = Callable[[Array, Array], float]


_LEAST = 20
"""Events that groups can be left out of."""


def table_pair(given: MetricInput) -> tuple[Array, Array]:
    """Real events and samples of a table as float64, `(N, C)` and `(M, C)`.

    Raises:
        DataError: too few of them, or numbers that are not finite.
    """
    assert given.real is not None
    assert given.samples is not None
    real, samples = (np.asarray(events, np.float64) for events in (given.real, given.samples))
    check_events("real events", real, _LEAST)
    check_events("samples", samples, _LEAST)
    return real, samples


class Marginal(Metric):
    """The mean over columns of some kinds of a distance between real and sampled values; each is a part of the score.

    Arguments:
        kinds: of columns that it is for.
        of: the distance for one column, given its real values; `None` of a column for which there is none.
        unit: what the distance is measured in.
        without: why a column has no distance.
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
        without: str,
    ) -> None:
        self.name = name
        self._kinds = kinds
        self._of = of
        self._unit = unit
        self._without = without

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        columns = [i for i, feature in enumerate(given.data.features) if feature.kind in self._kinds]
        if not columns:
            raise DataError(f"The table has no column that is {' or '.join(self._kinds)}.")
        real, samples = table_pair(given)
        distances = {i: self._of(real[:, i], given.data.features[i]) for i in columns}
        known = {i: distance for i, distance in distances.items() if distance is not None}
        names = {i: given.data.features[i].name for i in columns}
        left_out = [names[i] for i in columns if i not in known]
        if not known:
            raise DataError(f"There is nothing to measure: {', '.join(left_out)} {self._without}.")

        def mean(x: Array, y: Array) -> float:
            return float(np.mean([distance(x[:, i], y[:, i]) for i, distance in known.items()]))

        parts = {names[i]: distance(real[:, i], samples[:, i]) for i, distance in known.items()}
        notes = (f"left out: {', '.join(left_out)} {self._without}.",) if left_out else ()
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
