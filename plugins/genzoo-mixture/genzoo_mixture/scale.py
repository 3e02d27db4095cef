"""The spread of columns, measured so that units do not matter and a single outlier changes nothing."""

from __future__ import annotations

import torch
from torch import Tensor

_TAIL = 0.02
"""Share of the values at each end of a column that is pulled in."""

_FEWEST = 5
"""Fewest values from which any are pulled in."""

_SAME = 1e-12
"""Deviations below this share of a column's largest value are nothing but rounding errors."""


def robust_deviation(points: Tensor, weight: Tensor) -> Tensor:
    """Compute the standard deviation of columns whose outermost values are pulled in to the others (winsorized).

    At each end these are 2 % of the values, and at least one. If no other values differ, as in a column that is
    almost always 0, no value is pulled in.

    Arguments:
        points: values, `(n, D)` float64; NaN marks missing ones.
        weight: weights of rows, `(n,)`.

    Returns:
        The deviation of each column, `(D,)`; 0 if all values are equal, up to rounding.
    """
    present = ~points.isnan()
    share = torch.where(present, weight[:, None], 0.0)
    low, high = _limits(points, share)
    robust = _deviation(points.clamp(low, high), share)
    least = _SAME * points.nan_to_num().abs().amax(0)
    plain = _deviation(points, share)
    found = torch.where(robust > least, robust, plain)
    return torch.where(found > least, found, 0.0)


def _limits(points: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return the smallest and the largest value of each column that is not pulled in, `(D,)` each."""
    ordered, order = points.sort(0)  # NaN comes last
    reached = share.gather(0, order).cumsum(0)
    total = reached[-1]
    count = (share > 0).sum(0)
    tail = torch.where(count < _FEWEST, 0.0, (1 / count.to(total)).clamp(min=_TAIL)) * total
    first = (reached <= tail).sum(0).clamp(max=len(points) - 1)
    last = (reached < (total - tail) * (1 - _SAME)).sum(0).clamp(max=len(points) - 1)
    return ordered.gather(0, first[None])[0], ordered.gather(0, last[None])[0]


def _deviation(points: Tensor, share: Tensor) -> Tensor:
    total = share.sum(0).clamp_min(torch.finfo(points.dtype).tiny)
    known = points.nan_to_num()
    mean = (share * known).sum(0) / total
    return ((share * (known - mean).square()).sum(0) / total).sqrt()
