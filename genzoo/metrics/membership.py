"""Find out whether the log-likelihood shows which rows a model was trained on.

An attacker who has a row and the model may guess that the model was trained on it if its log-likelihood is high. The
area under the curve (AUC) of this attack is the probability that a training row is likelier than a held-out row. It is
0.5 if the model shows nothing, and 1 if it shows everything. A model that overfits is above 0.5, whether or not its
samples are copies.

References:
    "Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves: A Nonparametric
    Approach" (DeLong et al., 1988);
    "Confidence Intervals for an Effect Measure Based on the Mann-Whitney Statistic. Part 2" (Newcombe, 2006), method 5;
    "Membership Inference Attacks from First Principles" (Carlini et al., 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from genzoo.errors import DataError
from genzoo.metrics.halves.half_samples import in_groups
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.metrics.statistics import LEVEL, are_frequencies
from genzoo.typing import Array

_LEAST = 10

_TINY = 1e-12


class MembershipAUC(Metric):
    """Probability that a training row has a higher log-likelihood than a held-out row; 0.5 means no leak."""

    name = "membership-auc"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"training-likelihood"})
    chance = 0.5

    def score(self, given: MetricInput) -> Score:
        train, held_out = given.train_log_likelihoods, _held_out(given)
        assert train is not None
        for name, values in (("training rows", train), ("held-out rows", held_out)):
            if len(values) < _LEAST:
                raise DataError(f"This metric needs at least {_LEAST} {name}, and there are {len(values)}.")
            if np.isnan(values).any():
                raise DataError(f"Every row needs a log-likelihood, and some {name} have NaN.")
        found = Area.of(train, held_out)
        low, high = found.interval
        return Score(
            self.name,
            found.value,
            self.direction,
            found.error,
            {"unit": "area under the curve"},
            low,
            high,
            _notes(found.value, low, high),
            shared=in_groups(found.influence, given.seed),
            real=self.chance,
        )


def _held_out(given: MetricInput) -> Array:
    """Return the log-likelihoods of held-out rows, as often as their weights count them.

    Other weights say how much a row counts, and training rows have them alike. They matter only if they are 0.
    """
    values, weights = given.log_likelihoods, given.weights
    assert values is not None
    if weights is None:
        return values
    return np.repeat(values, weights.astype(np.int64)) if are_frequencies(weights) else values[weights > 0]


@dataclass(frozen=True, slots=True)
class Area:
    """The area under the curve of an attack (AUC).

    Arguments:
        value: the probability that one of `m` values is higher than one of `n` others; ties count as a half.
        influence: what each of the `m + n` values adds to its error; the squares add up to the variance.
        counts: the numbers `m` and `n`.
    """

    value: float
    influence: Array
    counts: tuple[int, int]

    @staticmethod
    def of(high: Array, low: Array) -> Area:
        """Compute the area for the values that should be higher `(M,)` and those that should be lower `(N,)`."""
        m, n = len(high), len(low)
        above, below = _share_below(high, low), 1 - _share_below(low, high)
        value = float(above.mean())
        parts = [(above - value) / math.sqrt(m * (m - 1)), (below - value) / math.sqrt(n * (n - 1))]
        return Area(value, np.concatenate(parts), (m, n))

    @property
    def error(self) -> float:
        """Standard error (DeLong)."""
        return math.sqrt(float(self.influence @ self.influence))

    @property
    def interval(self) -> tuple[float, float]:
        """Confidence interval at `LEVEL` (Newcombe); unlike the error, it has a width for an area of 0 or 1."""
        from scipy.optimize import brentq  # takes a tenth of a second, and many processes read this file

        reach = -float(ndtri((1 - LEVEL) / 2))

        def beyond(area: float) -> float:
            return abs(self.value - area) - reach * math.sqrt(self._variance(area))

        inside = min(max(self.value, _TINY), 1 - _TINY)  # at 0 and 1 the variance is 0, which is another solution
        low = 0.0 if self.value <= 0 else float(brentq(beyond, 0.0, inside))
        high = 1.0 if self.value >= 1 else float(brentq(beyond, inside, 1.0))
        return low, high

    def _variance(self, area: float) -> float:
        """Return the variance of an estimate if this were the true area (Hanley and McNeil)."""
        m, n = self.counts
        size = (m + n) / 2 - 1
        return area * (1 - area) * (1 + size * (1 - area) / (2 - area) + size * area / (1 + area)) / (m * n)


def _share_below(values: Array, others: Array) -> Array:
    """Return the share of others `(N,)` that each of values `(M,)` exceeds, `(M,)`; equal ones count half."""
    rising = np.sort(others)
    below, most = (np.searchsorted(rising, values, side) for side in ("left", "right"))
    return (below + most) / (2 * len(others))


def _notes(value: float, low: float, high: float) -> tuple[str, ...]:
    if low <= 0.5:
        return ()
    return (
        f"log-likelihoods show which rows the model was trained on: a training row is likelier than a held-out row in "
        f"{value:.1%} [{low:.1%}, {high:.1%}] of pairs, and would be in 50% if nothing leaked. Held-out rows are "
        f"assumed to follow the same distribution.",
    )


membership_auc = MembershipAUC()
