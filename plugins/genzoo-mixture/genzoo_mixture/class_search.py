"""The search for a start of latent classes: many short runs of EM from different starts, and longer runs of the best.

Most starts are random profiles: each class prefers random categories and numbers. Others are clusters around random
events and around seeds of k-means++, which find rare events that differ from all others. Equal rows of a table without
numbers are computed once.

References:
    "Choosing starting values for the EM algorithm for getting the highest likelihood in multivariate Gaussian mixture
    models" (Biernacki, Celeux and Govaert, 2003).
    "poLCA: An R Package for Polytomous Variable Latent Class Analysis" (Linzer and Lewis, 2011), on local maxima.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from genzoo import Batch
from genzoo_mixture.class_family import ClassFamily
from genzoo_mixture.emission import Diagonal, Full
from genzoo_mixture.kmeans import distances, draw, seeds
from genzoo_mixture.mixture import Mixture
from genzoo_mixture.points import Points, draw_events
from genzoo_mixture.scale import robust_deviation
from genzoo_mixture.surrogate import Fitted

_SAMPLE = 20_000
"""Largest number of events of a search; of more events, a uniform random sample is used."""

_ROWS = 2_000
"""Largest number of different events of a search."""

_MOST, _FEWEST = 400, 8
"""Largest and smallest number of starts."""

_STAGES = ((1.0, 25), (0.25, 100), (0.06, 600))
"""Stages of a search: which share of the starts takes part, the best so far, and the largest number of passes."""

_SHORTEST, _KEPT = 8, 4
"""Smallest number of passes of a stage, and of starts that take part in it."""

_BUDGET = 1.5e9
"""Roughly how many multiplications a stage may take."""

_NUMBERS = 2**23
"""Largest number of indicators and powers of all rows, so that they fit in memory."""

_TOLERANCE = 1e-8
"""Change of the mean log-likelihood in a pass, in nats, at which a run has converged."""

_SAME = 1e-5
"""Difference of mean log-likelihoods, in nats, at which two runs have found the same maximum; and largest change in the
last pass of the best run, if anything is said of others."""


def can_search_classes(mixture: Mixture) -> bool:
    """Return whether a mixture has columns of categories or counts, more than one class, and is not too wide."""
    if mixture.components == 1 or all(isinstance(emission, Full | Diagonal) for emission, _ in mixture.parts):
        return False
    return sum(emission.width for emission, _ in mixture.parts) * _ROWS <= _NUMBERS


class ClassSearch:
    """A search for the start of a mixture of independent columns.

    Arguments:
        mixture: the mixture, after `prepare` and `measure`.
        blocks: all events.

    Attributes:
        facts: how many starts were tried, and how many of those that were continued led to the best maximum found, for
            the run's record. Nothing is said if the best run did not converge.
    """

    def __init__(self, mixture: Mixture, blocks: Iterable[Batch]) -> None:
        self._components = mixture.components
        rows, weight = draw_events(_with_mask, blocks, _SAMPLE)
        self._rows, self._weight = _distinct(rows, weight, merge=not _has_numbers(mixture))
        x, missing = _parted(self._rows)
        values = x.masked_fill(missing, torch.nan)
        deviation = robust_deviation(values, self._weight)
        scale = torch.where(deviation > 0, deviation, 1.0)
        self._family = ClassFamily(mixture.parts, values.nanmean(0).nan_to_num(), scale)
        self._products = self._family.products(x, missing)
        shape = (len(x), *mixture.event_shape)
        self._points = Points(mixture, [Batch(x.view(shape), missing.view(shape), self._weight)], len(x)).sample
        self._cost = self._products.numel() * mixture.components
        self._count = int(min(_MOST, max(_FEWEST, _BUDGET / (_STAGES[0][1] * self._cost))))
        least = 2.0 * float(self._weight.mean()) if _has_numbers(mixture) else 0.0
        self._best, self.facts = self._run(least)

    def shares(self, batch: Batch) -> Tensor:
        """Return the shares of the classes in events, `(K, N)`."""
        missing = None if batch.missing is None else batch.missing.flatten(1)
        return self._best.shares(self._family.products(batch.x.flatten(1), missing))

    def _run(self, least: float) -> tuple[Fitted, dict[str, Any]]:
        """Run all starts, continue the best, and return the best one with the facts.

        Arguments:
            least: smallest weighted number of events of a class.
        """
        share = torch.stack([self._share(number) for number in range(self._count)])
        fitted = self._family.maximize(self._products, share * self._weight)
        merit = _merit(fitted, least)
        for share_kept, most in _STAGES:
            kept = max(_KEPT, round(share_kept * self._count))
            fitted = fitted.of(merit.argsort(descending=True, stable=True)[:kept])
            budget = max(_SHORTEST, int(_BUDGET / (kept * self._cost)))
            fitted = self._family.run(self._products, self._weight, fitted, min(most, budget), _TOLERANCE)
            merit = _merit(fitted, least)
        best = merit.argmax()
        facts: dict[str, Any] = {}
        if fitted.change[best] < _SAME:
            facts = {"starts": self._count, "agreed": int((merit >= merit[best] - _SAME).sum())}
        return fitted.of(best[None]), facts

    def _share(self, number: int) -> Tensor:
        """Return the shares of a start, `(K, n)`: of random profiles, or 1 for the class of the nearest center."""
        points, weight, k = self._points, self._weight, self._components
        way = number % 4
        if way < 2:
            # Logarithms of exponential variables: before they are normalized, probabilities drawn uniformly.
            profile = torch.empty(k, len(self._products) - 1, dtype=points.dtype, device=points.device)
            return (profile.exponential_().log() @ self._products[:-1]).softmax(0)
        centers = seeds(points, weight, k) if way == 2 else points[draw(weight, k)]
        return one_hot(distances(points, centers).argmin(1), k).T.to(points.dtype)


def _merit(fitted: Fitted, least: float) -> Tensor:
    """Return the log-likelihoods, minus a large number for classes of too few events or no variance."""
    odd = 1e9 * (fitted.counts.amin(1) < least) + 1e10 * fitted.thin
    return fitted.likelihood.nan_to_num(-1e12, posinf=-1e12, neginf=-1e12) - odd


def _has_numbers(mixture: Mixture) -> bool:
    """Return whether some column is continuous, so that a class can collapse."""
    return any(isinstance(emission, Diagonal) for emission, _ in mixture.parts)


def _with_mask(batch: Batch) -> Tensor:
    """Return the values of events and whether they are missing, `(N, 2 C)` float64."""
    x = batch.x.flatten(1).double()
    missing = torch.zeros_like(x) if batch.missing is None else batch.missing.flatten(1).double()
    return torch.cat([x, missing], 1)


def _parted(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the values of rows of `_with_mask`, and the mask of missing ones, `(n, C)` each."""
    x, missing = rows.chunk(2, 1)
    return x, missing > 0


def _distinct(rows: Tensor, weight: Tensor, *, merge: bool) -> tuple[Tensor, Tensor]:
    """Return different rows with the sum of their weights; if there are too many, of a part of the rows."""
    rows, weight = rows[weight > 0], weight[weight > 0]
    if not merge:
        return rows[:_ROWS], weight[:_ROWS]
    found, place = torch.unique(rows, dim=0, return_inverse=True)
    if len(found) > _ROWS:
        found, place = torch.unique(rows[:_ROWS], dim=0, return_inverse=True)
        weight = weight[:_ROWS]
    total = torch.bincount(place.cpu(), weight.cpu())  # on a GPU it would add in a random order
    return found, total.to(weight)
