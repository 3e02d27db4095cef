"""The search for a start of EM: many short runs on a sample of the events, and longer runs from the best of them.

The starts of the runs are clusters of the points as they are, decorrelated, and decorrelated half the way: clusters
found by Ward's hierarchy, by k-means, around seeds of k-means++ and around random points. Most short runs are annealed:
components share points evenly at first, and the shares sharpen from pass to pass, which leads past poor maxima. One
more start is the only one of mclust, clusters in a hierarchy of normal distributions, and its run goes on to the end.

References:
    "Choosing starting values for the EM algorithm for getting the highest likelihood in multivariate Gaussian mixture
    models" (Biernacki, Celeux and Govaert, 2003).
    "Improved initialisation of model-based clustering using Gaussian hierarchical partitions" (Scrucca and Raftery,
    2015).
    "Deterministic Annealing EM Algorithm" (Ueda and Nakano, 1998).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from genzoo_mixture.clusters import LAST_OF_WARD, find_clusters, find_normal_clusters
from genzoo_mixture.emission import Diagonal, Full
from genzoo_mixture.mixture import Mixture, NoisyMixture
from genzoo_mixture.points import Points
from genzoo_mixture.surrogate import RIDGE, Family, Fitted

SAMPLE = 2_000
"""Largest number of events of the short runs; of more events, a uniform random sample is used."""

_MOST, _FEWEST = 100, 6
"""Largest and smallest number of starts."""

_BASE, _FULL = 12, 20
"""A search for C columns takes (_BASE + C) / _FULL of the starts and of the passes, at most all: the more columns, the
more poor maxima there are."""

_PLAIN = 7
"""One start in so many is not annealed. The first of them is the last from Ward's hierarchy."""

_DULL, _ANNEALED = 0.3, 0.75
"""Sharpness in the first pass of an annealed run, and share of its short passes until the sharpness is 1."""

_STAGES = ((1.0, 20), (0.4, 12), (0.25, 300))
"""Shares of the starts that are left in each stage, at least 2, and the largest number of passes there."""

_BLOCK = 20
"""Number of passes after which runs that have converged leave the last stage."""

_BUDGET = 6e8
"""Roughly how many multiplications half a search may take."""

_MONOMIALS = 2**23
"""Largest number of monomials of all points of a sample, so that they fit in memory."""

_TOLERANCE = 1e-6
"""Change of the mean log-likelihood in a pass, in nats, at which a run has converged."""

_SAME = 1e-3
"""Difference of mean log-likelihoods, in nats, at which two runs have found the same maximum."""


def can_search(mixture: Mixture) -> bool:
    """Return whether a search helps a mixture, and takes a reasonable time."""
    emission, columns = mixture.parts[0]
    if not isinstance(emission, Full | Diagonal) or emission.needs_trials:
        return False
    if mixture.components == 1 or len(mixture.parts) > 1:
        return False
    return _monomials(len(columns), correlated=emission.family.correlated) * SAMPLE <= _MONOMIALS


def _monomials(columns: int, *, correlated: bool) -> int:
    return columns * (columns + 3) // 2 + 1 if correlated else 2 * columns + 1


class Search:
    """A search for the start of a mixture of Gaussians.

    Arguments:
        mixture: the mixture, after `prepare`.
        points: points of a sample of the events.

    Attributes:
        facts: how many starts were tried, and how many of them led to the best maximum found, for the run's record.
            Of a run that did not converge nothing is said.
    """

    @torch.inference_mode()  # a search of a small table takes longer to call its operations than to compute
    def __init__(self, mixture: Mixture, points: Points) -> None:
        emission, _ = mixture.parts[0]
        assert isinstance(emission, Full | Diagonal)
        family = emission.family
        self._mixture = mixture
        self._points = points
        ridge = RIDGE + emission.added_to(points.scale.square()) / points.scale.square()
        self._family = Family(family, points.scale, ridge, _log_volume(mixture, points.scale))
        self._lacking = functools.partial(family.lacking, columns=len(points.scale))
        self._products = self._family.products(points.sample)
        cost = self._products.numel() * mixture.components
        effort = min(1.0, (_BASE + len(points.scale)) / _FULL)
        (_, first), (more, second), (last, most) = _STAGES
        first = round(effort * first)
        self._count = int(min(effort * _MOST, max(_FEWEST, _BUDGET / (first * cost))))
        self._stages = []
        for share, passes in ((1.0, first), (more, second), (effort * last, most)):
            kept = max(2, round(share * self._count))
            self._stages.append((kept, int(min(passes, max(4, _BUDGET / (kept * cost))))))
        self._best, self.facts = self._run()

    def shares(self, points: Tensor) -> Tensor:
        """Return the shares of the components in points `(N, D)`, `(K, N)`; with noise, it comes last."""
        return self._best.shares(self._family.products(points))

    def _run(self) -> tuple[Fitted, dict[str, Any]]:
        """Run all starts, in every stage the best of the last one, and return the best one."""
        (_, first), (second, more), (last, most) = self._stages
        share = torch.stack([self._share(labels) for labels in self._labels()])
        fitted = self._anneal(self._family.maximize(self._products, share * self._points.weight), first)
        fitted = self._passes(self._best_of(fitted, second), more)
        fitted = self._finish(self._best_of(fitted, last), most)
        merit = self._merit(fitted)
        best = merit.argmax()
        facts: dict[str, Any] = {}
        if fitted.change[best] < _TOLERANCE:
            facts = {"starts": len(share), "agreed": int((merit >= merit[best] - _SAME).sum())}
        return fitted.of(best[None]), facts

    def _labels(self) -> Iterator[Tensor]:
        """Yield the clusters of all starts, `(n,)` each; those that mclust starts from come first, if there are any."""
        number = self._mixture.components
        others = [*find_clusters(self._points, number, self._count)]
        normals = [*find_normal_clusters(self._points, number)]
        self._normals = len(normals)
        yield from (*normals, *others)

    def _best_of(self, fitted: Fitted, count: int) -> Fitted:
        """Return the best mixtures, `count` of them, after those from the hierarchy of normal distributions."""
        order = self._merit(fitted).argsort(descending=True, stable=True)
        others = order[order >= self._normals][:count]
        return fitted.of(torch.cat([torch.arange(self._normals, device=order.device), others]))

    def _anneal(self, fitted: Fitted, most: int) -> Fitted:
        """Run passes whose shares sharpen, and then some that are not annealed."""
        passes = round(_ANNEALED * most)
        number = torch.arange(len(fitted.thin), device=fitted.thin.device) - self._normals
        plain = (number < 0) | (number % _PLAIN == LAST_OF_WARD)
        for passed in range(passes):
            sharpness = torch.where(plain, 1.0, _DULL + (1 - _DULL) * passed / passes).to(fitted.counts)
            fitted = self._family.step(self._products, self._points.weight, fitted, sharpness)
        return self._passes(fitted, most - passes)

    def _passes(self, fitted: Fitted, most: int) -> Fitted:
        return self._family.run(self._products, self._points.weight, fitted, most, _TOLERANCE)

    def _finish(self, fitted: Fitted, most: int) -> Fitted:
        """Run passes of EM until each mixture has converged, at most `most`."""
        ended = []
        for first in range(0, most, _BLOCK):
            fitted = self._passes(fitted, min(_BLOCK, most - first))
            settled = fitted.change < _TOLERANCE
            ended.append(fitted.of(settled.nonzero()[:, 0]))
            fitted = fitted.of((~settled).nonzero()[:, 0])
            if not len(fitted.thin):
                break
        return Fitted.join([*ended, fitted])

    def _merit(self, fitted: Fitted) -> Tensor:
        """Return the log-likelihoods, minus a large number for each event that a component lacks, or if it collapsed.

        The likelihood of a component with hardly more events than columns is high for any data, and says nothing.
        """
        lacking = self._lacking(fitted.counts / self._points.weight.mean()).ceil()
        odd = 1e9 * lacking + 1e11 * fitted.thin
        return fitted.likelihood.nan_to_num(-1e12, posinf=-1e12, neginf=-1e12) - odd

    def _share(self, labels: Tensor) -> Tensor:
        """Return the shares of components in points with these labels; -1 means none."""
        share = one_hot(labels.clamp_min(0), self._mixture.components).T.to(self._products.dtype) * (labels >= 0)
        if not isinstance(self._mixture, NoisyMixture):
            return share
        first = self._mixture.first_share
        return torch.cat([share * (1 - first), torch.full_like(share[:1], first)])


def _log_volume(mixture: Mixture, scale: Tensor) -> Tensor | None:
    """Return the log-volume of the noise in units of the points; `None` without noise."""
    return mixture.log_volume.to(scale) - scale.log().sum() if isinstance(mixture, NoisyMixture) else None
