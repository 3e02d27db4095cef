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
import torch
from scipy.linalg import svd

from genzoo.features.extractor import Features
from genzoo.metrics.halves.half_samples import FLOORS, between_halves, in_groups
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair
from genzoo.metrics.weighting import same_squares


@dataclass(frozen=True, slots=True)
class _Moments:
    """Mean of features, scaled deviations from it, and a triangular root: `rootᵀ root` is the covariance.

    Arguments:
        mean: `(F,)`.
        deviations: `(N, F)`, scaled so that the covariance is the sum of their products.
        root: `(min(N, F), F)`.
        weights: weights of the events, `(N,)`, with the same sum as their squares.
    """

    mean: Features
    deviations: Features
    root: Features
    weights: Features

    @staticmethod
    def of(features: Features, weights: Features | None = None) -> _Moments:
        if weights is None:
            mean, scale = features.mean(axis=0), math.sqrt(len(features) - 1)
            deviations, w = (features - mean) / scale, np.ones(len(features))
        else:
            w = same_squares(weights)
            mean = np.average(features, axis=0, weights=w)
            deviations = (features - mean) * np.sqrt(w / (w.sum() - 1))[:, None]
        return _Moments(mean, deviations, torch.linalg.qr(torch.from_numpy(deviations), mode="r").R.numpy(), w)

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the covariance."""
        return float(self.weights.sum()) - 1


def frechet_distance(x: Features, y: Features, weights: Features | None = None) -> tuple[float, float]:
    """Return the distance of `x (N, F)` and `y (M, F)`, at least 2 events each, and its standard error.

    The standard error comes from the infinitesimal jackknife: from the derivative of the distance with respect to the
    weight of each event.

    Arguments:
        weights: weights of `x`, `(N,)`. Defaults to `None`: equal weights.
    """
    value, mine, theirs = _compared(x, y, weights)
    return value, math.sqrt(float(mine @ mine) + float(theirs @ theirs))


def _compared(x: Features, y: Features, weights: Features | None) -> tuple[float, Features, Features]:
    """Return the distance, and what each event of `x` and of `y` adds to it by chance, `(N,)` and `(M,)`.

    The variance is the sum of the squares of these parts.
    """
    a, b = _Moments.of(x, weights), _Moments.of(y)
    left, singular, right = _decomposed(a.root @ b.root.T)
    gap = a.mean - b.mean
    traces = (a.deviations**2).sum() + (b.deviations**2).sum()
    value = float(gap @ gap + traces - 2 * singular.sum())
    kept = singular > singular[0] * 1e-12  # the slopes divide by them, and the rest is rounding error
    mine = _chance(a, gap, b.root.T @ right.T[:, kept], singular[kept])
    theirs = _chance(b, -gap, a.root.T @ left[:, kept], singular[kept])
    return max(value, 0.0), mine, theirs


def _decomposed(product: Features) -> tuple[Features, Features, Features]:
    """Return the singular vectors and values of a matrix; LAPACK's fast routine fails for a few singular ones."""
    try:
        left, singular, right = np.linalg.svd(product, full_matrices=False)
    except np.linalg.LinAlgError:
        left, singular, right = svd(product, full_matrices=False, lapack_driver="gesvd")
    return left, singular, right


def _singular_values(product: Features) -> Features:
    """Return the singular values of a matrix, without the vectors, which take most of the time."""
    try:
        return np.asarray(np.linalg.svd(product, compute_uv=False), np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(svd(product, compute_uv=False, lapack_driver="gesvd"), np.float64)


def _chance(own: _Moments, gap: Features, directions: Features, singular: Features) -> Features:
    """Return what each event of one of the two sets adds by chance, `(N,)`.

    Arguments:
        own: moments of this set.
        gap: mean of this set minus the mean of the other.
        directions: root of the other covariance, rotated to the singular vectors. The deviations projected on column
            `i` have the length of singular value `i`.
        singular: the singular values.
    """
    w = own.weights
    slope = 2 * own.deviations @ gap * np.sqrt(w * own.degrees) / w.sum() + (own.deviations**2).sum(axis=1)
    slope -= ((own.deviations @ directions) ** 2) @ (1 / singular)
    part: Features = (slope - slope.sum() * w / w.sum()) * math.sqrt(1 + 1 / own.degrees)
    return part


class FrechetDistance(Metric):
    """Fréchet distance of features; with features of Inception-v3 it is known as FID.

    Arguments:
        name, extractor: as for `Metric`.
    """

    direction: Direction = "lower"
    weighted = True

    def __init__(self, name: str, extractor: str | None = None) -> None:
        self.name, self.extractor = name, extractor

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, 2)
        value, mine, theirs = given.once("frechet", lambda: _compared(real, samples, given.real_weights))
        error = math.sqrt(float(mine @ mine) + float(theirs @ theirs))
        width = real.shape[1]
        notes: tuple[str, ...] = ()
        if min(len(real), len(samples)) <= width:
            notes = (
                f"{len(real)} real events and {len(samples)} samples do not fill {width} dimensions: their covariances "
                f"are singular and the distance is biased upwards. Compare it only with distances of the same numbers.",
            )
        return Score(
            self.name,
            value,
            self.direction,
            error,
            {"dimension": width},
            notes=notes,
            real_halves=given.once("frechet halves", lambda: _between_halves(real, given.real_weights, given.seed)),
            shared=in_groups(mine, given.seed),
        )


def _between_halves(real: Features, weights: Features | None, seed: int) -> float | None:
    """Return the mean distance of one half of the real events from the other; `None` if there are too few.

    One split is enough if there are many features, and saves time.
    """
    if len(real) < 4:
        return None
    w = np.ones(len(real)) if weights is None else weights

    def distance(u: Features, v: Features) -> float:
        a, b = (_Moments.of(real[part > 0], None if weights is None else part[part > 0]) for part in (u, v))
        gap = a.mean - b.mean
        traces = (a.deviations**2).sum() + (b.deviations**2).sum()
        nuclear = _singular_values(a.root @ b.root.T).sum()
        return max(float(gap @ gap + traces - 2 * nuclear), 0.0)

    return between_halves(distance, w, seed, FLOORS if real.shape[1] <= _NARROW else 1)


_NARROW = 64
"""Number of features up to which several splits of the real events are compared."""


frechet = FrechetDistance("frechet-distance")

fid = FrechetDistance("fid", "inception")
