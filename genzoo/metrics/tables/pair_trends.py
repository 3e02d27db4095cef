"""Similarity of each pair of columns between real and sampled tables.

Two columns of numbers are as similar as their correlations, `1 - |r - s| / 2`. Any other pair is as similar as its
tables of shares: 1 minus their total variation distance. Numbers then fall into ten bins of equal width between the
smallest and the largest real value; the outer bins have no end.

References:
    `CorrelationSimilarity`, `ContingencySimilarity` and "Column Pair Trends" of the package SDMetrics (MIT Data To AI
    Lab, 2020). It leaves out correlations with a column that is constant in the samples. Here they are 0, because a
    collapsed model would gain by leaving them out. Its report bins the samples by their own range; its function
    `ContingencySimilarity`, as here, by the real one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from genzoo.errors import DataError
from genzoo.metrics.halves.half_samples import FLOORS, HalfSpread, between_halves
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.metrics.tables.correlations import correlation_errors, correlations
from genzoo.metrics.tables.marginals import table_pair, worst_first
from genzoo.metrics.tables.multipliers import DRAWS, Gaps, share_errors, shrunk, signed_shares, simulated_spread
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import Modality
from genzoo.typing import Array

_BINS = 10

_COUNTED = 400_000_000
"""Largest number of values that the error counts; of wider tables, it uses fewer rows."""

_KEPT = 50_000_000
"""Largest number of cells of events that stay in memory."""

_LEAST = 100
"""Smallest number of rows that the error uses, if there are as many."""


_NONE = np.zeros((0, 0))


class PairTrends(Metric):
    """Mean similarity over pairs of columns; the part of a column is the mean over its pairs, the worst first.

    Even between samples of the same distribution it is below 1, so `real_halves` is the value between two halves of the
    real events.
    """

    name = "pair-trends"
    direction: Direction = "higher"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("table",)
    weighted = True

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        real, samples = table_pair(given)
        pairs = _Pairs.of(given.data, real)
        names = [feature.name for feature in given.data.features]
        if not len(pairs.columns):
            raise DataError("Pairs need two columns, and correlations two that change in the real events.")
        weights = given.weights_of_real
        x, y = pairs.side(real), pairs.side(samples)
        found = pairs.between(x, y)(weights, np.ones(len(samples)))
        among = pairs.between(x, x)
        splits = max(1, min(FLOORS, _COUNTED // (4 * len(real) * len(found))))
        spread = _spread(pairs, x, y, weights, given.seed)
        return Score(
            self.name,
            float(found.mean()),
            self.direction,
            spread.error,
            {"unit": "1 - difference of correlations / 2, or 1 - total variation distance", "pairs": len(found)},
            notes=_left_out(given.data, pairs),
            parts=worst_first(
                {name: float(found[own.any(axis=1)].mean()) for name, own in _by_column(pairs, names) if own.any()},
                self.direction,
            ),
            real_halves=between_halves(lambda u, v: float(among(u, v).mean()), weights, given.seed, splits),
            shared=spread.shared,
        )


@dataclass(frozen=True, slots=True)
class _Side:
    """Real events or samples.

    Arguments:
        numbers: the columns of numbers that change in the real events, `(N, D)`.
        codes: the code of the level or bin of every column, `(C, N)`.
    """

    numbers: Array
    codes: Array

    def thinned(self, rows: Array) -> _Side:
        """Return some rows of it."""
        return _Side(self.numbers[rows], self.codes[:, rows])


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The pairs of columns of a table: first two columns of numbers each, then the others.

    Arguments:
        columns: the columns of each pair, `(P, 2)`.
        numbers: the columns of numbers that change in the real events, `(D,)`.
        edges: the inner ends of the bins of each column of numbers, by column.
        sizes: number of levels or bins of each column.
    """

    columns: Array
    numbers: Array
    edges: dict[int, Array]
    sizes: tuple[int, ...]

    @staticmethod
    def of(data: DataSpec, real: Array) -> _Pairs:
        """Find the pairs that have a similarity, and the bins of numbers in the real events `(N, C)`."""
        levels = [feature.levels for feature in data.features]
        numeric = [place for place, named in enumerate(levels) if named is None]
        changing = [place for place in numeric if np.ptp(real[:, place]) > 0]
        others = [pair for pair in combinations(range(len(levels)), 2) if not set(pair) <= set(numeric)]
        return _Pairs(
            np.array([*combinations(changing, 2), *others], np.int64).reshape(-1, 2),
            np.array(changing, np.int64),
            {place: np.histogram_bin_edges(real[:, place], _BINS)[1:-1] for place in numeric},
            tuple(_BINS if named is None else len(named) for named in levels),
        )

    @property
    def correlated(self) -> int:
        """Number of pairs of two columns of numbers."""
        return math.comb(len(self.numbers), 2)

    def side(self, events: Array) -> _Side:
        """Return the numbers and codes of `events (N, C)`."""
        codes = [
            np.digitize(values, self.edges[place]) if place in self.edges else values.astype(np.int64)
            for place, values in enumerate(events.T)
        ]
        return _Side(events[:, self.numbers], np.array(codes))

    def between(self, x: _Side, y: _Side) -> Callable[[Array, Array], Array]:
        """Return a function of the weights of `x (N)` and `y (M)`: the similarity of each pair, `(P,)`."""
        tables = self.tables(x, y)

        def similarities(u: Array, v: Array) -> Array:
            gaps = np.abs(self.correlations(x, u) - self.correlations(y, v))
            signed = signed_shares(u, v)
            found: Array = 1 - np.concatenate([gaps, *(group.size(group.gaps(signed)) for group in tables())]) / 2
            return found

        return similarities

    def correlations(self, side: _Side, weights: Array) -> Array:
        """Return the correlations of the pairs of numbers, `(correlated,)`, for weights of the events `(N,)`."""
        found = correlations(side.numbers, weights) if self.correlated else _NONE
        return found[np.triu_indices(len(found), 1)]

    def tables(self, x: _Side, y: _Side) -> Callable[[], Iterable[_Group]]:
        """Return a function that returns the tables of all other pairs; few ones stay in memory."""
        rows = len(x.numbers) + len(y.numbers)
        each = functools.partial(self._groups, np.concatenate([x.codes, y.codes], axis=1).astype(np.int32))
        if rows * len(self.columns) > _KEPT:
            return each
        groups = list(each())
        return lambda: groups

    def _groups(self, codes: Array) -> Iterator[_Group]:
        """Yield the tables of each column with the columns after it, for the codes of all events `(C, N + M)`."""
        pairs = self.columns[self.correlated :]
        for first in dict.fromkeys(pairs[:, 0].tolist()):
            others = pairs[pairs[:, 0] == first, 1]
            sizes = np.array(self.sizes)[others]
            ends = np.cumsum(self.sizes[first] * sizes)
            starts = ends - self.sizes[first] * sizes
            cells = codes[first] * sizes[:, None] + codes[others] + starts[:, None]  # one table after the other
            if ends[-1] > cells.size:  # most cells are empty
                found, cells = np.unique(cells, return_inverse=True)
                ends = np.searchsorted(found, ends)
            yield _Group(cells.reshape(len(others), -1), ends)


@dataclass(frozen=True, slots=True)
class _Group:
    """Tables of one column with some others.

    Arguments:
        cells: the cell of each event in each table, `(Q, N + M)`; each table has its own cells, after all earlier ones.
        ends: the number of cells up to the end of each table, `(Q,)`.
    """

    cells: Array
    ends: Array

    @property
    def starts(self) -> Array:
        """The number of cells before each table, `(Q,)`."""
        return np.concatenate([[0], self.ends[:-1]])

    def gaps(self, signed: Array) -> Array:
        """Return the sums of signed shares `(N + M,)` in the cells of all tables, `(ends[-1],)`."""
        return np.bincount(self.cells.ravel(), np.tile(signed, len(self.cells)), self.ends[-1])

    def size(self, gaps: Array) -> Array:
        """Return the sum of the absolute differences between the tables of `x` and of `y`, `(Q,)`."""
        found: Array = np.add.reduceat(np.abs(gaps), self.starts)
        return found

    def shrunk(self, u: Array, v: Array) -> Array:
        """Return estimates of the true gaps, all of a table shrunk alike, for weights `u (N,)` and `v (M,)`."""
        whole = Gaps(self.gaps, lambda gaps: float(np.abs(gaps).sum()))
        gaps, variance = self.gaps(signed_shares(u, v)), whole.variance(u, v)
        parts = zip(np.split(gaps, self.ends[:-1]), np.split(variance, self.ends[:-1]), strict=True)
        return np.concatenate([shrunk(own, float(error.sum())) for own, error in parts])


def _by_column(pairs: _Pairs, names: list[str]) -> list[tuple[str, Array]]:
    return [(name, pairs.columns == place) for place, name in enumerate(names)]


def _left_out(data: DataSpec, pairs: _Pairs) -> tuple[str, ...]:
    constant = [data.features[place].name for place in pairs.edges if place not in pairs.numbers]
    if not constant or len(pairs.edges) < 2:
        return ()
    return (f"left out: correlations with {', '.join(constant)}, which never change in the real events.",)


def _spread(pairs: _Pairs, x: _Side, y: _Side, weights: Array, seed: int) -> HalfSpread:
    """Return the spread of the mean similarity, by a multiplier bootstrap; of wide tables, from fewer rows.

    The variance of gaps is proportional to one over the number of rows, which scales it back.
    """
    counts = len(weights), len(y.numbers)
    most = max(_COUNTED // (DRAWS * max(len(pairs.columns) - pairs.correlated, 1)), _LEAST)
    share = min(1.0, most / min(counts))
    rows, drawn = (np.linspace(0, count - 1, round(share * count)).astype(np.int64) for count in counts)
    x, y, u, v = x.thinned(rows), y.thinned(drawn), weights[rows], np.ones(len(drawn))
    total = _correlation_sizes(pairs, x, y, u, v, seed, math.sqrt(share))
    tables = pairs.tables(x, y)
    kept = [group.shrunk(u, v) for group in tables()]
    for draw, errors in enumerate(share_errors(u, v, seed)):
        for group, gaps in zip(tables(), kept, strict=True):
            total[draw] += group.size(gaps + math.sqrt(share) * group.gaps(errors)).sum()
    return simulated_spread(total / 2 / len(pairs.columns))


def _correlation_sizes(pairs: _Pairs, x: _Side, y: _Side, u: Array, v: Array, seed: int, scale: float) -> Array:
    """Return simulated sums of absolute differences of correlations, `(DRAWS,)`; 0 if there are none.

    Arguments:
        u, v: weights of both sides, `(N,)` and `(M,)`.
        scale: factor on the errors.
    """
    if not pairs.correlated:
        return np.zeros(DRAWS)
    above = np.triu(np.ones((len(pairs.numbers),) * 2, dtype=bool), 1)
    sides = enumerate(((x, u), (y, v)))
    mine, theirs = (correlation_errors(side.numbers, own, above, seed, part) for part, (side, own) in sides)
    errors = mine - theirs
    true = shrunk(pairs.correlations(x, u) - pairs.correlations(y, v), float((errors**2).mean(axis=0).sum()))
    sizes: Array = np.abs(true + scale * errors).sum(axis=1)
    return sizes


pair_trends = PairTrends()
