"""Values that many rows share, such as 0 among payments. They keep a probability of their own in each leaf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genzoo_tabular.copula.cells import cells
from genzoo_tabular.copula.quantiles import heavy_values

_SHARE = 0.1
"""Least share of the rows that have the value. A tree can give a smaller heap leaves of its own."""


@dataclass(frozen=True, slots=True)
class Heaps:
    """The shared values of a column of numbers.

    Arguments:
        values: in increasing order, `(A,)` float64.
        low, high: ends of the cell around each, `(A,)`: in a density, shared values spread evenly there.
    """

    values: Tensor
    low: Tensor
    high: Tensor

    @staticmethod
    def of(x: Tensor, weights: Tensor, count: bool) -> Heaps:
        """Find the values in a column `x (N,)` that so many rows share that no smooth density has them."""
        ends, below = cells(x.numpy(), weights.numpy(), 1e-3)
        heavy = heavy_values(below)
        place = torch.as_tensor(heavy[np.diff(below)[heavy] >= _SHARE])
        values, bounds = torch.unique(x)[place], torch.as_tensor(ends)
        if count:
            return Heaps(values, values - 0.5, values + 0.5)
        return Heaps(values, bounds[place], bounds[place + 1])

    def which(self, x: Tensor) -> Tensor:
        """Return the number of the heap that each of `x (N,)` equals, and `A` if none, `(N,)`."""
        if not len(self.values):
            return torch.zeros(len(x), dtype=torch.int64)
        place = torch.searchsorted(self.values, x.contiguous()).clamp_max(len(self.values) - 1)
        return torch.where(self.values[place] == x, place, len(self.values))

    def within(self, low: Tensor, high: Tensor) -> Tensor:
        """Return which heaps lie between `low` and `high (L,)`, `(L, A)`."""
        return (self.values > low[:, None]) & (self.values <= high[:, None])


def log_with_heaps(logs: Tensor, x: Tensor, ends: Tensor, heaps: Tensor, share: Tensor) -> Tensor:
    """Return the log-densities at `x (P,)` of a column with heaps, from the log-densities of its other values, `(P,)`.

    Arguments:
        ends: ends of the leaves, `(P, 2)`.
        heaps: value and ends of the cell of each heap, `(A, 3)`.
        share: probability of each heap, `(P, A)`.
    """
    _, low, high = heaps.unbind(1)
    width = torch.minimum(high, ends[:, 1:]) - torch.maximum(low, ends[:, :1])
    inside = (x[:, None] > low) & (x[:, None] <= high) & (width > 0)
    heaped = torch.where(inside, share / torch.where(width > 0, width, 1.0), 0.0).sum(1)
    return torch.logaddexp(heaped.log(), (1 - share.sum(1)).clamp_min(1e-12).log() + logs)


def draw_heaps(values: Tensor, heaps: Tensor, share: Tensor) -> Tensor:
    """Return the values `(N,)` with some replaced by heaps, each with its probability, `share (N, A)`."""
    u = torch.rand(len(values), 1, dtype=share.dtype, device=values.device)
    place = (u >= share.cumsum(1)).sum(1)
    shared = heaps[place.clamp_max(len(heaps) - 1), 0]
    return torch.where(place < len(heaps), shared, values)
