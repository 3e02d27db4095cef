"""Precision, recall, density and coverage of samples, by nearest neighbors.

References:
    "Improved Precision and Recall Metric for Assessing Generative Models" (Kynkäänniemi et al., 2019);
    "Reliable Fidelity and Diversity Metrics for Generative Models" (Naeem et al., 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from genzoo.metrics.distances import Neighborhoods
from genzoo.metrics.half_neighborhoods import HalfNeighborhoods
from genzoo.metrics.half_samples import Spread
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair
from genzoo.typing import Array

Values = np.ndarray[Any, np.dtype[Any]]


_PART = 0.25
"""Part of an event that is added to either kind; found by simulation."""


class NeighborMetric(Metric):
    """Mean over events of a value that neighborhoods give to each event.

    The standard error comes from half-sampling: neighborhoods overlap, so values of nearby events depend on each other.
    A share is treated like a share of fewer, independent events, to which a part of an event of either kind is added.
    A share of 0 or 1 would otherwise have an error of 0.

    Arguments:
        name: name of the metric.
        over: whether the mean is over `real` events or over `samples`.
        per_event: returns the value of each event from the neighborhoods and `k`.
        k: a neighborhood reaches to the `k`-th nearest event. Defaults to 5.

    References:
        "Approximate Is Better than Exact for Interval Estimation of Binomial Proportions" (Agresti and Coull, 1998).
    """

    direction: Direction = "higher"
    weighted = True

    def __init__(
        self,
        name: str,
        over: Literal["real", "samples"],
        per_event: Callable[[Neighborhoods, int], Values],
        k: int = 5,
    ) -> None:
        self.name = name
        self._over = over
        self._per_event = per_event
        self._k = k

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, self._k + 1)
        weights, k = given.weights_of_real, self._k
        near = given.once(f"neighborhoods {k}", lambda: Neighborhoods.of(real, samples, k, given.real_weights))
        halves = given.once(
            f"half neighborhoods {k}", lambda: HalfNeighborhoods.of(real, samples, k, weights, given.seed)
        )
        value = self._mean(near, weights)
        count = float(weights.sum()) if self._over == "real" else float(len(samples))
        values = self._per_event(near, k)
        simple = float(values.std()) / math.sqrt(count)
        if halves is None:
            spread = Spread(simple, ())
        else:
            means = np.array([[self._mean(half.near, half.weights) for half in pair] for pair in halves.pairs])
            spread = Spread.of(means[:, 0], means[:, 1], halves.blocks)
        error = spread.error
        if values.dtype == np.bool_:
            error = _error_of_share(value, spread.error, count)
        return Score(self.name, value, self.direction, error, {"k": k}, shared=spread.shared)

    def _mean(self, near: Neighborhoods, weights: Array) -> float:
        values = self._per_event(near, self._k)
        if self._over == "samples" or (weights == weights[0]).all():
            return float(values.mean())
        return float(np.average(values, weights=weights))


def _error_of_share(share: float, error: float, count: float) -> float:
    """Return the standard error of a share, with a part of an event of either kind added.

    Arguments:
        error: its standard error without these; it says how many independent events the events are worth.
        count: number of events.
    """
    # Half-sampling has seen some spread, unless it is 0. A whole event is added only then, as Agresti and Coull do.
    added = _PART if error > 0 else 1.0
    least = 1 / count**2
    worth = count * (share * (1 - share) / count + least) / (error**2 + least)
    around = (share * worth + added) / (worth + 2 * added)
    return math.sqrt(around * (1 - around) / (worth + 2 * added - 1))


precision = NeighborMetric("precision", "samples", lambda near, _: near.holding > 0)


recall = NeighborMetric("recall", "real", lambda near, _: near.reached)


density = NeighborMetric("density", "samples", lambda near, k: near.holding / k)


coverage = NeighborMetric("coverage", "real", lambda near, _: near.covered)
