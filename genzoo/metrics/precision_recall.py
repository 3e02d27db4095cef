"""Precision, recall, density and coverage of samples, by nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from genzoo.metrics.distances import Neighborhoods
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair

Values = np.ndarray[Any, np.dtype[Any]]


class NeighborMetric(Metric):
    """The mean over events of what `per_event` says of each.

    Its standard error is that of independent events, the neighbourhoods taken as given. That of a share is taken as if
    one event more had been of either kind (Agresti and Coull, 1998), or all or none of them would leave no doubt.

    Arguments:
        k: which neighbour bounds a neighbourhood.
    """

    direction: Direction = "higher"

    def __init__(self, name: str, per_event: Callable[[Neighborhoods, int], Values], k: int = 5) -> None:
        self.name = name
        self._per_event = per_event
        self._k = k

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, self._k + 1)
        found = given.once(f"neighbourhoods {self._k}", lambda: Neighborhoods.of(real, samples, self._k))
        values = self._per_event(found, self._k)
        counted = np.append(values, [True, False]) if values.dtype == np.bool_ else values
        error = float(counted.std(ddof=1) / np.sqrt(len(counted)))
        return Score(self.name, float(values.mean()), self.direction, error, {"k": self._k})


precision = NeighborMetric("precision", lambda found, _: found.holding > 0)


recall = NeighborMetric("recall", lambda found, _: found.reached)


density = NeighborMetric("density", lambda found, k: found.holding / k)


coverage = NeighborMetric("coverage", lambda found, _: found.covered)
