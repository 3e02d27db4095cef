"""Fréchet distance: the 2-Wasserstein distance, squared, of Gaussians with the moments of features.

`|μ − ν|² + tr S + tr T − 2 tr (S T)^½`, where the last trace is the nuclear norm of `A Bᵀ` for any `A` and `B` with
`AᵀA = S` and `BᵀB = T`: of the centred features themselves, reduced by a QR decomposition. No covariance is squared or
rooted, so few events and features that depend on one another cost no digits.

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
    """The mean of features, their deviations from it, and a triangular root: `rootᵀ root` is the covariance."""

    mean: Features
    deviations: Features
    root: Features

    @staticmethod
    def of(features: Features) -> _Moments:
        mean = features.mean(axis=0)
        deviations = (features - mean) / math.sqrt(len(features) - 1)
        return _Moments(mean, deviations, np.asarray(np.linalg.qr(deviations, mode="r")))


def frechet_distance(x: Features, y: Features) -> tuple[float, float]:
    """The distance of `x (N, F)` and `y (M, F)`, at least 2 events each, and its standard error.

    The error is that of the infinitesimal jackknife: how the distance changes with the weight of each event.
    """
    a, b = _Moments.of(x), _Moments.of(y)
    left, singular, right = np.linalg.svd(a.root @ b.root.T, full_matrices=False)
    gap = a.mean - b.mean
    traces = (a.deviations**2).sum() + (b.deviations**2).sum()
    value = float(gap @ gap + traces - 2 * singular.sum())
    kept = singular > singular[0] * 1e-12  # what is left out of the slopes is less than these are
    variance = _variance(a, gap, b.root.T @ right.T[:, kept], singular[kept])
    variance += _variance(b, -gap, a.root.T @ left[:, kept], singular[kept])
    return max(value, 0.0), math.sqrt(variance)


def _variance(own: _Moments, gap: Features, directions: Features, singular: Features) -> float:
    """The part of the variance that comes from one kind of events.

    Arguments:
        directions: root of the others' covariance, turned to its singular vectors; on it the deviations have
            the length of a singular value.
    """
    n = len(own.deviations)
    slope = 2 * own.deviations @ gap * math.sqrt(n - 1) / n + (own.deviations**2).sum(axis=1)
    slope -= ((own.deviations @ directions) ** 2) @ (1 / singular)
    return float(slope.var(ddof=1)) * n


class FrechetDistance(Metric):
    """Of whatever features are asked for; it is called FID with those of Inception-v3 alone."""

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
                f"are singular and the distance is biased upwards; hold it against others of the same numbers only.",
            )
        return Score(self.name, value, self.direction, error, {"dimension": width}, notes=notes)


frechet = FrechetDistance()
