"""Maximum mean discrepancy (MMD) of features, with a cubic and a Gaussian kernel.

References:
    "A Kernel Two-Sample Test" (Gretton et al., 2012);
    "Demystifying MMD GANs" (Bińkowski et al., 2018), for the cubic kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair

Kernel = Callable[[Tensor, Tensor], Tensor]
"""Takes `x (N, F)` and `y (M, F)`, and returns `(N, M)`."""


_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of a kernel over pairs: one for each row, one for each column, and one of the squares of all pairs."""

    rows: Tensor
    columns: Tensor
    squares: float


def _within(kernel: Kernel, x: Tensor) -> _Sums:
    """Return the sums over pairs of different events; each pair is computed once."""
    rows = torch.zeros(len(x), dtype=x.dtype)
    squares = 0.0
    for i in range(0, len(x), _BLOCK):
        for j in range(i, len(x), _BLOCK):
            block = kernel(x[i : i + _BLOCK], x[j : j + _BLOCK])
            if i == j:
                block.fill_diagonal_(0.0)
            else:
                rows[j : j + _BLOCK] += block.sum(dim=0)
            rows[i : i + _BLOCK] += block.sum(dim=1)
            squares += (1 if i == j else 2) * float(torch.linalg.vector_norm(block)) ** 2
    return _Sums(rows, rows, squares)


def _between(kernel: Kernel, x: Tensor, y: Tensor) -> _Sums:
    rows, columns = torch.zeros(len(x), dtype=x.dtype), torch.zeros(len(y), dtype=x.dtype)
    squares = 0.0
    for i in range(0, len(x), _BLOCK):
        for j in range(0, len(y), _BLOCK):
            block = kernel(x[i : i + _BLOCK], y[j : j + _BLOCK])
            rows[i : i + _BLOCK] += block.sum(dim=1)
            columns[j : j + _BLOCK] += block.sum(dim=0)
            squares += float(torch.linalg.vector_norm(block)) ** 2
    return _Sums(rows, columns, squares)


def mmd_squared(kernel: Kernel, x: Features, y: Features) -> tuple[float, float]:
    """Return the unbiased squared discrepancy of `x (N, F)` and `y (M, F)`, and its standard error.

    It estimates `E k(x, x') + E k(y, y') - 2 E k(x, y)` for independent `x`, `x'`, `y` and `y'`. Pairs of an event with
    itself are left out, because they would make the estimate too large, by more the fewer events there are. In
    exchange, it can be negative. Both need at least 2 events.
    """
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    n, m = len(a), len(b)
    own, theirs, cross = _within(kernel, a), _within(kernel, b), _between(kernel, a, b)
    means = own.rows / (n - 1), theirs.rows / (m - 1), cross.rows / m, cross.columns / n
    value = float(means[0].mean() + means[1].mean() - 2 * means[2].mean())
    # The variance is the sum of two parts: of single events, whose mean kernels differ from event to event, and of
    # pairs, in which the kernel differs from the sum of its two events' means (Hoeffding's decomposition, 1948).
    each = 4 * float((means[0] - means[2]).var()) / n + 4 * float((means[1] - means[3]).var()) / m
    pairs = (
        2 * _residual(own, means[0], means[0], n * (n - 1)) / (n * (n - 1))
        + 2 * _residual(theirs, means[1], means[1], m * (m - 1)) / (m * (m - 1))
        + 4 * _residual(cross, means[2], means[3], n * m) / (n * m)
    )
    # An event's mean kernel is itself estimated from pairs, so `each` contains the part of pairs twice, and the
    # variance contains it once. The difference is unbiased, but may be tiny or negative by chance. The variance is
    # therefore kept at half the part of pairs or more.
    return value, math.sqrt(max(each - pairs, pairs / 2))


def _residual(sums: _Sums, rows: Tensor, columns: Tensor, count: int) -> float:
    """Return the mean square of the kernel after its row means and column means are subtracted."""
    mean = float(rows.mean())
    residual = sums.squares / count - float(rows.square().mean()) - float(columns.square().mean()) + mean**2
    return max(residual, 0.0)


_LEAST = 4


_FOR_MEDIAN = 1_000
"""Largest number of real events whose distances set the bandwidth."""


class KernelDistance(Metric):
    """Unbiased squared MMD with the polynomial kernel `(x·y / F + 1)³`."""

    name = "kernel-distance"
    direction: Direction = "lower"

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, _LEAST)
        value, error = mmd_squared(_polynomial, real, samples)
        return Score(self.name, value, self.direction, error, {"kernel": "(x·y/F + 1)³, unbiased"})


class MaximumMeanDiscrepancy(Metric):
    """Unbiased squared MMD with a Gaussian kernel; its bandwidth is the median distance of real events."""

    name = "mmd"
    direction: Direction = "lower"

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, _LEAST)
        bandwidth = median_distance(real)
        center = real.mean(axis=0)
        value, error = mmd_squared(_gaussian, (real - center) / bandwidth, (samples - center) / bandwidth)
        protocol = {"kernel": "Gaussian, unbiased", "bandwidth": bandwidth, "bandwidth_rule": "median distance"}
        return Score(self.name, value, self.direction, error, protocol)


def _polynomial(x: Tensor, y: Tensor) -> Tensor:
    inner = torch.addmm(torch.ones(len(y), dtype=y.dtype), x, y.T, alpha=1 / x.shape[1])
    return inner.square().mul_(inner)


def _gaussian(x: Tensor, y: Tensor) -> Tensor:
    """Return the Gaussian kernel of events in units of the bandwidth."""
    own, theirs = x.square().sum(dim=1, keepdim=True) / 2, y.square().sum(dim=1) / 2
    return torch.addmm(-theirs, x, y.T).sub_(own).clamp_(max=0).exp_()


def median_distance(real: Features) -> float:
    """Return the median distance of pairs of real events; of many events, evenly spaced ones are used.

    Raises:
        DataError: the median is 0.
    """
    chosen = real[np.linspace(0, len(real) - 1, min(len(real), _FOR_MEDIAN)).astype(np.int64)]
    median = float(np.median(pdist(chosen)))
    if not median > 0:
        raise DataError("Most real events have the same features, so there is no distance to scale a kernel by.")
    return median


kernel_distance = KernelDistance()


mmd = MaximumMeanDiscrepancy()
