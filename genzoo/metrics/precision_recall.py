"""Precision, recall, density and coverage of samples, by nearest neighbors.

References:
    "Improved Precision and Recall Metric for Assessing Generative Models" (Kynkäänniemi et al., 2019);
    "Reliable Fidelity and Diversity Metrics for Generative Models" (Naeem et al., 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from genzoo.metrics.distances import Neighborhoods
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair

Values = np.ndarray[Any, np.dtype[Any]]


class NeighborMetric(Metric):
    """Mean over events of a value that neighborhoods give to each event.

    The standard error assumes independent events and fixed neighborhoods. For a share, one event of either kind is
    added, because a share of 0 or 1 would otherwise have an error of 0.

    Arguments:
        name: name of the metric.
        per_event: returns the value of each event from the neighborhoods and `k`.
        k: a neighborhood reaches to the `k`-th nearest event. Defaults to 5.

    References:
        "Approximate Is Better than Exact for Interval Estimation of Binomial Proportions" (Agresti and Coull, 1998).
    """

    direction: Direction = "higher"

    def __init__(self, name: str, per_event: Callable[[Neighborhoods, int], Values], k: int = 5) -> None:
        self.name = name
        self._per_event = per_event
        self._k = k

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, self._k + 1)
        neighborhoods = given.once(f"neighborhoods {self._k}", lambda: Neighborhoods.of(real, samples, self._k))
        values = self._per_event(neighborhoods, self._k)
        counted = np.append(values, [True, False]) if values.dtype == np.bool_ else values
        error = float(counted.std(ddof=1) / np.sqrt(len(counted)))
        return Score(self.name, float(values.mean()), self.direction, error, {"k": self._k})


precision = NeighborMetric("precision", lambda near, _: near.holding > 0)


recall = NeighborMetric("recall", lambda near, _: near.reached)


density = NeighborMetric("density", lambda near, k: near.holding / k)


coverage = NeighborMetric("coverage", lambda near, _: near.covered)
