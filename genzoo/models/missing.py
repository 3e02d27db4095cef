"""Events with the same missing values."""

from __future__ import annotations

import torch
from torch import Tensor

_DIGITS = 52
"""Columns whose mask is one float64 number, exactly."""


def missing_patterns(missing: Tensor) -> tuple[Tensor, Tensor, list[int]]:
    """Group events by which of their values are missing, for models whose work is the same for all events of a group.

    Arguments:
        missing: mask of the missing values of N events with C columns, `(N, C)` bool.

    Returns:
        The different rows of the mask, sorted, `(P, C)`; the indices of the events, group by group, `(N,)`; the number
        of events in each group.

    Examples:
        >>> patterns, order, sizes = missing_patterns(torch.tensor([[True], [False], [True]]))
        >>> patterns.tolist(), order.tolist(), sizes
        ([[False], [True]], [1, 0, 2], [1, 2])
    """
    order = torch.arange(len(missing), device=missing.device)
    for columns in reversed(torch.split(missing, _DIGITS, 1)):
        # `torch.unique` sorts rows, which takes 20 times as long as sorting numbers.
        digits = torch.full((columns.shape[1],), 0.5, dtype=torch.float64, device=missing.device).cumprod(0)
        order = order[(columns.double() @ digits)[order].argsort(stable=True)]
    rows = missing[order]
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = (rows[1:] != rows[:-1]).any(1)
    start = first.nonzero()[:, 0]
    sizes: list[int] = start.diff(append=start.new_tensor([len(missing)])).tolist()
    return rows[start], order, sizes
