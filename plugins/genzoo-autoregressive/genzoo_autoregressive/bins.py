"""The transform `bins`: each number becomes its bin, and its place in the bin, so that a density is a probability.

Between 0 and K, a whole number `k` is the lower end of bin number k, and the fraction is the place in the bin. Each bin
holds training rows: about equally many, or a single value that many rows share, such as 0 among payments. The map is
linear between knots. Beyond the outer bins it is a logarithm, so an exponential tail in model space is a Pareto tail of
the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genzoo import DataError, DataSpec, Settings, Transform

Array = np.ndarray[Any, np.dtype[Any]]

MOST_BINS = 128
"""Largest number of bins of a column."""

_NUMBERS, _LEAST_ROWS = 2**24, 2**12
"""Numbers of training rows that are kept to find the bins, and the smallest number of rows."""

_IN_TAIL = 8
"""Smallest number of rows in the outer bins."""

_LARGEST = 500.0
"""Largest logarithm of a distance from the outer bins in the inverse."""

_WIDEST = 1e150
"""Largest difference of two values of a column."""


class BinOptions(Settings):
    """Options of `bins`: none."""


class Bins(Transform):
    """A piecewise linear, increasing map of each column to bins, with logarithms below 0 and above K.

    Arguments:
        x: knots in data units, `(C, P)`, increasing.
        y: their images, `(C, P)`, increasing from 0 to K.
        tails: distance from the outer knots at which the logarithm is log 2, `(C, 2)`.
    """

    degrees_of_freedom = None
    x: Tensor
    y: Tensor
    tails: Tensor

    def __init__(self, x: Tensor, y: Tensor, tails: Tensor) -> None:
        super().__init__()
        self.register_buffer("x", x.double())
        self.register_buffer("y", y.double())
        self.register_buffer("tails", tails.double())

    @classmethod
    def outlines(cls, _: BinOptions, data: DataSpec) -> dict[str, tuple[int, ...]]:
        columns, knots = len(data.features), 2 * MOST_BINS + 2
        return {"x": (columns, knots), "y": (columns, knots), "tails": (columns, 2)}

    @classmethod
    def fit(cls, _: BinOptions, data: DataSpec, blocks: Iterable[Array]) -> Bins:
        rows = kept_rows(blocks, len(data.features))
        found = [_knots(data, place, rows[:, place]) for place in range(len(data.features))]
        size = max(len(x) for x, _, _ in found)
        parts = ((*_padded(x, y, size), tails) for x, y, tails in found)
        return cls(*(torch.from_numpy(np.stack(each)) for each in zip(*parts, strict=True)))

    @classmethod
    def restore(cls, _: BinOptions, data: DataSpec, tensors: Mapping[str, Tensor]) -> Bins:
        x, y, tails = (tensors[name].double() for name in ("x", "y", "tails"))
        if x.ndim != 2 or x.shape != y.shape or len(x) != len(data.features) or x.shape[1] < 2:
            raise ValueError(f"knots of shapes {tuple(x.shape)} and {tuple(y.shape)}")
        if not ((x.diff() > 0).all() and (y.diff() > 0).all() and (y[:, 0] == 0).all()):
            raise ValueError("knots that do not increase, or begin at another number than 0")
        if tails.shape != (len(x), 2) or not (tails > 0).all():
            raise ValueError("a positive distance for each tail is needed")
        return cls(x, y, tails)

    def forward(self, x: Tensor) -> Tensor:
        columns = self._columns(x)
        y, inside = self._along(columns, self.x, self.y)
        away = ((columns - inside).abs() / self._tail(columns, self.x)).log1p()
        return self._events(y + away.copysign(columns - inside), x)

    def inverse(self, y: Tensor) -> Tensor:
        columns = self._columns(y)
        x, inside = self._along(columns, self.y, self.x)
        away = (columns - inside).abs().clamp_max(_LARGEST).expm1() * self._tail(columns, self.y)
        return self._events(x + away.copysign(columns - inside), y)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        columns = self._columns(x)
        slopes = (self.y.diff() / self.x.diff()).log().gather(1, _pieces(columns, self.x))
        scale = self._tail(columns, self.x)
        beyond = columns - columns.clamp(self.x[:, :1], self.x[:, -1:])
        slopes = torch.where(beyond == 0, slopes, -(scale + beyond.abs()).log())
        each = self._events(torch.where(columns.isnan(), columns, slopes), x)
        return (each if without is None else each.masked_fill(without, 0.0)).flatten(1).sum(1)

    def _along(self, columns: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images of values `(C, M)` between the outer knots, and the values moved to there."""
        inside = columns.clamp(source[:, :1], source[:, -1:])
        piece = _pieces(inside, source)
        slope = (target.diff() / source.diff()).gather(1, piece)
        return target.gather(1, piece) + (inside - source.gather(1, piece)) * slope, inside

    def _tail(self, columns: Tensor, source: Tensor) -> Tensor:
        """Return the distance of the tail on whose side values `(C, M)` lie, in the same shape."""
        return torch.where(columns < source[:, :1], self.tails[:, :1], self.tails[:, 1:])

    def _columns(self, x: Tensor) -> Tensor:
        """Return values by column in the type of the knots, `(C, M)`."""
        return x.to(self.dtype).reshape(-1, len(self.x)).T.contiguous()

    def _events(self, columns: Tensor, x: Tensor) -> Tensor:
        """Return values by column as events of the shape and type of `x`."""
        return columns.T.reshape(x.shape).to(x.dtype)


def _pieces(columns: Tensor, knots: Tensor) -> Tensor:
    """Return the number of the piece that each value of `columns (C, M)` lies on, `(C, M)`."""
    return (torch.searchsorted(knots, columns, right=True) - 1).clamp(0, knots.shape[1] - 2)


def kept_rows(blocks: Iterable[Array], columns: int) -> Array:
    """Return the training rows, or as many at random as memory is meant for, `(n, C)`."""
    most = max(_LEAST_ROWS, _NUMBERS // columns)
    rng = np.random.default_rng(0)  # the same rows give the same bins
    kept = np.empty((0, columns))
    share = 1.0
    for block in blocks:
        rows = np.asarray(block, np.float64).reshape(-1, columns)
        kept = np.concatenate([kept, rows[rng.random(len(rows)) < share]])
        while len(kept) > 2 * most:
            kept, share = kept[rng.random(len(kept)) < 0.5], share / 2
    return kept


def _knots(data: DataSpec, place: int, values: Array) -> tuple[Array, Array, Array]:
    """Return the knots of a column, their images, and the distances of its tails.

    Raises:
        DataError: the column has fewer than two values, or spreads too widely.
    """
    feature, values = data.features[place], np.sort(values[~np.isnan(values)])
    with np.errstate(over="ignore"):
        good = len(values) > 0 and 0 < values[-1] - values[0] < _WIDEST
    if not good:
        raise DataError(
            f"Column {feature.name!r} never changes, has no value, or spreads over more than {_WIDEST:g}: it has no "
            f"bins. Leave it out."
        )
    if feature.cell is None:
        starts, counts, ends = _of_quantiles(values)
    else:
        starts, counts, ends = _of_cells(values, feature.cell)
    return _with_gaps(starts, counts, ends)


def _of_quantiles(values: Array) -> tuple[Array, Array, Array]:
    """Return the lower ends of bins, their numbers of rows, and their upper ends, for values that hardly repeat."""
    n = len(values)
    bins = max(2, min(round(math.sqrt(n)), 3 * MOST_BINS // 4))
    tails: list[float] = []
    level = 1 / bins
    while (level := level / 2) * n > _IN_TAIL and len(tails) < MOST_BINS // 16:
        tails.append(level)
    levels = [0.0, *reversed(tails), *np.linspace(0, 1, bins + 1)[1:-1], *(1 - level for level in tails), 1.0]
    ends = np.unique(np.quantile(values, levels))
    counts = np.diff(np.searchsorted(values, ends[1:-1]), prepend=0, append=n)
    return ends[:-1], counts, ends[1:]


def _of_cells(values: Array, cell: float) -> tuple[Array, Array, Array]:
    """Return the lower ends of bins, their numbers of rows, and the upper ends of the last cell in each.

    A value that as many rows share as there are in a usual bin has a bin of its own.
    """
    cells, counts = np.unique(np.round(values / cell), return_counts=True)
    first = grouped(counts, MOST_BINS)
    last = np.append(first[1:], len(cells)) - 1
    return (cells[first] - 0.5) * cell, np.add.reduceat(counts, first), (cells[last] + 0.5) * cell


def grouped(counts: Array, most: int) -> list[int]:
    """Return the first places of groups of neighboring values with these numbers of rows, at most `most` groups.

    Groups hold about equally many rows, and fewer near both ends, where values are farther apart. A value that as many
    rows share as there are in a usual group is one alone.
    """
    if len(counts) <= most:
        return list(range(len(counts)))
    usual = 2 * counts.sum() / most
    first = _groups(counts, usual, _IN_TAIL)
    return first if len(first) <= most else _groups(counts, usual, usual)


def _groups(counts: Array, usual: float, least: float) -> list[int]:
    first, held, below, above = [0], 0, 0, int(counts.sum())
    for place, count in enumerate(counts):
        wanted = min(usual, max(least, min(below - held, above / 2)))
        if place > first[-1] and (held >= wanted or count >= usual):
            first.append(place)
            held = 0
        held, below, above = held + count, below + count, above - count
    return first


def _with_gaps(starts: Array, counts: Array, ends: Array) -> tuple[Array, Array, Array]:
    """Return knots that leave a share of a bin, as of half a row, to the gap above it, and distances of tails."""
    x, y = [starts[0]], [0.0]
    for place, (count, end, following) in enumerate(zip(counts, ends, [*starts[1:], ends[-1]], strict=True)):
        if end < following:
            x.append(end)
            y.append(place + 1 - 0.5 / (count + 1))
        x.append(following)
        y.append(place + 1.0)
    tails = [(ends[side] - starts[side]) / max(1.0, math.log(counts[side])) for side in (0, -1)]
    return np.array(x), np.array(y), np.array(tails)


def _padded(x: Array, y: Array, size: int) -> tuple[Array, Array]:
    """Return knots with more of them on the line of the widest piece, which changes nothing."""
    more = size - len(x)
    if not more:
        return x, y
    wide = int(np.diff(x).argmax())
    share = np.arange(1, more + 1) / (more + 1)
    knots = ((old[: wide + 1], old[wide] + share * (old[wide + 1] - old[wide]), old[wide + 1 :]) for old in (x, y))
    padded_x, padded_y = (np.concatenate(parts) for parts in knots)
    return padded_x, padded_y
