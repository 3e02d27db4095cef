"""Standard errors: of mean scores, of paired differences, and by the jackknife."""

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
"""Number of groups of the jackknife."""


def standard_error(statistic: Callable[[Array, Array], float], x: Array, y: Array, seed: int) -> float:
    """Return the jackknife standard error of `statistic(x, y)` for independent events `x (N, ...)` and `y (M, ...)`.

    The jackknife needs only the statistic itself, not a formula for its variance, which a Wasserstein distance or a
    mean of absolute correlations does not have. It leaves out one group of events at a time, so the statistic is
    computed `GROUPS` times for each of `x` and `y`, not once per event. Real events and samples are independent, so
    their variances add.

    Arguments:
        seed: seed of the groups.

    References:
        "The Jackknife, the Bootstrap and Other Resampling Plans" (Efron, 1982).
    """
    variance = _variance(lambda part: statistic(part, y), x, derive(seed, "jackknife", 0))
    variance += _variance(lambda part: statistic(x, part), y, derive(seed, "jackknife", 1))
    return math.sqrt(variance)


def _variance(statistic: Callable[[Array], float], events: Array, seed: int) -> float:
    groups = min(GROUPS, len(events))
    group = np.random.default_rng(seed).permutation(len(events)) % groups
    values = np.array([statistic(events[group != left_out]) for left_out in range(groups)])
    # The values share most of their events, so they spread far less than independent estimates would. The factor
    # corrects for that: for a mean and groups of equal size, the result is unbiased.
    return float((groups - 1) * values.var())


Values = np.ndarray[Any, np.dtype[np.float64]]


Folds = np.ndarray[Any, np.dtype[np.int64]]


LEVEL = 0.95
"""Confidence level of intervals."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean per event, its standard error, and the degrees of freedom of the standard error.

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
        """Confidence interval of the mean at `LEVEL`; NaN if the standard error is NaN."""
        if math.isnan(self.se):
            return math.nan, math.nan
        reach = self.se * float(stdtrit(min(self.freedom, 1e9), 0.5 + LEVEL / 2)) if self.se > 0 else 0.0
        return self.mean - reach, self.mean + reach


def are_frequencies(weights: Values) -> bool:
    """Return whether weights count events: whether all are whole numbers."""
    return bool((weights == np.round(weights)).all())


def estimate(
    scores: Values,
    weights: Values | None = None,
    folds: Folds | None = None,
    *,
    frequencies: bool | None = None,
    groups: Folds | None = None,
) -> Estimate:
    """Estimate the mean of `scores` per event, with its standard error.

    The variance is the sum of two parts: the spread over events, and the spread over the seeds of repeated fits. The
    degrees of freedom of the sum are Satterthwaite's.

    Arguments:
        scores: `(R, N)`, one row for each seed of repeated fits.
        weights: weights of the events, `(N,)`, not all 0. Defaults to equal weights.
        folds: the fold that held each event out, `(N,)`. Defaults to `None`: one fit scored all events.
        frequencies: whether the weights count events. Defaults to whether all are whole numbers.
        groups: number of each event's group, `(N,)`, if only groups are independent, and not the events in them.
            Defaults to `None`.

    References:
        "An Approximate Distribution of Estimates of Variance Components" (Satterthwaite, 1946).
    """
    repeats = len(scores)
    if weights is None:
        w, counts = np.ones(scores.shape[1]), True
    else:
        counted = weights > 0  # a fold may hold nothing but events of weight 0, and would count as a fold
        counts = are_frequencies(weights) if frequencies is None else frequencies
        scores, w = scores[:, counted], weights[counted]
        folds, groups = (None if units is None else units[counted] for units in (folds, groups))
    total = float(w.sum())
    values = scores.mean(axis=0)
    mean = float(values @ w / total)
    names, cluster = np.unique(np.zeros(len(w), np.int64) if folds is None else folds, return_inverse=True)
    events, freedom = _within(values - mean, w, cluster, len(names), counts)
    # All events of a fold were scored by the same fit, so they share its luck and are not independent; events of a
    # group are alike. The spread of the sums of folds or groups includes the shared part. It is itself uncertain if
    # they are few, so the larger variance is used.
    for units in (folds, groups):
        if units is not None and (between := _between(values - mean, w, units))[0] > events:
            events, freedom = between
    if groups is not None and (groups == groups[0]).all():
        events = math.nan  # a single group says nothing about the spread between groups
    seeds = float((scores @ w / total).var(ddof=1) / repeats) if repeats > 1 else 0.0
    variance = events + seeds
    if not variance > 0:
        return Estimate(mean, 0.0 if variance == 0 else math.nan, math.inf)
    parts = ((events, freedom), (seeds, repeats - 1))
    spread = sum(part**2 / count for part, count in parts if part > 0)
    return Estimate(mean, math.sqrt(variance), variance**2 / spread)


def _within(deviations: Values, w: Values, cluster: Folds, groups: int, frequencies: bool) -> tuple[float, float]:
    """Return the variance of the mean of independent events, and its degrees of freedom.

    Events are compared with the mean of their own fold. A weight of `w` means `w` equal events if weights are
    frequencies, and one event that counts `w` times as much otherwise; only the former adds to the number of events.
    """
    total = float(w.sum())
    count = total if frequencies else float(len(w))
    if groups > 1 and count <= groups:  # one event in each fold: all spread is between folds
        return 0.0, 1.0
    if count <= 1:
        return math.nan, 1.0
    center = np.bincount(cluster, deviations * w, groups) / np.bincount(cluster, w, groups)
    squares = (deviations - center[cluster]) ** 2
    spread = float(w @ squares) / total if frequencies else float(w**2 @ squares) / total**2 * count
    return spread / (count - groups), count - groups


def _between(deviations: Values, w: Values, units: Folds) -> tuple[float, float]:
    """Return the variance of the mean if only folds or groups are independent, and its degrees of freedom.

    One fold or group alone shows no variance.

    References:
        "Longitudinal Data Analysis Using Generalized Linear Models" (Liang and Zeger, 1986).
    """
    names, cluster = np.unique(units, return_inverse=True)
    count = len(names)
    if count < 2:
        return 0.0, 1.0
    sums = np.bincount(cluster, deviations * w, count)
    return float(sums @ sums) / float(w.sum()) ** 2 * count / (count - 1), count - 1.0


def paired_difference(
    scores: Values,
    best: Values,
    weights: Values | None = None,
    folds: Folds | None = None,
    *,
    frequencies: bool | None = None,
    groups: Folds | None = None,
) -> Estimate:
    """Estimate the mean difference between `scores` and the scores of the `best` model on the same events.

    Arguments are as for `estimate`. Some events are hard for every model. Differences event by event cancel this common
    part, so their standard error is far smaller than the errors of two separate means suggest, and smaller differences
    can be detected.
    """
    with np.errstate(invalid="ignore"):  # both models may give an event minus infinity
        return estimate(scores - best, weights, folds, frequencies=frequencies, groups=groups)


def chance_of_a_false_difference(count: int) -> float:
    """Return the probability that at least one of `count` equal models seems to differ from the best one.

    Each 95 % interval misses in 5 % of cases. If several models are equally good, the best of them is partly lucky, and
    it is compared with all others, so a false difference is more frequent. The probability comes from the studentized
    range. It is exact if the models' errors are normal, independent and of equal variance.

    Examples:
        >>> round(chance_of_a_false_difference(2), 3)
        0.05
    """
    reach = math.sqrt(2.0) * float(stdtrit(1e9, 0.5 + LEVEL / 2))
    z = np.linspace(-9.0, 9.0, 4_001)
    # P(range <= reach) = count ∫ φ(z) (Φ(z) − Φ(z − reach))^(count − 1) dz, where z is the largest of the errors.
    below = count * np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi) * (ndtr(z) - ndtr(z - reach)) ** (count - 1)
    return 1.0 - float(below.sum() * (z[1] - z[0]))
