"""Standard errors: of paired differences, and by the jackknife."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

from genzoo.runtime.seeding import derive
from genzoo.typing import Array

GROUPS = 20


def standard_error(statistic: Callable[[Array, Array], float], x: Array, y: Array, seed: int) -> float:
    """The standard error of `statistic(x, y)` of independent events `x (N, ...)` and `y (M, ...)`.

    Arguments:
        seed: of the groups.
    """
    variance = _variance(lambda part: statistic(part, y), x, derive(seed, "jackknife", 0))
    variance += _variance(lambda part: statistic(x, part), y, derive(seed, "jackknife", 1))
    return math.sqrt(variance)


def _variance(statistic: Callable[[Array], float], events: Array, seed: int) -> float:
    groups = min(GROUPS, len(events))
    group = np.random.default_rng(seed).permutation(len(events)) % groups
    values = np.array([statistic(events[group != left_out]) for left_out in range(groups)])
    return float((groups - 1) * values.var())


Values = np.ndarray[Any, np.dtype[np.float64]]


Folds = np.ndarray[Any, np.dtype[np.int64]]


LEVEL = 0.95
"""Coverage of intervals."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean per event, its standard error, and the degrees of freedom of that error.

    Examples:
        >>> low, high = Estimate(1.0, 0.1, math.inf).interval
        >>> round(low, 3), round(high, 3)
        (0.804, 1.196)
    """

    mean: float
    se: float
    freedom: float

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true mean lies, at confidence `LEVEL`; not a number where there is no standard error."""
        if math.isnan(self.se):
            return math.nan, math.nan
        reach = self.se * float(stdtrit(min(self.freedom, 1e9), 0.5 + LEVEL / 2)) if self.se > 0 else 0.0
        return self.mean - reach, self.mean + reach


def are_frequencies(weights: Values) -> bool:
    """Whether weights count events: all of them whole numbers."""
    return bool((weights == np.round(weights)).all())


def estimate(
    scores: Values, weights: Values | None = None, folds: Folds | None = None, *, frequencies: bool | None = None
) -> Estimate:
    """The mean of `scores` per event with its standard error.

    Arguments:
        scores: `(R, N)`, one row for each seed that the fits were repeated under.
        weights: of events, `(N,)`, not all 0.
        folds: which fold held each event out, `(N,)`; `None` where one fit scored them all.
        frequencies: whether the weights count events; where nothing is said, whether all are whole numbers.
    """
    repeats = len(scores)
    if weights is None:
        w, counts = np.ones(scores.shape[1]), True
    else:
        counted = weights > 0  # an event that does not count may be the only one of its fold
        counts = are_frequencies(weights) if frequencies is None else frequencies
        scores, w, folds = scores[:, counted], weights[counted], None if folds is None else folds[counted]
    total = float(w.sum())
    values = scores.mean(axis=0)
    mean = float(values @ w / total)
    names, cluster = np.unique(np.zeros(len(w), np.int64) if folds is None else folds, return_inverse=True)
    groups = len(names)
    events, freedom = _within(values - mean, w, cluster, groups, counts)
    if groups > 1 and (between := _between(values - mean, w, cluster, groups)) > events:
        events, freedom = between, groups - 1.0
    seeds = float((scores @ w / total).var(ddof=1) / repeats) if repeats > 1 else 0.0
    variance = events + seeds
    if not variance > 0:
        return Estimate(mean, 0.0 if variance == 0 else math.nan, math.inf)
    parts = ((events, freedom), (seeds, repeats - 1))
    spread = sum(part**2 / count for part, count in parts if part > 0)
    return Estimate(mean, math.sqrt(variance), variance**2 / spread)


def _within(deviations: Values, w: Values, cluster: Folds, groups: int, frequencies: bool) -> tuple[float, float]:
    """Variance of the mean of independent events, from their spread within folds, and its degrees of freedom."""
    total = float(w.sum())
    count = total if frequencies else float(len(w))
    if groups > 1 and count <= groups:  # one event each: the folds tell all
        return 0.0, 1.0
    if count <= 1:
        return math.nan, 1.0
    center = np.bincount(cluster, deviations * w, groups) / np.bincount(cluster, w, groups)
    squares = (deviations - center[cluster]) ** 2
    spread = float(w @ squares) / total if frequencies else float(w**2 @ squares) / total**2 * count
    return spread / (count - groups), count - groups


def _between(deviations: Values, w: Values, cluster: Folds, groups: int) -> float:
    """Variance of the mean of independent folds."""
    sums = np.bincount(cluster, deviations * w, groups)
    return float(sums @ sums) / float(w.sum()) ** 2 * groups / (groups - 1)


def paired_difference(
    scores: Values,
    best: Values,
    weights: Values | None = None,
    folds: Folds | None = None,
    *,
    frequencies: bool | None = None,
) -> Estimate:
    """The mean by which `scores` exceed those of the `best` model on the same events, as `estimate` takes them."""
    with np.errstate(invalid="ignore"):  # both may hold minus infinity at one event
        return estimate(scores - best, weights, folds, frequencies=frequencies)


def chance_of_a_false_difference(count: int) -> float:
    """How probable it is that of `count` equal models at least one differs from the best, by the interval of each.

    The best of equal models is the luckiest: this is the tail of the studentised range at the reach of one interval,
    exact where the errors of the models are normal and alike.

    Examples:
        >>> round(chance_of_a_false_difference(2), 3)
        0.05
    """
    reach = math.sqrt(2.0) * float(stdtrit(1e9, 0.5 + LEVEL / 2))
    z = np.linspace(-9.0, 9.0, 4_001)
    below = count * np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi) * (ndtr(z) - ndtr(z - reach)) ** (count - 1)
    return 1.0 - float(below.sum() * (z[1] - z[0]))
