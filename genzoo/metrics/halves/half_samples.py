"""Standard errors by half-sampling: from the differences between two random halves of the events.

Two disjoint halves of independent events are independent. So the squared difference of a score between them, divided
by 4, has the expectation `Var(T at half the events) / 2`. For a score whose variance is proportional to 1 / N, that is
the variance of the score. Nothing is assumed about the score's form. In contrast, the jackknife needs a smooth score,
and the bootstrap repeats events, which changes the distances to nearest neighbors.

The error is the spread over repeats of both real events and samples, around the mean of the score at these numbers of
events. It says nothing about the bias of the score at these numbers.

References:
    "Large Sample Confidence Regions Based on Subsamples under Minimal Assumptions" (Politis and Romano, 1994);
    "Pseudo-Replication: Further Evaluation and Application of the Balanced Half-Sample Technique" (McCarthy, 1969).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from genzoo.runtime.seeding import derive
from genzoo.typing import Array

SPLITS = 48
"""Number of random splits into halves."""


FLOORS = 8
"""Number of splits of the real events whose halves are compared with each other."""


_MANY = float(stdtrit(SPLITS, 0.975) / stdtrit(1e9, 0.975))
"""Makes up for the uncertainty of a variance from this number of splits, as Student's t does."""


Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class HalfSpread:
    """How much a score varies.

    Arguments:
        error: its standard error.
        shared: the difference between the halves for each split, scaled so that their squares add up to the variance.
            Scores on the same real events and of the same seed have the same halves of real events.
    """

    error: float
    shared: tuple[float, ...]

    @staticmethod
    def of(first: Array, second: Array, blocks: int = 1) -> HalfSpread:
        """Return the spread of a score from its values in both halves of each split, `(S,)`.

        Arguments:
            blocks: number of disjoint blocks of events that were split separately; the score of all events varies as
                their mean does. Defaults to 1.
        """
        shared = (np.asarray(first) - np.asarray(second)) * _MANY / (2 * math.sqrt(len(first) * blocks))
        return HalfSpread(math.sqrt(float(shared @ shared)), tuple(shared.tolist()))


def random_halves(count: int, seed: int, part: int, splits: int = SPLITS) -> Flags:
    """Return which of `count` events are in the first half of each random split, `(S, count)`.

    Arguments:
        seed: the metric's seed.
        part: 0 for real events, 1 for samples, and further numbers for other purposes.
    """
    rng = np.random.default_rng(derive(seed, "half-samples", part))
    return rng.permuted(np.tile(np.arange(count) < count // 2, (splits, 1)), axis=1)


WeightedStatistic = Callable[[Array, Array], float]
"""A comparison of fixed events `x (N, ...)` and `y (M, ...)`: takes their weights, `(N,)` and `(M,)`."""


def half_sample_spread(statistic: WeightedStatistic, weights: Array, count: int, seed: int) -> HalfSpread:
    """Return the spread of a comparison of real events and samples.

    Arguments:
        weights: weights of the real events, `(N,)`.
        count: number of samples.
    """
    pairs = zip(random_halves(len(weights), seed, 0), random_halves(count, seed, 1), strict=True)
    both = [(statistic(weights * u, 1.0 * v), statistic(weights * ~u, 1.0 * ~v)) for u, v in pairs]
    first, second = np.array(both, np.float64).T
    return HalfSpread.of(first, second)


def between_halves(statistic: WeightedStatistic, weights: Array, seed: int, splits: int = FLOORS) -> float:
    """Return the mean of a comparison of one half of the real events with the other half.

    Arguments:
        statistic: the comparison of the real events with themselves.
        weights: weights of the real events, `(N,)`.
    """
    halves = random_halves(len(weights), seed, 2, splits)
    return float(np.mean([statistic(weights * half, weights * ~half) for half in halves]))


def in_groups(parts: Array, seed: int) -> tuple[float, ...]:
    """Return the sums of independent `parts (N,)` over random groups, scaled so that the sum of squares is the same.

    Scores on the same real events and of the same seed have the same groups, so `Score.shared` can hold the sums.
    """
    groups = np.random.default_rng(derive(seed, "half-samples", 3)).permutation(len(parts)) % SPLITS
    sums = np.bincount(groups, parts, SPLITS)
    size = float(sums @ sums)
    scale = math.sqrt(float(parts @ parts) / size) if size > 0 else 0.0
    return tuple((sums * scale).tolist())
