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

from genzoo.metrics.distances import NEAREST_REAL, Neighborhoods
from genzoo.metrics.halves.half_neighborhoods import HalfNeighborhoods
from genzoo.metrics.halves.half_samples import HalfSpread
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair
from genzoo.typing import Array

Values = np.ndarray[Any, np.dtype[Any]]


_PART = 0.3
"""Part of an event by which a share is uncertain beyond its spread over halves; found by simulation."""


_TOGETHER = 4.0
"""Largest number of events whose values are taken to change together."""


class NeighborMetric(Metric):
    """Mean over events of a value that neighborhoods give to each event.

    The standard error comes from half-sampling: neighborhoods overlap, so values of nearby events depend on each other.
    A share of 0 or 1 that no half contradicts has an error by the rule of three.

    Arguments:
        name: name of the metric.
        over: whether the mean is over `real` events or over `samples`.
        per_event: returns the value of each event from the neighborhoods and `k`.
        k: a neighborhood reaches to the `k`-th nearest event. Defaults to 5.

    References:
        "If Nothing Goes Wrong, Is Everything All Right?" (Hanley and Lippman-Hand, 1983), for the rule of three.
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
        # Memorization takes the nearest real events from here, unless it pools only some of them.
        wanted = given.train_features is not None and len(given.train_features) >= len(real)
        near = given.once(
            f"neighborhoods {k}", lambda: Neighborhoods.of(real, samples, k, given.real_weights, nearest=wanted)
        )
        if near.nearest is not None:
            given.shared.setdefault(NEAREST_REAL, near.nearest)
        halves = given.once(
            f"half neighborhoods {k}", lambda: HalfNeighborhoods.of(real, samples, k, weights, given.seed)
        )
        value = self._mean(near, weights)
        count = float(weights.sum()) if self._over == "real" else float(len(samples))
        values = self._per_event(near, k)
        simple = float(values.std()) / math.sqrt(count)
        if halves is None:
            spread = HalfSpread(simple, ())
        else:
            means = np.array([[self._mean(half.near, half.weights) for half in pair] for pair in halves.pairs])
            scale = _scale(value, means, count) if values.dtype == np.bool_ else 1.0
            spread = HalfSpread.of(scale * means[:, 0], scale * means[:, 1], halves.blocks)
        error = spread.error
        if values.dtype == np.bool_:
            error = _error_of_share(value, spread.error, count)
        return Score(self.name, value, self.direction, error, {"k": k}, shared=spread.shared)

    def _mean(self, near: Neighborhoods, weights: Array) -> float:
        values = self._per_event(near, self._k)
        if self._over == "samples" or (weights == weights[0]).all():
            return float(values.mean())
        return float(np.average(values, weights=weights))


def _scale(share: float, halves: Array, count: float) -> float:
    """Return the factor from the standard error of a share with halves to the error with all events.

    The share itself differs with the number of events. What stays is how many events change together, so the variance
    is proportional to `share (1 - share)`. Its root is used, because the share is itself known only up to its error:
    an error that is small wherever the share is close to 1 by chance misses too often.

    Arguments:
        halves: the share in each half, `(S, 2)`.
    """
    least = 0.5 / count
    ratio = (share * (1 - share) + least) / (float((halves * (1 - halves)).mean()) + least)
    return math.sqrt(math.sqrt(min(max(ratio, 0.5), 2.0)))


def _error_of_share(share: float, error: float, count: float) -> float:
    """Return the standard error of a share, which is never 0.

    Arguments:
        error: its standard error by half-sampling.
        count: number of events.
    """
    if error == 0:  # no half differs from another: the rule of three
        return 1.5 / count
    together = float(np.clip(error**2 * count / max(share * (1 - share), 1 / count), 1.0, _TOGETHER))
    return math.hypot(error, _PART * together / count)


precision = NeighborMetric("precision", "samples", lambda near, _: near.holding > 0)


recall = NeighborMetric("recall", "real", lambda near, _: near.reached)


density = NeighborMetric("density", "samples", lambda near, k: near.holding / k)


coverage = NeighborMetric("coverage", "real", lambda near, _: near.covered)
