"""Fréchet distance: the squared 2-Wasserstein distance of Gaussians with the moments of the features.

The distance is `|μ − ν|² + tr S + tr T − 2 tr (S T)^½`. The last trace is the nuclear norm of `A Bᵀ` for any `A` and
`B` with `AᵀA = S` and `BᵀB = T`. Here `A` and `B` are the triangular factors of the centered features. No matrix
square root is taken, so the distance stays accurate with few events or linearly dependent features.

References:
    "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium" (Heusel et al., 2017);
    "Limit laws of the empirical Wasserstein distance: Gaussian distributions" (Rippl et al., 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from genzoo.features.extractor import Features
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair


@dataclass(frozen=True, slots=True)
class _Moments:
    """Mean of features, scaled deviations from it, and a triangular root: `rootᵀ root` is the covariance."""

    mean: Features
    deviations: Features
    root: Features

    @staticmethod
    def of(features: Features) -> _Moments:
        mean = features.mean(axis=0)
        deviations = (features - mean) / math.sqrt(len(features) - 1)
        return _Moments(mean, deviations, np.asarray(np.linalg.qr(deviations, mode="r")))


def frechet_distance(x: Features, y: Features) -> tuple[float, float]:
    """Return the distance of `x (N, F)` and `y (M, F)`, at least 2 events each, and its standard error.

    The standard error comes from the infinitesimal jackknife: from the derivative of the distance with respect to the
    weight of each event.
    """
    a, b = _Moments.of(x), _Moments.of(y)
    left, singular, right = np.linalg.svd(a.root @ b.root.T, full_matrices=False)
    gap = a.mean - b.mean
    traces = (a.deviations**2).sum() + (b.deviations**2).sum()
    value = float(gap @ gap + traces - 2 * singular.sum())
    kept = singular > singular[0] * 1e-12  # the slopes divide by them, and the rest is rounding error
    variance = _variance(a, gap, b.root.T @ right.T[:, kept], singular[kept])
    variance += _variance(b, -gap, a.root.T @ left[:, kept], singular[kept])
    return max(value, 0.0), math.sqrt(variance)


def _variance(own: _Moments, gap: Features, directions: Features, singular: Features) -> float:
    """Return the part of the variance that comes from one of the two sets of events.

    Arguments:
        own: moments of this set.
        gap: mean of this set minus the mean of the other.
        directions: root of the other covariance, rotated to the singular vectors. The deviations projected on column
            `i` have the length of singular value `i`.
        singular: the singular values.
    """
    n = len(own.deviations)
    slope = 2 * own.deviations @ gap * math.sqrt(n - 1) / n + (own.deviations**2).sum(axis=1)
    slope -= ((own.deviations @ directions) ** 2) @ (1 / singular)
    return float(slope.var(ddof=1)) * n


class FrechetDistance(Metric):
    """Fréchet distance of features; with features of Inception-v3 it is known as FID."""

    name = "frechet-distance"
    direction: Direction = "lower"

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, 2)
        value, error = frechet_distance(real, samples)
        width = real.shape[1]
        notes: tuple[str, ...] = ()
        if min(len(real), len(samples)) <= width:
            notes = (
                f"{len(real)} real events and {len(samples)} samples do not fill {width} dimensions: their covariances "
                f"are singular and the distance is biased upwards. Compare it only with distances of the same numbers.",
            )
        return Score(self.name, value, self.direction, error, {"dimension": width}, notes=notes)


frechet = FrechetDistance()
