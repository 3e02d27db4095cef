"""Nearest neighbours by exact blocked distances."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genzoo.features.extractor import Features

Index = np.ndarray[Any, np.dtype[np.int64]]


_BLOCK = 1024


_MATRIX = 2**24
"""Most distances that are held at a time, unless there are so many columns that a few rows have more."""


_PAIRS = 2**22
"""Numbers of pairs that are subtracted at a time."""


_NARROW = 64
"""Features up to which products are cheap enough in float64."""


_SMALL = 1e-8
"""Largest number below which events are scaled, and above whose inverse."""


_LARGEST = 1e30
"""Squared norm up to which products cannot overflow in float32."""


@dataclass(frozen=True, slots=True)
class Distinct:
    """Events without repetitions.

    Arguments:
        rows: each once, `(U, F)`.
        inverse: of each event, its place among them, `(N,)`.
        counts: how many events each stands for, `(U,)`.
    """

    rows: Features
    inverse: Index
    counts: Index

    @staticmethod
    def of(events: Features) -> Distinct:
        """Those of `events (N, F)`."""
        plain = np.ascontiguousarray(events, np.float64) + 0.0  # −0 is 0
        keys = plain.view(np.dtype((np.void, plain.itemsize * plain.shape[1]))).ravel()
        _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        return Distinct(plain[first], inverse, counts)


class _Products:
    """Bounds of squared distances of `a (N, F)` to `b (M, F)`, from products of matrices."""

    def __init__(self, a: Features, b: Features) -> None:
        center = b.mean(axis=0)  # a large common offset would cancel badly
        wide = torch.from_numpy(a - center), torch.from_numpy(b - center)
        squares = [(x * x).sum(dim=1) for x in wide]
        narrow = a.shape[1] > _NARROW and max(float(s.max()) for s in squares) < _LARGEST
        kind = torch.float32 if narrow else torch.float64
        self._a, self._b = (x.to(kind) for x in wide)
        self._squares = [s.to(kind) for s in squares]
        self._slack = torch.finfo(kind).eps * (a.shape[1] + 32)

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """Of each block: its first row; upper bounds `(n, M)`; and what to take from them for lower ones, as a part
        of each row `(n, 1)` and a part of each column `(M,)`.
        """
        mine, theirs = self._squares
        step = min(_BLOCK, max(64, _MATRIX // len(self._b)))
        for start in range(0, len(self._a), step):
            rows, square = self._a[start : start + step], mine[start : start + step, None]
            upper = torch.addmm(theirs * (1 + self._slack), rows, self._b.T, alpha=-2).add_(square * (1 + self._slack))
            yield start, upper, 2 * self._slack * square, 2 * self._slack * theirs


def distances_of_pairs(a: Features, b: Features) -> Features:
    """Distance of each row of `a (P, F)` to the same row of `b`, `(P,)`."""
    found: Features = np.sqrt(((a - b) ** 2).sum(axis=1))
    return found


def _exact(a: Features, b: Features, rows: Index, columns: Index) -> Features:
    step = max(1, _PAIRS // a.shape[1])
    parts = [distances_of_pairs(a[rows[i : i + step]], b[columns[i : i + step]]) for i in range(0, len(rows), step)]
    return np.concatenate(parts) if parts else np.empty(0)


def _nearest(a: Features, b: Features, k: int, *, own: bool) -> Iterator[tuple[int, int, Index, Index, Features]]:
    """Of each block of `a`: its first row and its length; pairs among which are those of each row with its `k` nearest
    of `b`, and their distances.

    Arguments:
        own: leave out the pair of each row with the same row of `b`.
    """
    for start, upper, by_row, by_column in _Products(a, b):
        if own:
            place = torch.arange(len(upper))
            upper[place, start + place] = torch.inf
        reach = upper.amin(dim=1, keepdim=True) if k == 1 else upper.topk(k, dim=1, largest=False).values[:, -1:]
        rows, columns = (i.numpy() for i in (upper - by_column <= reach + by_row).nonzero(as_tuple=True))
        yield start, len(upper), rows, columns, _exact(a, b, rows + start, columns)


def _unit(*events: Features) -> float:
    """What to divide events by so that no square of theirs vanishes or overflows: 1, or a power of 2, which rounds
    nothing.
    """
    center = events[-1].mean(axis=0)
    largest = max(float(np.abs(part - center).max()) for part in events)
    if largest == 0 or _SMALL < largest < 1 / _SMALL:
        return 1.0
    return math.ldexp(0.5, math.frexp(largest)[1])


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest of some events, equal ones counted as one, to each of others.

    Arguments:
        place: of the nearest one among the different events, `(N,)`.
        inverse: of each event, its place among the different ones, `(M,)`.
        ratio: of the distances to the nearest and to the second nearest, 0 to 1; 1 where there is no second, `(N,)`.
    """

    place: Index
    inverse: Index
    ratio: Features

    @staticmethod
    def of(a: Features, b: Features) -> Nearest:
        """Those of `b (M, F)` to each of `a (N, F)`."""
        unit = _unit(a, b)
        if unit != 1:
            return Nearest.of(a / unit, b / unit)
        mine, theirs = Distinct.of(a), Distinct.of(b)
        place, ratio = np.zeros(len(mine.rows), np.int64), np.ones(len(mine.rows))
        for start, _, rows, columns, distance in _nearest(mine.rows, theirs.rows, min(2, len(theirs.rows)), own=False):
            order = np.lexsort((distance, rows))
            own, first = np.unique(rows[order], return_index=True)
            place[start + own] = columns[order[first]]
            if len(theirs.rows) > 1:
                near, next_near = distance[order[first]], distance[order[first + 1]]
                ratio[start + own] = near / np.where(next_near > 0, next_near, 1.0)
        return Nearest(place[mine.inverse], theirs.inverse, ratio[mine.inverse])


def radii(events: Features, k: int) -> Features:
    """Distance of each of `events (N, F)` to its `k`-th nearest other event, `(N,)`; equal ones count one by one."""
    unit = _unit(events)
    if unit != 1:
        return radii(events / unit, k) * unit
    distinct = Distinct.of(events)
    return _radii(distinct, k)[distinct.inverse]


def _radii(events: Distinct, k: int) -> Features:
    """As `radii`, of each distinct event."""
    found = np.zeros(len(events.rows))
    others = len(events.rows) - 1
    if not others:
        return found
    for start, length, rows, columns, distance in _nearest(events.rows, events.rows, min(k, others), own=True):
        order = np.lexsort((distance, rows))
        rows, columns, distance = rows[order], columns[order], distance[order]
        met = np.cumsum(events.counts[columns])
        begins = np.searchsorted(rows, np.arange(length))
        before = np.concatenate([[0], met])[begins]
        wanted = k - (events.counts[start : start + length] - 1)  # equal events are nearest of all, at distance 0
        place = np.searchsorted(met, before + wanted)
        found[start : start + length] = np.where(wanted > 0, distance[np.minimum(place, len(distance) - 1)], 0.0)
    return found


@dataclass(frozen=True, slots=True)
class Neighborhoods:
    """How two kinds of events lie in each other's neighbourhoods.

    Arguments:
        holding: of each sample, how many real neighbourhoods it lies in, `(M,)`.
        covered: of each real event, whether a sample lies in its neighbourhood, `(N,)`.
        reached: of each real event, whether it lies in the neighbourhood of a sample, `(N,)`.
    """

    holding: Index
    covered: Index
    reached: Index

    @staticmethod
    def of(real: Features, samples: Features, k: int) -> Neighborhoods:
        """Those of balls to the `k`-th nearest event of the same kind."""
        unit = _unit(samples, real)
        if unit != 1:
            return Neighborhoods.of(real / unit, samples / unit, k)
        real_set, sample_set = Distinct.of(real), Distinct.of(samples)
        columns, rows = _radii(real_set, k), _radii(sample_set, k)
        holding = np.zeros(len(rows), np.int64)
        covered, reached = np.zeros(len(columns), bool), np.zeros(len(columns), bool)
        for start, upper, by_row, by_column in _Products(sample_set.rows, real_set.rows):
            part = slice(start, start + len(upper))
            own, theirs = (torch.from_numpy(r * r).to(upper.dtype) for r in (rows[part, None], columns))
            in_real, in_sample = upper <= theirs, upper <= own
            lower = upper.sub_(by_row).sub_(by_column)
            unsure = ((lower <= theirs) & ~in_real) | ((lower <= own) & ~in_sample)
            i, j = unsure.nonzero(as_tuple=True)
            distance = _exact(sample_set.rows, real_set.rows, i.numpy() + start, j.numpy())
            in_real[i, j] = torch.from_numpy(distance <= columns[j.numpy()])
            in_sample[i, j] = torch.from_numpy(distance <= rows[part][i.numpy()])
            weights = torch.from_numpy(real_set.counts).to(torch.float32)  # exact up to 2^24 events
            holding[part] = (in_real.to(torch.float32) @ weights).round().to(torch.int64).numpy()
            covered |= in_real.any(dim=0).numpy()
            reached |= in_sample.any(dim=0).numpy()
        return Neighborhoods(holding[sample_set.inverse], covered[real_set.inverse], reached[real_set.inverse])
