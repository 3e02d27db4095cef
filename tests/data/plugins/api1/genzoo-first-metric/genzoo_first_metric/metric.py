"""Sliced Wasserstein distance: how far samples lie from real events, seen from random directions.

References:
    "Wasserstein Barycenter and Its Application to Texture Mixing" (Rabin et al., 2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import genzoo

Array = np.ndarray[Any, np.dtype[Any]]

DIRECTIONS = 64
LEVELS = (np.arange(200) + 0.5) / 200
"""The quantiles that are compared in every direction."""


def distance(x: Array, y: Array) -> float:
    """Of rows `x (N, P)` and `y (M, P)` that are seen from P directions: the mean distance of their quantiles."""
    return float(np.abs(np.quantile(x, LEVELS, axis=0) - np.quantile(y, LEVELS, axis=0)).mean())


class SlicedWasserstein(genzoo.Metric):
    """The Wasserstein distance of features along a direction, averaged over directions."""

    name = "first-metric"
    direction = "lower"
    needs = frozenset({"features"})

    def score(self, given: genzoo.Given) -> genzoo.Score:
        real, samples = genzoo.feature_pair(given, least=20)
        drawn = np.random.default_rng(given.seed).normal(size=(real.shape[1], DIRECTIONS))
        directions = drawn / np.linalg.norm(drawn, axis=0)
        x, y = real @ directions, samples @ directions
        error = genzoo.standard_error(distance, x, y, given.seed)
        protocol = {"directions": DIRECTIONS, "levels": len(LEVELS)}
        return genzoo.Score(self.name, distance(x, y), self.direction, error, protocol)


metric = SlicedWasserstein()
