"""Exact nearest neighbors, computed in blocks.

Distances from a matrix product, `|a|² + |b|² − 2 a·b`, are fast but lose digits where two events are close. So the
product only gives bounds, which rule out most pairs. The distances of the remaining pairs are computed from differences
in float64. The results are the same as if all pairs had been computed so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from genzoo.features.extractor import Features

Index = np.ndarray[Any, np.dtype[np.int64]]


Pairs = tuple[Index, Index, Features]
"""Rows, columns and distances of pairs of events, `(P,)` each, in the order of rows and then of columns."""


NEAREST_REAL = "nearest real events"
"""Name under which metrics share the real events nearest to each sample."""


_BLOCK = 1024


_MATRIX = 2**24
"""Largest number of distances in memory at a time; a block still has at least 64 rows."""


_MORE = 8
"""Number of neighbors beyond the nearest ones that are looked at first, as bounds do not order close ones."""


_PAIRS = 2**22
"""Number of distances that are computed at a time, where all are needed."""


_DIFFERENCES = 2**17
"""Number of differences that are computed at a time; more would not stay in the cache of a core."""


_NARROW = 64
"""Number of features up to which products are computed in float64, which is fast enough there."""


_WIDE = 320
"""Number of features from which on it takes longer to compute bounds twice than to merge the smallest of blocks."""


_SMALL = 1e-8
"""Events are scaled if their largest deviation is below this, or above its inverse."""


_LARGEST = 1e30
"""Largest squared norm for products in float32, so that they cannot overflow."""


@dataclass(frozen=True, slots=True)
class Distinct:
    """Events without repetitions.

    Arguments:
        rows: the distinct events, `(U, F)`.
        inverse: index of each event in `rows`, `(N,)`.
        counts: how often each distinct event occurs, `(U,)`.
    """

    rows: Features
    inverse: Index
    counts: Index

    @staticmethod
    def of(events: Features) -> Distinct:
        """Return the distinct rows of `events (N, F)`."""
        plain = np.ascontiguousarray(events, np.float64) + 0.0  # turns −0 into 0, whose bytes differ
        # np.unique sorts a copy of the events. Sorting indices of rows takes little memory.
        whole = np.dtype((np.void, plain.itemsize * plain.shape[1]))
        order = np.argsort(plain.view(whole).ravel(), kind="stable")
        differ = (plain[i].tobytes() != plain[j].tobytes() for i, j in itertools.pairwise(order))
        fresh = np.array([True, *differ][: len(order)], np.bool_)
        inverse = np.empty(len(order), np.int64)
        inverse[order] = np.cumsum(fresh) - 1
        return Distinct(plain[order[fresh]], inverse, np.bincount(inverse))


class _Products:
    """Bounds of the squared distances from `a (N, F)` to `b (M, F)`, from matrix products.

    The slack is a bound of the rounding error of a sum of F products, relative to the squared norms.
    """

    def __init__(self, a: Features, b: Features) -> None:
        center = b.mean(axis=0)  # a large common offset would cost digits
        # One at a time, because events minus the center are as large as the events.
        parts = (b,) if a is b else (a, b)
        squares = [torch.linalg.vector_norm(torch.from_numpy(x - center), dim=1).square() for x in parts]
        narrow = a.shape[1] > _NARROW and max(float(s.max()) for s in squares) < _LARGEST
        kind = torch.float32 if narrow else torch.float64
        slack = torch.finfo(kind).eps * (a.shape[1] + 32)
        lengths = [square.to(kind) for square in squares]
        # The squared norms are two more columns, so that one product gives the bounds.
        least = [(1 - slack) * square[:, None] for square in lengths]
        rows = [torch.from_numpy(x - center).to(kind) for x in parts]
        ones = [torch.ones_like(square) for square in least]
        self._b = torch.cat([rows[-1], ones[-1], least[-1]], dim=1)
        self._a = torch.cat([rows[0].mul_(-2), least[0], ones[0]], dim=1)  # `rows[-1]` may be the same
        self._by_row, self._by_column = 2 * slack * lengths[0][:, None], 2 * slack * lengths[-1]

    def blocks(self, *, triangle: bool = False) -> Iterator[tuple[int, Tensor, Tensor, Tensor]]:
        """Yield for each block: its first row; lower bounds `(n, M)`; and two terms, `(n, 1)` and `(M,)`.

        The next block takes the memory of the bounds. Add both terms to the lower bounds to get upper bounds.

        Arguments:
            triangle: compute the columns from the first row of a block on, `(n, M - start)`; for the same `a` and `b`,
                the other columns are rows of earlier blocks. Both terms are still whole. Defaults to false.
        """
        step = min(_BLOCK, max(64, _MATRIX // len(self._b)))
        memory = self._a.new_empty(min(step, len(self._a)) * len(self._b))  # a new block each time would cost more
        for start in range(0, len(self._a), step):
            part = slice(start, start + step)
            rows, columns = self._a[part], self._b[start if triangle else 0 :]
            lower = memory[: len(rows) * len(columns)].view(len(rows), len(columns))
            yield start, torch.mm(rows, columns.T, out=lower), self._by_row[part], self._by_column

    def infinite(self, count: int) -> tuple[Tensor, Tensor]:
        """Return infinite bounds, and a column for each, `(N, count)`."""
        shape = len(self._a), count
        return self._a.new_full(shape, torch.inf), torch.zeros(shape, dtype=torch.int64)

    def lower(self, rows: Tensor) -> Tensor:
        """Return the lower bounds of some rows, `(n, M)`."""
        return self._a[rows] @ self._b.T


def distances_of_pairs(a: Features, b: Features) -> Features:
    """Return the distance of each row of `a (P, F)` to the same row of `b`, `(P,)`."""
    distances: Features = np.sqrt(((a - b) ** 2).sum(axis=1))
    return distances


def _exact(a: Features, b: Features, rows: Index, columns: Index) -> Features:
    step = max(1, _DIFFERENCES // a.shape[1])
    parts = [distances_of_pairs(a[rows[i : i + step]], b[columns[i : i + step]]) for i in range(0, len(rows), step)]
    return np.concatenate(parts) if parts else np.empty(0)


def _nearest(a: Features, b: Features, k: int) -> Iterator[tuple[int, int, Pairs]]:
    """Yield for each block of `a`: its first row, its length, and candidate pairs.

    The candidates contain the `k` nearest rows of `b` to each row of the block, and often a few more.
    """
    for start, lower, by_row, by_column in _Products(a, b).blocks():
        yield start, len(lower), _candidates(a, b, start, lower, by_row, by_column, k)


def _candidates(
    a: Features, b: Features, start: int, lower: Tensor, by_row: Tensor, by_column: Tensor, k: int
) -> Pairs:
    """Return pairs that contain the `k` nearest rows of `b` to each row of a block, from the bounds of the block."""
    few, columns = lower.topk(min(k + _MORE, len(b)), dim=1, largest=False)
    rows, found = _chosen(few, columns, lambda left: lower[left], by_row, by_column, k)
    return _with_distances(a, b, start, rows, found)


def _nearest_others(events: Features, k: int) -> Iterator[tuple[int, int, Pairs]]:
    """Yield the same as `_nearest` of events among themselves, without pairs of an event with itself."""
    products = _Products(events, events)
    if events.shape[1] > _WIDE:
        yield from _in_triangle(products, events, k)
        return
    for start, lower, by_row, by_column in products.blocks():
        lower.diagonal(start).fill_(torch.inf)
        yield start, len(lower), _candidates(events, events, start, lower, by_row, by_column, k)


def _in_triangle(products: _Products, events: Features, k: int) -> Iterator[tuple[int, int, Pairs]]:
    """Yield the same as `_nearest_others`; the bound of each pair is computed once."""
    count = min(k + _MORE, len(events))
    few, columns = products.infinite(count)
    for start, lower, by_row, by_column in products.blocks(triangle=True):
        end = start + len(lower)
        lower.fill_diagonal_(torch.inf)
        own, later = slice(start, end), slice(end, None)
        for part, bounds in ((own, lower), (later, lower[:, len(lower) :].T.contiguous())):
            if bounds.numel():
                least, place = bounds.topk(min(count, bounds.shape[1]), dim=1, largest=False)
                _merge(few, columns, part, least, place + start)
            del bounds

        def others(left: Tensor, start: int = start) -> Tensor:
            bounds = products.lower(left + start)
            bounds[torch.arange(len(left)), left + start] = torch.inf
            return bounds

        # All columns before the block have been seen: they were rows of earlier blocks.
        rows, found = _chosen(few[own], columns[own], others, by_row, by_column, k)
        yield start, end - start, _with_distances(events, events, start, rows, found)


def _merge(few: Tensor, columns: Tensor, part: slice, least: Tensor, place: Tensor) -> None:
    """Put the bounds `least` of the columns `place` among the smallest ones of some rows."""
    both, where = torch.cat([few[part], least], 1), torch.cat([columns[part], place], 1)
    few[part], order = both.topk(few.shape[1], dim=1, largest=False)
    columns[part] = where.gather(1, order)


def _chosen(
    few: Tensor, columns: Tensor, whole: Callable[[Tensor], Tensor], by_row: Tensor, by_column: Tensor, k: int
) -> tuple[Index, Index]:
    """Return pairs that contain the `k` nearest columns to each row.

    Arguments:
        few: the smallest lower bounds of each row, in increasing order, `(n, K)`.
        columns: their columns, `(n, K)`.
        whole: returns all lower bounds of some rows, `(m, M)`.
        by_row, by_column: terms to get upper bounds, `(n, 1)` and `(M,)`.
    """
    # The k-th nearest lies within the k-th smallest upper bound, so a pair with a larger lower bound is not among the
    # k nearest.
    reach = (few + by_column[columns]).add_(by_row).topk(k, dim=1, largest=False).values[:, -1:]
    full = (few[:, -1:] <= reach)[:, 0] if few.shape[1] < len(by_column) else torch.zeros(len(few), dtype=torch.bool)
    one, other = ((few <= reach) & ~full[:, None]).nonzero(as_tuple=True)
    rows, found = [one], [columns[one, other]]
    if full.any():  # there may be candidates beyond the few
        left = full.nonzero()[:, 0]
        one, other = (whole(left) <= reach[left]).nonzero(as_tuple=True)
        rows, found = [*rows, left[one]], [*found, other]
    return torch.cat(rows).numpy(), torch.cat(found).numpy()


def _with_distances(a: Features, b: Features, start: int, rows: Index, columns: Index) -> Pairs:
    """Return pairs in order, with their distances; `rows` count from `start`."""
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    return rows, columns, _exact(a, b, rows + start, columns)


def _unit(*events: Features) -> float:
    """Return a divisor that keeps squares of events from underflow and overflow: 1, or an exact power of 2."""
    center = events[-1].mean(axis=0)
    largest = max(float(np.abs(part - center).max()) for part in events)
    if largest == 0 or _SMALL < largest < 1 / _SMALL:
        return 1.0
    return math.ldexp(0.5, math.frexp(largest)[1])


@dataclass(frozen=True, slots=True)
class Nearest:
    """The two nearest of events `b (M, F)` to each of events `a (N, F)`; equal events of `b` count as one.

    Arguments:
        place: indices of the nearest and of the second nearest among the distinct events of `b`, `(N, 2)`.
        distance: their distances, `(N, 2)`; infinite if there is no second.
        inverse: index of each event of `b` among the distinct ones, `(M,)`.
    """

    place: Index
    distance: Features
    inverse: Index

    @staticmethod
    def of(a: Features, b: Features) -> Nearest:
        """Find the nearest of `b (M, F)` to each of `a (N, F)`."""
        unit = _unit(a, b)
        if unit != 1:
            return Nearest.of(a / unit, b / unit).scaled(unit)
        mine, theirs = Distinct.of(a), Distinct.of(b)
        del a, b  # the distinct events take as much memory
        found = Nearest.empty(len(mine.rows), theirs)
        for start, length, pairs in _nearest(mine.rows, theirs.rows, found.most):
            found.fill(start, length, pairs)
        return found.repeated(mine)

    @staticmethod
    def empty(count: int, others: Distinct) -> Nearest:
        """Return a place for the nearest of `others` to each of `count` events."""
        return Nearest(np.zeros((count, 2), np.int64), np.full((count, 2), np.inf), others.inverse)

    @property
    def most(self) -> int:
        """How many nearest events there are, 1 or 2."""
        return min(2, int(self.inverse.max()) + 1)

    @property
    def ratio(self) -> Features:
        """Distance to the nearest divided by the distance to the second nearest, 0 to 1, `(N,)`; 1 if there is none."""
        return ratios(self.distance[:, 0], self.distance[:, 1])

    def fill(self, start: int, length: int, pairs: Pairs) -> None:
        """Take the nearest of events from `start` on from pairs that contain them."""
        rows, columns, distance = pairs
        order = np.lexsort((distance, rows))
        begins = np.searchsorted(rows, np.arange(length))  # `rows` are sorted already
        for number in range(self.most):
            place = order[begins + number]
            self.place[start : start + length, number] = columns[place]
            self.distance[start : start + length, number] = distance[place]

    def repeated(self, events: Distinct) -> Nearest:
        """Return the same for events that may be equal, from those for the distinct events."""
        return Nearest(self.place[events.inverse], self.distance[events.inverse], self.inverse)

    def scaled(self, unit: float) -> Nearest:
        """Return the same for events that are `unit` times as large."""
        return Nearest(self.place, self.distance * unit, self.inverse)


def ratios(nearest: Features, second: Features) -> Features:
    """Return the distance to the nearest divided by the distance to the second nearest, 0 to 1; 1 if that is infinite.

    Arguments:
        nearest, second: the distances, `(N,)` each.
    """
    return np.where(np.isinf(second), 1.0, nearest / np.where(second > 0, second, 1.0))


def radii(events: Features, k: int) -> Features:
    """Return the distance of each of `events (N, F)` to its `k`-th nearest other event, `(N,)`.

    Events that are equal count separately.
    """
    unit = _unit(events)
    if unit != 1:
        return radii(events / unit, k) * unit
    distinct = Distinct.of(events)
    return _radii(distinct, k)[distinct.inverse]


def _radii(events: Distinct, k: int) -> Features:
    """Return the `radii` of distinct events, with their counts."""
    reach = np.zeros(len(events.rows))
    others = len(events.rows) - 1
    if not others:
        return reach
    for start, length, (rows, columns, distance) in _nearest_others(events.rows, min(k, others)):
        order = np.lexsort((distance, rows))
        rows, columns, distance = rows[order], columns[order], distance[order]
        # Each neighbor counts as often as it occurs, so the k-th is found in the running sum of the counts, which
        # goes on from row to row.
        met = np.cumsum(events.counts[columns])
        begins = np.searchsorted(rows, np.arange(length))
        before = np.concatenate([[0], met])[begins]
        wanted = k - (events.counts[start : start + length] - 1)  # copies of the event itself come first, at distance 0
        place = np.searchsorted(met, before + wanted)
        reach[start : start + length] = np.where(wanted > 0, distance[np.minimum(place, len(distance) - 1)], 0.0)
    return reach


@dataclass(frozen=True, slots=True)
class Neighborhoods:
    """Which samples lie in the neighborhoods of real events, and which real events in those around samples.

    The neighborhood of an event is a ball; it reaches to the `k`-th nearest event of the same kind.

    Arguments:
        holding: for each sample, the number of real neighborhoods it lies in, or their weight, `(M,)`.
        covered: for each real event, whether a sample lies in its neighborhood, `(N,)`.
        reached: for each real event, whether it lies in the neighborhood of a sample, `(N,)`.
        nearest: the real events nearest to each sample. Defaults to `None`: not computed.
    """

    holding: Index | Features
    covered: Index
    reached: Index
    nearest: Nearest | None = None

    @staticmethod
    def of(
        real: Features, samples: Features, k: int, weights: Features | None = None, *, nearest: bool = False
    ) -> Neighborhoods:
        """Compare `real (N, F)` with `samples (M, F)`, by balls that reach to the `k`-th nearest event.

        Arguments:
            weights: weights of the real events, `(N,)`. A ball around one of them then reaches as far as its neighbors
                weigh `k`. Defaults to `None`: equal weights.
            nearest: whether to find the real events nearest to each sample, too, if there are no weights. Defaults to
                false.
        """
        if weights is not None:
            return _weighted(real, samples, k, weights)
        unit = _unit(samples, real)
        if unit != 1:
            found = Neighborhoods.of(real / unit, samples / unit, k, nearest=nearest)
            return replace(found, nearest=found.nearest and found.nearest.scaled(unit))
        real_set, sample_set = Distinct.of(real), Distinct.of(samples)
        columns, rows = _radii(real_set, k), _radii(sample_set, k)
        holding = np.zeros(len(rows), np.int64)
        covered, reached = np.zeros(len(columns), bool), np.zeros(len(columns), bool)
        near = Nearest.empty(len(rows), real_set) if nearest else None
        for start, lower, by_row, by_column in _Products(sample_set.rows, real_set.rows).blocks():
            part = slice(start, start + len(lower))
            if near is not None:
                pairs = _candidates(sample_set.rows, real_set.rows, start, lower, by_row, by_column, near.most)
                near.fill(start, len(lower), pairs)
            own, theirs = (torch.from_numpy(r * r).to(lower.dtype) for r in (rows[part, None], columns))
            # Few pairs may be close enough. An exact distance decides what the bounds leave open.
            i, j = (lower <= theirs).logical_or_(lower <= own).nonzero(as_tuple=True)
            least, theirs, own = lower[i, j], theirs[j], own[i, 0]
            most = least + by_row[i, 0] + by_column[j]
            in_real, in_sample = most <= theirs, most <= own
            unsure = ((least <= theirs) & ~in_real) | ((least <= own) & ~in_sample)
            one, other = i.numpy() + start, j.numpy()
            x, y = one[unsure.numpy()], other[unsure.numpy()]
            distance = _exact(sample_set.rows, real_set.rows, x, y)
            in_real[unsure] = torch.from_numpy(distance <= columns[y])
            in_sample[unsure] = torch.from_numpy(distance <= rows[x])
            inside = in_real.numpy()
            met = np.bincount(i[in_real].numpy(), real_set.counts[other[inside]], len(lower))
            holding[part] = met.astype(np.int64)  # exact up to 2^53 events
            covered[other[inside]] = True
            reached[other[in_sample.numpy()]] = True
        return Neighborhoods(
            holding[sample_set.inverse],
            covered[real_set.inverse],
            reached[real_set.inverse],
            near and near.repeated(sample_set),
        )


def _weighted(real: Features, samples: Features, k: int, weights: Features) -> Neighborhoods:
    """Return neighborhoods of weighted real events, from all distances."""
    own, rows = _weighted_radii(real, weights, k), radii(samples, k)
    holding, covered, reached = np.zeros(len(samples)), np.zeros(len(real), bool), np.zeros(len(real), bool)
    step = max(1, _PAIRS // len(real))
    for start in range(0, len(samples), step):
        part = slice(start, start + step)
        apart = cdist(samples[part], real)
        inside = apart <= own
        holding[part] = inside @ weights
        covered |= inside.any(axis=0)
        reached |= (apart <= rows[part, None]).any(axis=0)
    return Neighborhoods(holding, covered, reached)


def _weighted_radii(events: Features, weights: Features, k: int) -> Features:
    """Return the distance of each of `events (N, F)` within which the others weigh `k`, `(N,)`."""
    reach = np.zeros(len(events))
    step = max(1, _PAIRS // len(events))
    for start in range(0, len(events), step):
        apart = cdist(events[start : start + step], events)
        place = np.arange(len(apart))
        apart[place, start + place] = np.inf
        order = apart.argsort(axis=1)
        met = np.cumsum(weights[order], axis=1) >= k * (1 - 1e-9)
        # The last of the order is the event itself. Light events may not weigh `k` together.
        last = np.where(met[:, :-1].any(axis=1), met.argmax(axis=1), len(events) - 2)
        reach[start : start + step] = apart[place, order[place, last]]
    return reach
