"""Maximum mean discrepancy (MMD) of features, with a cubic and a Gaussian kernel.

References:
    "A Kernel Two-Sample Test" (Gretton et al., 2012);
    "Demystifying MMD GANs" (Bińkowski et al., 2018), for the cubic kernel.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.metrics.halves.half_samples import in_groups
from genzoo.metrics.metric import Direction, Metric, MetricInput, Score, feature_pair
from genzoo.metrics.weighting import same_squares

_BLOCK = 512
"""Number of events whose kernels with as many others are computed at a time; they stay in the cache of a core."""


_NARROW = 64
"""Number of features up to which kernels are computed in float64, which is fast enough there."""

_TINY = 1e-16
"""Smallest squared norm of the longest event for kernels in float32, and `_HUGE` is the largest kernel for them.

Rounding then changes each kernel by about 1e-7 of what events differ by, to either side. The mean over pairs changes by
less than a thousandth of its standard error.
"""

_HUGE = 1e14

_FAR = 1e3
"""Largest squared norm, in squared bandwidths, for a Gaussian kernel in float32."""


@dataclass(frozen=True, slots=True)
class _Events:
    """Events minus the mean of the real ones, with what kernels need of each.

    Arguments:
        centered: `(N, F)`.
        along: inner product of each with that mean, `(N,)`.
        square: squared norm of each centered event, `(N,)`.
        level: 1 plus the mean's squared norm divided by F.
    """

    centered: Tensor
    along: Tensor
    square: Tensor
    level: float

    @staticmethod
    def of(events: Features, center: Features) -> _Events:
        """Return `events (N, F)` minus `center (F,)`."""
        centered, mean = torch.from_numpy(events - center), torch.from_numpy(center)
        return _Events(centered, centered @ mean, centered.square().sum(1), 1 + float(mean @ mean) / len(center))

    def single(self) -> _Events:
        """Return the same in float32."""
        return _Events(self.centered.float(), self.along.float(), self.square.float(), self.level)

    def __len__(self) -> int:
        return len(self.centered)

    def block(self, start: int) -> _Events:
        """Return `_BLOCK` events from `start` on."""
        part = slice(start, start + _BLOCK)
        return _Events(self.centered[part], self.along[part], self.square[part], self.level)


def _pair(
    real: Features, samples: Features, bandwidth: float | None = None, *, weighted: bool = False
) -> tuple[_Events, _Events]:
    """Return `real (N, F)` and `samples (M, F)` minus the mean of `real`, in float32 if that is accurate enough.

    Arguments:
        bandwidth: bandwidth of a Gaussian kernel that is computed, too. Defaults to `None`: there is none.
        weighted: keep float64, in which weighted sums are computed. Defaults to false.
    """
    center = real.mean(axis=0)
    x, y = _Events.of(real, center), _Events.of(samples, center)
    square = max(float(events.square.max()) for events in (x, y))
    along = max(float(events.along.abs().max()) for events in (x, y))
    width = real.shape[1]
    kernel = (x.level + (square + 2 * along) / width) ** 3
    # A tight cluster far from the mean: squared distances within it are small differences of large squared norms.
    close = bandwidth is not None and square > _FAR * bandwidth**2
    if weighted or width <= _NARROW or square < _TINY or close or not kernel < _HUGE:
        return x, y
    return x.single(), y.single()


Kernel = Callable[[Tensor, _Events, _Events], Tensor]
"""Takes the inner products of centered events, `(N, M)`, which it does not change, and both; returns `(N, M)`.

A constant may be subtracted from a kernel, because it cancels in the discrepancy.
"""


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums of a kernel over pairs: one for each row, one for each column, and one of the squares of all pairs."""

    rows: Tensor
    columns: Tensor
    squares: float


def _zeros(events: _Events) -> Tensor:
    return torch.zeros(len(events), dtype=torch.float64)


def _within(kernels: Sequence[Kernel], x: _Events) -> list[_Sums]:
    """Return the sums of each kernel over pairs of different events; each pair is computed once."""
    rows, squares = [_zeros(x) for _ in kernels], [0.0] * len(kernels)
    for i, j in itertools.combinations_with_replacement(range(0, len(x), _BLOCK), 2):
        mine, theirs = x.block(i), x.block(j)
        inner = mine.centered @ theirs.centered.T
        for number, kernel in enumerate(kernels):
            block = kernel(inner, mine, theirs)
            if i == j:
                block.fill_diagonal_(0.0)
            else:
                rows[number][j : j + _BLOCK] += block.sum(dim=0)
            rows[number][i : i + _BLOCK] += block.sum(dim=1)
            squares[number] += (1 if i == j else 2) * float(torch.linalg.vector_norm(block)) ** 2
    return [_Sums(own, own, square) for own, square in zip(rows, squares, strict=True)]


def _between(kernels: Sequence[Kernel], x: _Events, y: _Events) -> list[_Sums]:
    rows, columns = ([_zeros(events) for _ in kernels] for events in (x, y))
    squares = [0.0] * len(kernels)
    for i, j in itertools.product(range(0, len(x), _BLOCK), range(0, len(y), _BLOCK)):
        mine, theirs = x.block(i), y.block(j)
        inner = mine.centered @ theirs.centered.T
        for number, kernel in enumerate(kernels):
            block = kernel(inner, mine, theirs)
            rows[number][i : i + _BLOCK] += block.sum(dim=1)
            columns[number][j : j + _BLOCK] += block.sum(dim=0)
            squares[number] += float(torch.linalg.vector_norm(block)) ** 2
    return [_Sums(*sums) for sums in zip(rows, columns, squares, strict=True)]


def _compared(own: _Sums, theirs: _Sums, cross: _Sums) -> tuple[float, float, Features]:
    """Return the unbiased squared discrepancy, its standard error, and what each real event adds by chance, `(N,)`.

    It estimates `E k(x, x') + E k(y, y') - 2 E k(x, y)` for independent `x`, `x'`, `y` and `y'`. Pairs of an event with
    itself are left out, because they would make the estimate too large, by more the fewer events there are. In
    exchange, it can be negative. Both need at least 2 events.

    Arguments:
        own, theirs, cross: sums over pairs of real events, pairs of samples, and pairs of both.
    """
    n, m = len(own.rows), len(theirs.rows)
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
    variance = max(each - pairs, pairs / 2)
    return value, math.sqrt(variance), _chance((means[0] - means[2]).numpy(), np.ones(n), each, variance)


def _chance(means: Features, weights: Features, each: float, variance: float) -> Features:
    """Return what each real event adds to the discrepancy by chance, `(N,)`.

    Arguments:
        means: the event's mean kernel with real events minus with samples.
        weights: weights of the events, `(N,)`.
        each, variance: the variance with pairs counted twice, and the variance; parts shrink in the same ratio.
    """
    total = float(weights.sum())
    parts: Features = 2 * weights / math.sqrt(total * (total - 1)) * (means - np.average(means, weights=weights))
    return parts * math.sqrt(variance / each) if each > 0 else parts


def _weighted(kernel: Kernel, a: _Events, b: _Events, weights: Features) -> tuple[float, float, Features]:
    """Return the same as `_compared` for weighted events; sums over events become weighted sums.

    The part of pairs in the variance is as for the effective number of equally weighted events.
    """
    w = torch.from_numpy(same_squares(weights))
    one = torch.ones(len(b), dtype=torch.float64)
    own, theirs, cross = _moments(kernel, a, a, w, w), _moments(kernel, b, b, one, one), _moments(kernel, a, b, w, one)
    n, m = float(w.sum()), float(len(b))
    inside = float((w * own.rows).sum() / ((w * (n - w)).sum()))
    value = inside + float(theirs.rows.sum() / (m * (m - 1)) - 2 * (w * cross.rows).sum() / (n * m))
    first = (own.rows / (n - w) - cross.rows / m).numpy()
    second = (theirs.rows / (m - 1) - cross.columns / n).numpy()
    mine = _chance(first, w.numpy(), 1.0, 1.0)
    each = float(mine @ mine) + 4 * float(second.var(ddof=1)) / m
    pairs = (
        2 * _spread(own, n - w, n - w, w, w) / (n * (n - 1))
        + 2 * _spread(theirs, (m - 1) * one, (m - 1) * one, one, one) / (m * (m - 1))
        + 4 * _spread(cross, m + 0 * w, n * one, w, one) / (n * m)
    )
    variance = max(each - pairs, pairs / 2)
    return value, math.sqrt(variance), _chance(first, w.numpy(), each, variance)


def _moments(kernel: Kernel, x: _Events, y: _Events, u: Tensor, v: Tensor) -> _Sums:
    """Return weighted sums of a kernel: over columns for each row, over rows for each column, and of all squares.

    If `x` is `y`, pairs of an event with itself are left out.
    """
    rows, columns, squares = torch.zeros_like(u), torch.zeros_like(v), 0.0
    for i in range(0, len(x), _BLOCK):
        mine = x.block(i)
        block = kernel(mine.centered @ y.centered.T, mine, y)
        if x is y:
            place = torch.arange(len(block))
            block[place, place + i] = 0.0
        rows[i : i + _BLOCK] = block @ v
        columns += u[i : i + _BLOCK] @ block
        squares += float(u[i : i + _BLOCK] @ block.square() @ v)
    return _Sums(rows, columns, squares)


def _spread(sums: _Sums, by_row: Tensor, by_column: Tensor, u: Tensor, v: Tensor) -> float:
    """Return the weighted mean square of the kernel after its row means and column means are subtracted."""
    rows, columns = sums.rows / by_row, sums.columns / by_column
    whole = float((u * by_row).sum())
    mean = float((u * rows).sum() / u.sum())
    means = float((u * rows.square()).sum() / u.sum() + (v * columns.square()).sum() / v.sum())
    return max(sums.squares / whole - means + mean**2, 0.0)


def _residual(sums: _Sums, rows: Tensor, columns: Tensor, count: int) -> float:
    """Return the mean square of the kernel after its row means and column means are subtracted."""
    mean = float(rows.mean())
    residual = sums.squares / count - float(rows.square().mean()) - float(columns.square().mean()) + mean**2
    return max(residual, 0.0)


_LEAST = 4


_FOR_MEDIAN = 1_000
"""Largest number of real events whose distances set the bandwidth."""


class KernelDistance(Metric):
    """Unbiased squared MMD with the polynomial kernel `(x·y / F + 1)³`; of Inception-v3's features it is known as KID.

    KID is often estimated as a mean over random subsets. All pairs at once have the same expectation, and a smaller
    error.

    Arguments:
        name, extractor: as for `Metric`.

    References:
        "Demystifying MMD GANs" (Bińkowski et al., 2018).
    """

    direction: Direction = "lower"
    weighted = True

    def __init__(self, name: str, extractor: str | None = None) -> None:
        self.name, self.extractor = name, extractor

    def score(self, given: MetricInput) -> Score:
        value, error, parts = _discrepancies(given)[0]
        return Score(
            self.name,
            value,
            self.direction,
            error,
            {"kernel": "(x·y/F + 1)³, unbiased"},
            shared=in_groups(parts, given.seed),
        )


class MaximumMeanDiscrepancy(Metric):
    """Unbiased squared MMD with a Gaussian kernel; its bandwidth is the median distance of real events."""

    name = "mmd"
    direction: Direction = "lower"
    weighted = True

    def score(self, given: MetricInput) -> Score:
        bandwidth = _bandwidth(given)
        value, error, parts = _discrepancies(given)[1]
        protocol = {"kernel": "Gaussian, unbiased", "bandwidth": bandwidth, "bandwidth_rule": "median distance"}
        return Score(self.name, value, self.direction, error, protocol, shared=in_groups(parts, given.seed))


def _bandwidth(given: MetricInput) -> float:
    real, _ = feature_pair(given, _LEAST)
    return given.once("median distance", lambda: median_distance(real, given.real_weights))


def _discrepancies(given: MetricInput) -> list[tuple[float, float, Features]]:
    """Return the result of `_compared` for the polynomial kernel, and for the Gaussian one if it has a scale.

    Both kernels follow from the same inner products, which take most of the time.
    """
    real, samples = feature_pair(given, _LEAST)

    def compute() -> list[tuple[float, float, Features]]:
        kernels: list[Kernel] = [_polynomial]
        bandwidth = None
        with contextlib.suppress(DataError):  # the metric that needs the scale raises this error
            bandwidth = _bandwidth(given)
            kernels.append(functools.partial(_gaussian, bandwidth))
        weights = given.real_weights
        x, y = _pair(real, samples, bandwidth, weighted=weights is not None)
        if weights is not None:
            return [_weighted(kernel, x, y, weights) for kernel in kernels]
        sums = _within(kernels, x), _within(kernels, y), _between(kernels, x, y)
        return [_compared(*each) for each in zip(*sums, strict=True)]

    return given.once("kernel discrepancies", compute)


def _polynomial(inner: Tensor, x: _Events, y: _Events) -> Tensor:
    # The kernel is (level + t)³, as x·y is the product of the centered events plus terms of the mean. Without level³,
    # which cancels, the rounding is relative to what events differ by: t (3 level² + t (3 level + t)).
    width, level = x.centered.shape[1], x.level
    t = torch.add(y.along / width, inner, alpha=1 / width).add_(x.along[:, None] / width)
    return torch.add(t, 3 * level).mul_(t).add_(3 * level**2).mul_(t)


def _gaussian(bandwidth: float, inner: Tensor, x: _Events, y: _Events) -> Tensor:
    far = torch.sub(inner, y.square / 2).sub_(x.square[:, None] / 2)
    return far.mul_(bandwidth**-2).clamp_(max=0).exp_()


def median_distance(real: Features, weights: Features | None = None) -> float:
    """Return the median distance of pairs of real events; of many events, evenly spaced ones are used.

    Arguments:
        weights: weights of the events, `(N,)`. Pairs then weigh the product of their weights. Defaults to `None`: equal
            weights.

    Raises:
        DataError: the median is 0.
    """
    rows = np.linspace(0, len(real) - 1, min(len(real), _FOR_MEDIAN)).astype(np.int64)
    apart = pdist(real[rows])
    if weights is None:
        median = float(np.median(apart))
    else:
        order = apart.argsort()
        one, other = np.triu_indices(len(rows), 1)
        mass = np.cumsum((weights[rows][one] * weights[rows][other])[order])
        median = float(apart[order[np.searchsorted(mass, mass[-1] / 2)]])
    if not median > 0:
        raise DataError("Most real events have the same features, so there is no distance to scale a kernel by.")
    return median


kernel_distance = KernelDistance("kernel-distance")

kid = KernelDistance("kid", "inception")


mmd = MaximumMeanDiscrepancy()
