"""Precision, recall, density and coverage: how samples and real events lie in each other's neighbourhoods.

The neighbourhood of an event is the ball to its k-th nearest neighbour among its own kind, itself left out.

References:
    "Improved Precision and Recall Metric for Assessing Generative Models" (Kynkäänniemi et al., 2019);
    "Reliable Fidelity and Diversity Metrics for Generative Models" (Naeem et al., 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from genzoo.features.extractor import Features
from genzoo.metrics.metric import Direction, Given, Metric, Score, feature_pair

Flags = np.ndarray[Any, np.dtype[np.float64]]

_BLOCK = 1024


def _distances(a: Features, b: Features) -> Iterator[tuple[int, Features]]:
    """Euclidean distances of `a (N, F)` to all of `b (M, F)`, block of rows by block of rows."""
    centre = b.mean(axis=0)  # a large common offset would cancel badly below
    a, b = a - centre, b - centre
    squares = (b * b).sum(axis=1)
    for start in range(0, len(a), _BLOCK):
        rows = a[start : start + _BLOCK]
        squared = (rows * rows).sum(axis=1)[:, None] + squares - 2 * rows @ b.T
        yield start, np.sqrt(np.maximum(squared, 0.0))


def radii(events: Features, k: int) -> Features:
    """Distance of each of `events (N, F)` to its `k`-th nearest other event, `(N,)`."""
    found = np.empty(len(events))
    for start, distance in _distances(events, events):
        own = np.arange(len(distance))
        distance[own, start + own] = np.inf
        found[start : start + len(distance)] = np.partition(distance, k - 1, axis=1)[:, k - 1]
    return found


def _precision(real: Features, samples: Features, k: int) -> Flags:
    reach = radii(real, k)
    return np.concatenate([(d <= reach).any(axis=1) for _, d in _distances(samples, real)]).astype(np.float64)


def _recall(real: Features, samples: Features, k: int) -> Flags:
    return _precision(samples, real, k)


def _density(real: Features, samples: Features, k: int) -> Flags:
    reach = radii(real, k)
    return np.concatenate([(d <= reach).sum(axis=1) / k for _, d in _distances(samples, real)])


def _coverage(real: Features, samples: Features, k: int) -> Flags:
    nearest = np.concatenate([d.min(axis=1) for _, d in _distances(real, samples)])
    return (nearest <= radii(real, k)).astype(np.float64)


class NeighbourMetric(Metric):
    """The mean over events of what `per_event` says of each.

    Arguments:
        k: which neighbour bounds a neighbourhood.
    """

    direction: Direction = "higher"

    def __init__(self, name: str, per_event: Callable[[Features, Features, int], Flags], k: int = 5) -> None:
        self.name = name
        self._per_event = per_event
        self._k = k

    def score(self, given: Given) -> Score:
        real, samples = feature_pair(given, self._k + 1)
        values = self._per_event(real, samples, self._k)
        error = float(values.std(ddof=1) / np.sqrt(len(values)))
        return Score(self.name, float(values.mean()), self.direction, error, {"k": self._k})


precision = NeighbourMetric("precision", _precision)
recall = NeighbourMetric("recall", _recall)
density = NeighbourMetric("density", _density)
coverage = NeighbourMetric("coverage", _coverage)
