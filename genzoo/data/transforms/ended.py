"""Blocks of texts as models see them: no longer than needed on the way in, complete on the way out."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo.spec.events import DataSpec


def lengths_in(x: Tensor, end: int) -> Tensor:
    """Return the number of symbols before the first `end` of each text `(N, L)`, `(N,)` int64."""
    return (x != end).long().cumprod(1).sum(1)


def shortened(x: Tensor, end: int | None) -> Tensor:
    """Return texts `(N, T)` without places after the end of the longest, and room for one `end`, `(N, L)`.

    Other events, whose `end` is `None`, are returned as they are.
    """
    if end is None or not len(x):
        return x
    return x[:, : int(lengths_in(x, end).max()) + 1]


def is_block(y: Tensor, n: int, data: DataSpec) -> bool:
    """Return whether a tensor may be `n` texts: `(n, L)`, L not above the longest, codes of symbols and of the end."""
    if data.end is None or y.ndim != 2 or len(y) != n or not 1 <= y.shape[1] <= data.event_shape[0]:
        return False
    return bool(((y >= 0) & (y <= data.end) & (y == y.round())).all())


def completed(y: Tensor, data: DataSpec) -> Tensor:
    """Return texts `(N, L)` of a model as texts `(N, T)`: all places after the first `end` hold `end`."""
    assert data.end is not None
    places = torch.arange(y.shape[1], device=y.device)
    ended = y.round().long().where(places < lengths_in(y, data.end)[:, None], data.end)
    return torch.nn.functional.pad(ended, (0, data.event_shape[0] - y.shape[1]), value=data.end)
