"""Many mixtures of independent columns of any kind on one table at once, for short runs of EM.

The log-density of a component is linear in what is known of an event: the indicators of its categories, its counts,
and the powers of its numbers. So both steps of EM are one matrix product for S mixtures, as in `surrogate.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genzoo_mixture.emission import Diagonal, Emission
from genzoo_mixture.emission.categories import LEAST_PROBABILITY, Categories
from genzoo_mixture.emission.counts import LEAST_RATE, Counts
from genzoo_mixture.surrogate import RIDGE, THIN, Fitted, Surrogate

_NONE = 1e-10
"""Weighted number of events that stands for none, so that no division is by zero."""


class _Levels:
    """Categorical columns: an indicator for each level."""

    def __init__(self, emission: Categories) -> None:
        self._levels = emission.levels
        self._emission = emission

    def products(self, x: Tensor, known: Tensor) -> Tensor:
        return self._emission.indicate(x, ~known)

    def maximize(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        parts = []
        for counts in torch.split(sums, self._levels, -1):
            share = (counts / counts.sum(-1, keepdim=True).clamp_min(_NONE)).clamp_min(LEAST_PROBABILITY)
            parts.append((share / share.sum(-1, keepdim=True)).log())
        return torch.cat(parts, -1), _never(sums)


class _Counts:
    """Columns of counts: each count, and whether it is known."""

    def products(self, x: Tensor, known: Tensor) -> Tensor:
        return torch.cat([torch.where(known, x, 0.0), known.to(x.dtype)], 1)

    def maximize(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        total, present = sums.chunk(2, -1)
        rate = (total / present.clamp_min(_NONE)).clamp_min(LEAST_RATE)
        return torch.cat([rate.log(), -rate], -1), _never(sums)


class _Numbers:
    """Columns of numbers: the square, the number, and whether it is known.

    Arguments:
        center, scale: middle and deviation of each column, `(C,)`. Computed in these units, no digits are lost.
        ridge: variance added to each column, in squared deviations, `(C,)`.
    """

    def __init__(self, center: Tensor, scale: Tensor, ridge: Tensor) -> None:
        self._center, self._scale, self._ridge = center, scale, ridge

    def products(self, x: Tensor, known: Tensor) -> Tensor:
        z = torch.where(known, (x - self._center) / self._scale, 0.0)
        return torch.cat([z.square(), z, known.to(x.dtype)], 1)

    def maximize(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        squares, total, present = sums.chunk(3, -1)
        present = present.clamp_min(_NONE)
        mean = total / present
        variance = (squares / present - mean.square()).clamp_min(0.0) + self._ridge
        constant = -0.5 * (mean.square() / variance + variance.log() + math.log(2 * math.pi)) - self._scale.log()
        return torch.cat([-0.5 / variance, mean / variance, constant], -1), (variance <= THIN * self._ridge).any(-1)


def _never(sums: Tensor) -> Tensor:
    """Say of no component `(S, K)` that it collapsed: a probability is at most 1."""
    return torch.zeros(sums.shape[:-1], dtype=torch.bool, device=sums.device)


_Part = _Levels | _Counts | _Numbers


class ClassFamily(Surrogate):
    """Mixtures of independent columns.

    Arguments:
        parts: each emission with its columns.
        center, scale: middle and robust deviation of every column, `(C,)`.
    """

    def __init__(self, parts: Sequence[tuple[Emission[Any], Sequence[int]]], center: Tensor, scale: Tensor) -> None:
        self._parts: list[tuple[_Part, list[int]]] = []
        for emission, places in parts:
            columns = list(places)
            self._parts.append((_part(emission, center[columns], scale[columns]), columns))
        self._widths: list[int] = []

    def products(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Compute what log-densities are linear in, and 1, for events `(n, C)`, `(M, n)` float64."""
        wide = x.double()
        known = torch.ones_like(x, dtype=torch.bool) if missing is None else ~missing
        found = [part.products(wide[:, columns], known[:, columns]) for part, columns in self._parts]
        self._widths = [each.shape[1] for each in found]
        return torch.cat([*found, torch.ones_like(wide[:, :1])], 1).T.contiguous()

    def maximize(self, products: Tensor, share: Tensor, last: Fitted | None = None) -> Fitted:
        mixtures, components, n = share.shape
        sums = (share.reshape(-1, n) @ products.T).view(mixtures, components, -1)
        counts = sums[..., -1].clamp_min(_NONE)
        coefficients, thin = [], _never(sums)
        for (part, _), own in zip(self._parts, torch.split(sums[..., :-1], self._widths, -1), strict=True):
            found, collapsed = part.maximize(own)
            coefficients.append(found)
            thin = thin | collapsed
        weight = (counts / counts.sum(1, keepdim=True)).log()
        whole = torch.cat([*coefficients, weight[..., None]], -1)
        unknown = torch.full_like(counts[:, 0], -torch.inf)
        return Fitted(whole, None, counts, thin.any(1), None, unknown, -unknown)


def _part(emission: Emission[Any], center: Tensor, scale: Tensor) -> _Part:
    if isinstance(emission, Categories):
        return _Levels(emission)
    if isinstance(emission, Counts):
        return _Counts()
    assert isinstance(emission, Diagonal)
    return _Numbers(center, scale, RIDGE + emission.added_to(scale.square()) / scale.square())
