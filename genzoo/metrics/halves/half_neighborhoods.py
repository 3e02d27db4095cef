"""Neighborhoods within random halves of the events, for the standard errors of precision, recall, density, coverage.

These scores are not means over independent events. Which real neighborhoods a sample lies in depends on all real
events nearby, and so do the values of other samples nearby. A binomial error is therefore too small. Half-sampling
includes this dependence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from genzoo.features.extractor import Features
from genzoo.metrics.distances import Index, Neighborhoods
from genzoo.metrics.halves.half_samples import SPLITS, Flags, random_halves
from genzoo.runtime.seeding import derive
from genzoo.typing import Array

_BLOCK = 2048
"""Largest number of events of a kind that are split together, if there are as many of both kinds."""


_LARGEST = 8192
"""Largest number of events of a kind in a block."""


_NARROW = 64
"""Number of features up to which distances are computed in float64."""


@dataclass(frozen=True, slots=True)
class Half:
    """One half of real events and of samples.

    Arguments:
        near: their neighborhoods.
        weights: weights of the real events, `(N / 2,)`.
    """

    near: Neighborhoods
    weights: Array


@dataclass(frozen=True, slots=True)
class HalfNeighborhoods:
    """Pairs of halves, one pair for each random split.

    Arguments:
        pairs: the halves.
        blocks: number of disjoint blocks that were split separately.
    """

    pairs: tuple[tuple[Half, Half], ...]
    blocks: int

    @staticmethod
    def of(real: Features, samples: Features, k: int, weights: Array, seed: int) -> HalfNeighborhoods | None:
        """Split `real (N, F)` and `samples (M, F)`; many of them in several blocks.

        The variance per event hardly depends on the number of events, and smaller blocks take less time.

        Arguments:
            weights: weights of the real events, `(N,)`, such that `k` is a weight of neighbors.

        Returns:
            The halves; `None` if there are too few events to split, or far more of one kind than of the other.
        """
        few, many = sorted((len(real), len(samples)))
        blocks = max(1, min(math.ceil(many / _BLOCK), few // (8 * (k + 1))))
        if few < 2 * (k + 1) or many / blocks > _LARGEST:
            return None
        rows, drawn = (_dealt(len(events), blocks, seed, part) for part, events in enumerate((real, samples)))
        splits = math.ceil(SPLITS / blocks)
        pairs: list[tuple[Half, Half]] = []
        for block in range(blocks):
            x, y = rows == block, drawn == block
            pairs += _Block(real[x], samples[y], k, weights[x]).halves(seed + block, splits)
        return HalfNeighborhoods(tuple(pairs), blocks)


def _dealt(count: int, blocks: int, seed: int, part: int) -> Index:
    """Return a random block for each of `count` events; blocks have the same size, up to 1."""
    return np.random.default_rng(derive(seed, "half-blocks", part)).permutation(count) % blocks


class _Block:
    """Distances among some events, from which the neighborhoods in any half of them follow.

    Each event has a list of its nearest of the same kind. It is long enough to reach the `k`-th nearest in a random
    half. (For about 1 event of 200 it is not, and the last of the list takes its place.)
    """

    def __init__(self, real: Features, samples: Features, k: int, weights: Array) -> None:
        center = real.mean(axis=0)
        kind = torch.float64 if real.shape[1] <= _NARROW else torch.float32
        x, y = (torch.from_numpy(events - center).to(kind) for events in (real, samples))
        unit = max(float(x.abs().max()), float(y.abs().max())) or 1.0
        x, y = x / unit, y / unit
        self._k, self._weights = k, weights
        size = max(float(weights.mean()), 1e-3)
        length = 4 * k
        self._real = _Nearest(x, weights, min(len(x) - 1, math.ceil(length / size)))
        self._samples = _Nearest(y, np.ones(len(y)), min(len(y) - 1, length))
        apart = _squares(y, x)
        reach = torch.maximum(self._samples.farthest[:, None], self._real.farthest)
        row, column = (apart <= reach).nonzero(as_tuple=True)
        self._pairs = row.numpy(), column.numpy(), apart[row, column].numpy()

    def halves(self, seed: int, splits: int) -> list[tuple[Half, Half]]:
        """Return the pairs of halves of `splits` random splits."""
        mine = random_halves(len(self._weights), seed, 0, splits)
        theirs = random_halves(len(self._samples.weights), seed, 1, splits)
        return [self._split(u, v) for u, v in zip(mine, theirs, strict=True)]

    def _split(self, mine: Flags, theirs: Flags) -> tuple[Half, Half]:
        """Return both halves: events in `mine (N,)` and samples in `theirs (M,)`, and the others."""
        row, column, apart = self._pairs
        same = np.flatnonzero(theirs[row] == mine[column])
        row, column, apart = row[same], column[same], apart[same]
        inside = apart <= self._real.reach(mine, self._k)[column]
        reaching = apart <= self._samples.reach(theirs, self._k)[row]
        holding = np.bincount(row[inside], self._weights[column[inside]], len(theirs))
        covered, reached = np.zeros(len(mine), bool), np.zeros(len(mine), bool)
        covered[column[inside]] = True
        reached[column[reaching]] = True
        first, second = (
            Half(Neighborhoods(holding[v], covered[u], reached[u]), self._weights[u])
            for u, v in ((mine, theirs), (~mine, ~theirs))
        )
        return first, second


class _Nearest:
    """The nearest events of the same kind to each event, in increasing distance.

    Arguments:
        events: `(N, F)`.
        weights: their weights, `(N,)`.
        length: number of nearest events to each.
    """

    def __init__(self, events: torch.Tensor, weights: Array, length: int) -> None:
        apart = _squares(events, events).fill_diagonal_(torch.inf)
        found = apart.topk(length, dim=1, largest=False)
        self.weights, self._equal = weights, bool((weights == 1).all())
        self.farthest = found.values[:, -1]
        self._squares, self._place = found.values.numpy(), found.indices.numpy()
        self._rows = np.arange(len(weights))

    def reach(self, half: Flags, k: int) -> Array:
        """Return the squared radius of each event's neighborhood within its half, `(N,)`."""
        own = half[self._place] == half[:, None]
        if self._equal:
            met = own.cumsum(axis=1, dtype=np.int16) >= k
        else:
            met = np.cumsum(own * self.weights[self._place], axis=1) >= k * (1 - 1e-9)
        place = np.where(met[:, -1], met.argmax(axis=1), met.shape[1] - 1)
        squares: Array = self._squares[self._rows, place]
        return squares


def _squares(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return the squared distances of `a (N, F)` to `b (M, F)`, `(N, M)`, rounded so that equal ones stay equal."""
    own, theirs = (a * a).sum(dim=1, keepdim=True), (b * b).sum(dim=1)
    squares = torch.addmm(theirs, a, b.T, alpha=-2).add_(own)
    # Products leave rounding errors of about this size where events are equal.
    slack = torch.finfo(a.dtype).eps * (a.shape[1] + 32)
    return torch.where(squares > slack * (own + theirs), squares, 0.0).to(torch.float32)
