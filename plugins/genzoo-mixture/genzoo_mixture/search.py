"""The search for a start of EM: many short runs on a sample of the events, and longer runs from the best of them.

The starts of the runs are clusters of the points as they are, decorrelated, and decorrelated half the way: clusters
found by Ward's hierarchy, by k-means, around seeds of k-means++ and around random points. Most short runs are annealed:
components share points evenly at first, and the shares sharpen from pass to pass, which leads past poor maxima.

References:
    "Choosing starting values for the EM algorithm for getting the highest likelihood in multivariate Gaussian mixture
    models" (Biernacki, Celeux and Govaert, 2003).
    "Improved initialisation of model-based clustering using Gaussian hierarchical partitions" (Scrucca and Raftery,
    2015).
    "Deterministic Annealing EM Algorithm" (Ueda and Nakano, 1998).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from genzoo_mixture.emission import Diagonal, Full
from genzoo_mixture.kmeans import distances, draw, lloyd, seeds
from genzoo_mixture.mixture import Mixture, NoisyMixture
from genzoo_mixture.points import Points
from genzoo_mixture.surrogate import RIDGE, Family, Fitted
from genzoo_mixture.ward import ward

SAMPLE = 2_000
"""Largest number of events of the short runs; of more events, a uniform random sample is used."""

_WARD = 500
"""Largest number of points of the hierarchy."""

_WARDS = 4
"""Number of starts from the hierarchy."""

_LLOYD = 10
"""Number of k-means iterations of a start."""

_MOST, _FEWEST = 100, 6
"""Largest and smallest number of starts."""

_PLAIN = 7
"""One start in so many is not annealed. The first of them is the last from the hierarchy."""

_DULL, _ANNEALED = 0.3, 0.75
"""Sharpness in the first pass of an annealed run, and share of its short passes until the sharpness is 1."""

_SHORT, _LONG = 20, 150
"""Largest number of passes from every start, and of further passes from the best ones."""

_KEPT = 0.25
"""Share of the starts that get the further passes, at least 2."""

_BUDGET = 6e8
"""Roughly how many multiplications half a search may take."""

_MONOMIALS = 2**23
"""Largest number of monomials of all points of a sample, so that they fit in memory."""

_TOLERANCE = 1e-5
"""Change of the mean log-likelihood in a pass, in nats, at which a run has converged."""

_SAME = 1e-3
"""Difference of mean log-likelihoods, in nats, at which two runs have found the same maximum."""


def can_search(mixture: Mixture) -> bool:
    """Return whether a search helps a mixture, and takes a reasonable time."""
    emission, columns = mixture.parts[0]
    if mixture.components == 1 or len(mixture.parts) > 1 or not isinstance(emission, Full | Diagonal):
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

    def __init__(self, mixture: Mixture, points: Points) -> None:
        emission, _ = mixture.parts[0]
        assert isinstance(emission, Full | Diagonal)
        family = emission.family
        self._mixture = mixture
        self._points = points
        ridge = RIDGE + emission.added_to(points.scale.square()) / points.scale.square()
        self._family = Family(family, points.scale, ridge, _log_volume(mixture, points.scale))
        self._least = 1.0 * (len(points.scale) + 2) if family.correlated and family.free else 2.0
        self._products = self._family.products(points.sample)
        cost = self._products.numel() * mixture.components
        self._count = int(min(_MOST, max(_FEWEST, _BUDGET / (_SHORT * cost))))
        self._short = int(min(_SHORT, max(4, _BUDGET / (self._count * cost))))
        kept = max(2, round(_KEPT * self._count))
        self._long = int(min(_LONG, max(2, _BUDGET / (kept * cost))))
        self._best, self.facts = self._run(kept)

    def shares(self, points: Tensor) -> Tensor:
        """Return the shares of the components in points `(N, D)`, `(K, N)`; with noise, it comes last."""
        return self._best.expect(self._family.products(points))[1][0]

    def _run(self, kept: int) -> tuple[Fitted, dict[str, Any]]:
        """Run all starts, continue the best `kept`, and return the best one."""
        weight = self._points.weight
        share = torch.stack([self._share(labels) for labels in self._labels()])
        fitted = self._anneal(self._family.maximize(self._products, share * weight))
        fitted, likelihood, _ = self._passes(fitted, self._short - round(_ANNEALED * self._short))
        order = self._merit(fitted, likelihood).argsort(descending=True, stable=True)
        fitted, likelihood, change = self._passes(fitted.of(order[:kept]), self._long)
        merit = self._merit(fitted, likelihood)
        best = merit.argmax()
        facts: dict[str, Any] = {}
        if change[best] < _TOLERANCE:
            facts = {"starts": self._count, "agreed": int((merit >= merit[best] - _SAME).sum())}
        return fitted.of(best[None]), facts

    def _anneal(self, fitted: Fitted) -> Fitted:
        """Run passes whose shares sharpen."""
        passes = round(_ANNEALED * self._short)
        plain = torch.arange(self._count, device=fitted.least.device) % _PLAIN == _WARDS - 1
        for number in range(passes):
            sharpness = torch.where(plain, 1.0, _DULL + (1 - _DULL) * number / passes).to(fitted.least)
            _, share = fitted.expect(self._products, sharpness)
            fitted = self._family.maximize(self._products, share * self._points.weight, fitted)
        return fitted

    def _passes(self, fitted: Fitted, most: int) -> tuple[Fitted, Tensor, Tensor]:
        """Run passes of EM until all mixtures have converged, at most `most`.

        Returns:
            The mixtures, their mean log-likelihoods before the last pass, and how much that pass changed them, `(S,)`.
        """
        weight = self._points.weight
        last = change = torch.full_like(fitted.least, torch.inf)
        for _ in range(most):
            density, share = fitted.expect(self._products)
            mean = (density @ weight) / weight.sum()
            change, last = (mean - last).abs(), mean
            if (change < _TOLERANCE).all():
                break
            fitted = self._family.maximize(self._products, share * weight, fitted)
        return fitted, last, change

    def _merit(self, fitted: Fitted, likelihood: Tensor) -> Tensor:
        """Return the log-likelihoods, minus a large number for components of too few events or no variance.

        The likelihood of a component with hardly more events than columns is high for any data, and says nothing.
        """
        scale = self._points.weight.mean()
        odd = 1e9 * (fitted.least < self._least * scale) + 1e10 * fitted.thin
        return likelihood.nan_to_num(-1e12, posinf=-1e12, neginf=-1e12) - odd

    def _share(self, labels: Tensor) -> Tensor:
        """Return the shares of components in points with these labels; -1 means none."""
        share = one_hot(labels.clamp_min(0), self._mixture.components).T.to(self._products.dtype) * (labels >= 0)
        if not isinstance(self._mixture, NoisyMixture):
            return share
        first = self._mixture.first_share
        return torch.cat([share * (1 - first), torch.full_like(share[:1], first)])

    def _labels(self) -> Iterator[Tensor]:
        """Yield the clusters of each start, `(n,)`."""
        views, weight, k = self._points.views(), self._points.weight, self._mixture.components
        some = draw((weight > 0).double(), _WARD)
        for view in (views[0], views[2], views[1], views[2])[:_WARDS]:
            labels = torch.full((len(weight),), -1, device=weight.device)
            labels[some] = ward(view[some], weight[some], k)
            yield labels
        for number in range(self._count - _WARDS):
            view, way = views[number % 3], number // 3 % 3
            centers = view[draw(weight, k)] if way == 2 else seeds(view, weight, k)
            if way == 0:
                centers = lloyd(view, weight, centers, _LLOYD)
            yield distances(view, centers).argmin(1)


def _log_volume(mixture: Mixture, scale: Tensor) -> Tensor | None:
    """Return the log-volume of the noise in units of the points; `None` without noise."""
    return mixture.log_volume.to(scale) - scale.log().sum() if isinstance(mixture, NoisyMixture) else None
