"""The empirical distribution of each column, mapped to the standard normal distribution.

The map is linear between knots and continues with the slope of the first and last piece, so every finite number has a
positive density, with the tails of a normal distribution. The image of a knot is `Φ⁻¹` of the share of values below
it, where half a value counts beyond either end. There are about `√n` knots: more would follow the noise in the
values, which raises the likelihood of training rows and lowers the likelihood of others.

References:
    "The Nonparanormal: Semiparametric Estimation of High Dimensional Undirected Graphs" (Liu, Lafferty and Wasserman,
    2009).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from genzoo.config.settings import Settings
from genzoo.data.transforms.transform import NumberArray, Transform, check_none, summed
from genzoo.spec.events import DataSpec

_MOST_KNOTS = 4096

_WIDEST = 1e150
"""Largest difference of two values of a column."""

_NUMBERS = 2**24
"""Numbers of training rows that are kept to find the knots; of larger data they are drawn at random."""

_LEAST_ROWS = 2**12

_IN_TAIL = 8
"""Smallest number of values between two knots in a tail."""


class MarginalOptions(Settings):
    """Options of the empirical distribution."""

    knots: int = Field(1000, ge=16, le=_MOST_KNOTS, description="largest number of knots of a column")


class MarginalTransform(Transform):
    """A piecewise linear, increasing map of each column; images share one.

    Arguments:
        x: knots in data units, `(C, K)`, strictly increasing.
        y: their images, `(C, K)`, strictly increasing.
    """

    degrees_of_freedom = None
    x: Tensor
    y: Tensor

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        self.register_buffer("x", x.double())
        self.register_buffer("y", y.double())

    @classmethod
    def outlines(cls, options: MarginalOptions, data: DataSpec) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys("xy", (len(data.features), options.knots))

    @classmethod
    def fit(cls, options: MarginalOptions, data: DataSpec, blocks: Iterable[NumberArray]) -> MarginalTransform:
        rows = kept_rows(blocks, len(data.features))
        found = []
        for place, feature in enumerate(data.features):
            values = np.sort(rows[~np.isnan(rows[:, place]), place])
            with np.errstate(over="ignore"):
                good = len(values) > 0 and 0 < values[-1] - values[0] < _WIDEST
            problem = f"never changes, has no value, or spreads over more than {_WIDEST:g}: it has no distribution."
            check_none(data, (np.arange(len(data.features)) == place) & (not good), problem)
            found.append(_knots(values, options.knots, feature.cell))
        size = max(len(x) for x, _ in found)
        padded = [_padded(x, y, size) for x, y in found]
        return cls(*(torch.from_numpy(np.stack(parts)) for parts in zip(*padded, strict=True)))

    @classmethod
    def restore(cls, _: MarginalOptions, data: DataSpec, tensors: Mapping[str, Tensor]) -> MarginalTransform:
        x, y = tensors["x"], tensors["y"]
        if x.shape != y.shape or x.ndim != 2 or len(x) != len(data.features) or x.shape[1] < 2:
            raise ValueError(f"knots of shapes {tuple(x.shape)} and {tuple(y.shape)}")
        if not ((x.double().diff() > 0).all() and (y.double().diff() > 0).all()):
            raise ValueError("knots that do not increase")
        return cls(x, y)

    def forward(self, x: Tensor) -> Tensor:
        return self._apply_pieces(x, self.x, self.y)

    def inverse(self, y: Tensor) -> Tensor:
        return self._apply_pieces(y, self.y, self.x)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        columns = self._columns(x)
        piece = _pieces(columns, self.x)
        slopes = (self.y.diff() / self.x.diff()).log().gather(1, piece).to(x.dtype)
        return summed(torch.where(x.isnan(), x, self._events(slopes, x)), without)

    def _apply_pieces(self, x: Tensor, source: Tensor, target: Tensor) -> Tensor:
        columns = self._columns(x)
        piece = _pieces(columns, source)
        slope = (target.diff() / source.diff()).gather(1, piece)
        y = target.gather(1, piece) + (columns - source.gather(1, piece)) * slope
        return self._events(y, x).to(x.dtype)

    def _columns(self, x: Tensor) -> Tensor:
        """Return values by column in the type of the knots, `(C, M)`."""
        return x.to(self.dtype).reshape(-1, len(self.x)).T.contiguous()

    def _events(self, columns: Tensor, x: Tensor) -> Tensor:
        """Return values by column as events of the shape of `x`."""
        return columns.T.reshape(x.shape)


def _pieces(columns: Tensor, knots: Tensor) -> Tensor:
    """Return the number of the piece that each value of `columns (C, M)` lies on, `(C, M)`."""
    return (torch.searchsorted(knots, columns, right=True) - 1).clamp(0, knots.shape[1] - 2)


def kept_rows(blocks: Iterable[NumberArray], columns: int) -> NumberArray:
    """Return the training rows, or as many at random as memory is meant for, `(n, C)`."""
    most = max(_LEAST_ROWS, _NUMBERS // columns)
    rng = np.random.default_rng(0)  # the same rows give the same map
    kept, count, share = [np.empty((0, columns))], 0, 1.0
    for block in blocks:
        rows = np.asarray(block, np.float64).reshape(-1, columns)
        kept.append(rows if share == 1 else rows[rng.random(len(rows)) < share])
        count += len(kept[-1])
        while count > 2 * most:
            whole = np.concatenate(kept)
            kept = [whole[rng.random(len(whole)) < 0.5]]
            count, share = len(kept[0]), share / 2
    return np.concatenate(kept)


def _knots(values: NumberArray, most: int, cell: float | None) -> tuple[NumberArray, NumberArray]:
    """Return the knots of a column and their images, `(K,)` each.

    Arguments:
        values: sorted.
        most: largest number of knots.
        cell: width of the cells around multiples of it that the values are spread over; knots are then the cells'
            boundaries. `None` for other values.
    """
    n = len(values)
    x = np.unique(np.quantile(values, _levels(n, most - 2)))
    if cell is not None:
        x = np.unique(np.round(x / cell - 0.5) + 0.5) * cell
        low, high = np.round(values[[0, -1]] / cell)
        x = np.unique([(low - 0.5) * cell, *x, (high + 0.5) * cell])
        share = (np.searchsorted(values, x) + 0.5) / (n + 1)
    else:
        share = (np.searchsorted(values, x) + np.searchsorted(values, x, "right")) / (2 * n)
    apart = _apart(share, min(_IN_TAIL / 2, n / 4) / n)
    x, share = x[apart], share[apart]
    y = torch.special.ndtri(torch.from_numpy(share)).numpy()
    return x, y


def _apart(share: NumberArray, least: float) -> list[int]:
    """Return the positions of knots with at least so large a share of values between two; both ends are among them.

    Few values close to an end would give the tail a slope that is their chance.
    """
    kept = [0]
    for place in range(1, len(share) - 1):
        if share[place] - share[kept[-1]] >= least and share[-1] - share[place] >= least:
            kept.append(place)
    return [*kept, len(share) - 1]


def _levels(n: int, most: int) -> NumberArray:
    """Return the levels of the quantiles that become knots: evenly spaced, and finer toward both ends."""
    bins = max(2, min(round(math.sqrt(n)), 3 * most // 4))
    tails, level = [0.0], 1 / bins
    while (level := level / 2) * n > _IN_TAIL and len(tails) < most // 8:
        tails.append(level)
    even = np.linspace(0, 1, bins + 1)[1:-1]
    return np.concatenate([tails, even, [1 - level for level in tails]])


def _padded(x: NumberArray, y: NumberArray, size: int) -> tuple[NumberArray, NumberArray]:
    """Return knots with more of them on the line of the last piece, which changes nothing."""
    more = np.arange(1, size - len(x) + 1)
    return (
        np.concatenate([x, x[-1] + more * (x[-1] - x[-2])]),
        np.concatenate([y, y[-1] + more * (y[-1] - y[-2])]),
    )
