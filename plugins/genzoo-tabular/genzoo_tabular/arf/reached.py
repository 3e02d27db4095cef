"""The leaves that rows may be in, with the density of the rows in each."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Reached:
    """Pairs of rows and leaves.

    Arguments:
        rows: number of rows, N.
        row, leaf: numbers of the row and the leaf of each pair, `(P,)`; each row has at least one leaf.
        logs: log-density of the observed values of the row and of the leaf, `(P,)`.
    """

    def __init__(self, rows: int, row: Tensor, leaf: Tensor, logs: Tensor) -> None:
        order = torch.argsort(row, stable=True)
        self.rows = rows
        self.row, self.leaf, self.logs = row[order], leaf[order], logs[order]

    def log_total(self) -> Tensor:
        """Return the log-density of each row, `(N,)`."""
        top = torch.full((self.rows,), -math.inf, dtype=self.logs.dtype, device=self.logs.device)
        top = top.scatter_reduce(0, self.row, self.logs, "amax")
        base = top.clamp_min(torch.finfo(top.dtype).min)
        return base + torch.zeros_like(top).index_add(0, self.row, (self.logs - base[self.row]).exp()).log()

    def posterior(self) -> Tensor:
        """Return the probability of each leaf given its row, `(P,)`; all are equal if the row is impossible."""
        total = self.log_total()[self.row]
        even = 1 / torch.bincount(self.row, minlength=self.rows)[self.row]
        return torch.where(total.isfinite(), (self.logs - total).exp(), even)

    def draw_leaves(self, rows: Tensor) -> Tensor:
        """Draw a leaf for each of `rows (M,)`, which may repeat, `(M,)`."""
        share = self.posterior()
        below = torch.cat([share.new_zeros(1), share.cumsum(0)])
        ends = torch.bincount(self.row, minlength=self.rows).cumsum(0)
        starts = torch.cat([ends.new_zeros(1), ends[:-1]])
        low, high = below[starts[rows]], below[ends[rows]]
        place = torch.searchsorted(below, low + torch.rand_like(low) * (high - low), right=True) - 1
        return self.leaf[torch.minimum(torch.maximum(place, starts[rows]), ends[rows] - 1)]

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of `values (P, ...)` over the leaves of each row, `(N, ...)`."""
        weight = self.posterior().view(-1, *(1 for _ in values.shape[1:]))
        return values.new_zeros(self.rows, *values.shape[1:]).index_add(0, self.row, weight * values)
