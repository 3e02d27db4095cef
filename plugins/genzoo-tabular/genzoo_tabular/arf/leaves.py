"""The distributions of columns in leaves, from the training rows there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genzoo_tabular.arf import normals
from genzoo_tabular.arf.heaps import Heaps
from genzoo_tabular.arf.model import LeafMixture
from genzoo_tabular.arf.trees import FlatTrees

_NARROWEST = 0.5
"""Smallest deviation of a number, in widths of the cells around values: narrower normals would profit from rounding."""

_NARROWEST_COUNT = 0.2

_LEAST_ROWS = 0.1
"""Rows that each leaf counts as, beside its own. It may have none if missing values were drawn anew."""

_FRESH = 0.5
"""Rows that each level counts as before any row is seen."""


def fill_leaves(
    forest: LeafMixture, trees: FlatTrees, x: Tensor, missing: Tensor, weights: Tensor, prior: float
) -> None:
    """Put trees into a forest, and set the weights and distributions of their leaves.

    The distribution of a column in a leaf is fitted to the rows there, and to `prior` rows that are spread as all
    training rows with values in the interval of the leaf.

    Arguments:
        x: rows with ranks, with no holes, `(N, C)` float64.
        missing: which of their values were missing, and count only for the leaf a row is in.
        weights: weights of rows, `(N,)`.
    """
    forest.roots, forest.nodes = trees.roots, trees.nodes
    forest.thresholds = trees.thresholds.to(forest.thresholds)
    row, leaf = forest.reach(x, None)
    size = len(trees.low)
    share = _sums(leaf, weights[row], size) + _LEAST_ROWS * weights.mean()
    share = share / _sums(trees.tree, share, len(trees.roots))[trees.tree]
    forest.log_weights = (share.log() - np.log(len(trees.roots))).to(forest.log_weights)
    forest.leaves = forest.leaves.new_zeros(size, len(forest.numbers), 4)
    forest.shares = forest.shares.new_zeros(size, forest.shares.shape[1])
    found = [_fill_numbers(forest, trees, place, x, missing, weights, prior) for place in range(len(forest.numbers))]
    forest.set_heaps([heaps for heaps, _ in found], [shares for _, shares in found])
    for place, column in enumerate(forest.named):
        weight = (weights * ~missing[:, column])[row]
        levels = len(forest.features[column].levels or ())
        own = _sums(leaf * levels + x[row, column].long(), weight, size * levels).view(size, levels)
        usual = _sums(x[:, column].long(), weights * ~missing[:, column], levels) + _FRESH
        rank = torch.arange(levels)
        inside = (rank > trees.low[:, column, None]) & (rank < trees.high[:, column, None])
        usual = usual * inside / (usual * inside).sum(1, keepdim=True)
        forest.shares[:, forest.slices[place]] = ((own + prior * usual) / (own.sum(1, keepdim=True) + prior)).to(
            forest.shares
        )


def _fill_numbers(
    forest: LeafMixture, trees: FlatTrees, place: int, x: Tensor, missing: Tensor, weights: Tensor, prior: float
) -> tuple[Heaps, Tensor]:
    """Set the normals of a column of numbers, and return its heaps with their probabilities in leaves, `(L, A)`."""
    column = forest.numbers[place]
    size, seen, count = len(trees.low), ~missing[:, column], forest.features[column].kind == "count"
    row, leaf = forest.reach(x, None)
    heaps = Heaps.of(x[seen, column], weights[seen], count)
    which = heaps.which(x[:, column])
    most = len(heaps.values)
    loose = seen & (which == most)
    known = _Column(x[loose, column], weights[loose], count)
    weight = (weights * loose)[row]
    sums = [_sums(leaf, weight * part[row], size) for part in known.powers(x[:, column])]
    low, high = trees.low[:, column], trees.high[:, column]
    low = low.clamp_min(-0.5) if count else low
    forest.leaves[:, place] = torch.stack([low, high, *known.fitted(sums, low, high, prior)], 1).to(forest.leaves)
    own = _sums(leaf * (most + 1) + which[row], (weights * seen)[row], size * (most + 1)).view(size, most + 1)
    heaped = _sums(which[seen], weights[seen], most + 1)[:most] * heaps.within(low, high)
    usual = torch.cat([heaped, known.mass(low, high)[:, None] + _FRESH], 1)
    usual = usual / usual.sum(1, keepdim=True)
    return heaps, ((own + prior * usual) / (own.sum(1, keepdim=True) + prior))[:, :most]


def _sums(place: Tensor, values: Tensor, size: int) -> Tensor:
    return values.new_zeros(size).index_add(0, place, values)


class _Column:
    """The observed values of a column of numbers in all training rows, but for heaps.

    Arguments:
        x, weights: values and their weights, `(n,)`.
        count: whether they are counts.
    """

    def __init__(self, x: Tensor, weights: Tensor, count: bool) -> None:
        self.count = count
        self.values, which = torch.unique(x, return_inverse=True)
        gaps = self.values.diff()
        if len(gaps):
            self.cells = (torch.cat([gaps[:1], gaps]) + torch.cat([gaps, gaps[-1:]])) / 2
        else:
            self.cells = torch.full_like(self.values, 1e-3)
        sums = _sums(which, weights, len(self.values))
        parts = torch.stack([sums * part for part in self.powers(self.values)])
        self.below = torch.cat([parts.new_zeros(4, 1), parts.cumsum(1)], 1)

    def powers(self, x: Tensor) -> list[Tensor]:
        """Return 1, the values, their squares, and the squared widths of the cells around them."""
        cells = self.cells[torch.searchsorted(self.values, x.contiguous()).clamp_max(len(self.values) - 1)]
        return [torch.ones_like(x), x, x**2, cells**2]

    def mass(self, low: Tensor, high: Tensor) -> Tensor:
        """Return the weight of the values between `low` and `high (L,)`, `(L,)`."""
        start, end = (torch.searchsorted(self.values, bound.contiguous()) for bound in (low, high))
        return self.below[0, end] - self.below[0, start]

    def fitted(self, sums: list[Tensor], low: Tensor, high: Tensor, prior: float) -> tuple[Tensor, Tensor]:
        """Return centers and deviations of cut normals between `low` and `high (L,)`.

        Arguments:
            sums: weighted sums of `powers` over the rows of each leaf.
        """
        start, end = (torch.searchsorted(self.values, bound.contiguous()) for bound in (low, high))
        all_ = self.below[:, end] - self.below[:, start]
        usual = torch.where(all_[0] > 0, all_, self.below[:, -1:])
        usual = usual / usual[0]
        own = torch.stack(sums)
        mean_of = (own + prior * usual) / (own[0] + prior)
        cells = mean_of[3]
        mean = torch.minimum(torch.maximum(mean_of[1], low), high)
        spread = (mean_of[2] - mean_of[1] ** 2).clamp_min(0.0)
        if self.count:  # rounding a number adds the variance of a cell
            variance, least = (spread - 1 / 12).clamp_min(0.0), torch.full_like(mean, _NARROWEST_COUNT)
        else:
            variance, least = spread + cells / 12, _NARROWEST * cells.sqrt()
        return normals.matching(low, high, mean, variance, least)
