"""A search for a start of EM by short runs of the mixture itself, for emissions that no mixture of normals stands for.

`Search` runs many mixtures of normals at once. Clusters with heavy tails or few factors have other maxima, so here each
start runs the EM of the mixture, on a sample of the events, and the best runs continue.

References:
    "Choosing starting values for the EM algorithm for getting the highest likelihood in multivariate Gaussian mixture
    models" (Biernacki, Celeux and Govaert, 2003).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.nn.functional import one_hot

from genzoo import Batch
from genzoo_mixture.clusters import find_clusters
from genzoo_mixture.mixture import Mixture
from genzoo_mixture.points import Points, draw_events, observed_values

_SAMPLE = 2_000
"""Largest number of events of the short runs."""

_MOST, _FEWEST = 40, 6
"""Largest and smallest number of starts."""

_SHORT, _LONG = 12, 100
"""Largest number of passes from every start, and of further passes from the best ones."""

_KEPT, _SHARE = 6, 3
"""Largest number of the best starts that get the further passes; no more than one start in so many."""

_BUDGET = 5e8
"""Roughly how many numbers all short runs may compute, and all longer ones."""

_WIDEST = 2**23
"""Largest number of numbers that a pass over the sample may compute, so that they fit in memory."""

_TOLERANCE = 1e-5
"""Change of the mean log-likelihood in a pass, in nats, at which a run has converged."""

_SAME = 1e-3
"""Difference of mean log-likelihoods, in nats, at which two runs have found the same maximum."""


@dataclass(slots=True)
class Trial:
    """A run of EM from one start.

    Arguments:
        mixture: the mixture, in float64.
        last: mean log-likelihood before the last pass, in nats.
        change: how much the last pass changed it.
    """

    mixture: Mixture
    last: float = -math.inf
    change: float = math.inf

    def run(self, batch: Batch, weight: Tensor, most: int) -> None:
        """Run passes of EM on the events until they converge, at most `most`."""
        for _ in range(most):
            for emission, _ in self.mixture.parts:
                emission.settle()
            expected = self.mixture.expect(batch.x, batch.missing)
            mean = float((expected.log_density @ weight) / weight.sum())
            self.change, self.last = abs(mean - self.last), mean
            if self.change < _TOLERANCE:
                break
            self.mixture.maximize(self.mixture.sums(replace(expected, share=expected.share * weight)))

    @property
    def merit(self) -> tuple[bool, float]:
        """Sort key of trials, larger is better: those without a fault first, as the engine prefers restarts."""
        weights = self.mixture.log_weights.exp()
        faulty = any(
            bool(emission.collapsed(weights).any()) or emission.fault() is not None
            for emission, _ in self.mixture.parts
        )
        return not faulty and not math.isnan(self.last), -math.inf if math.isnan(self.last) else self.last


def can_try(mixture: Mixture) -> bool:
    """Return whether a mixture needs such a search, and it takes a reasonable time."""
    emission, _ = mixture.parts[0]
    return mixture.components > 1 and emission.needs_trials and emission.width * _SAMPLE <= _WIDEST


def try_starts(mixture: Mixture, blocks: Iterable[Batch]) -> tuple[Mixture, dict[str, Any]]:
    """Run EM from many starts on a sample of the events.

    Arguments:
        mixture: the mixture, after `prepare` and `measure`; it is not changed.

    Returns:
        The best mixture, in float64. Facts for the run's record: how many starts were tried, and how many of them led
        to the best maximum found; none if the best run did not converge.
    """
    values, weight = draw_events(observed_values, blocks, _SAMPLE)
    missing = values.isnan()
    batch = Batch(values.nan_to_num(), missing if bool(missing.any()) else None, weight)
    points = Points(mixture, [batch])
    emission, _ = mixture.parts[0]
    cost = emission.width * len(values) * mixture.components + emission.effort
    count = int(min(_MOST, max(_FEWEST, _BUDGET / (_SHORT * cost))))
    trials = [_begin(mixture, batch, labels) for labels in find_clusters(points, mixture.components, count)]
    for trial in trials:
        trial.run(batch, weight, _SHORT)
    kept = sorted(trials, key=lambda trial: trial.merit, reverse=True)[: min(_KEPT, count // _SHARE)]
    for trial in kept:
        trial.run(batch, weight, int(min(_LONG, max(_SHORT, _BUDGET / (len(kept) * cost)))))
    best = max(kept, key=lambda trial: trial.merit)
    if best.change >= _TOLERANCE:
        return best.mixture, {}
    agreed = [trial for trial in kept if trial.merit[0] == best.merit[0] and trial.last >= best.last - _SAME]
    return best.mixture, {"starts": count, "agreed": len(agreed)}


def _begin(mixture: Mixture, batch: Batch, labels: Tensor) -> Trial:
    """Start a trial from the clusters of the points; -1 means none."""
    own = copy.deepcopy(mixture).double()
    share = one_hot(labels.clamp_min(0), own.components).T.to(batch.x.dtype) * (labels >= 0)
    share = share[share.sum(1).argsort(descending=True, stable=True)]  # see `Fitted.shares`
    expected = own.expect(batch.x, batch.missing, careful=True)
    own.maximize(own.sums(replace(expected, share=share if batch.weight is None else share * batch.weight)))
    for emission, _ in own.parts:
        emission.launch()
    return Trial(own)
