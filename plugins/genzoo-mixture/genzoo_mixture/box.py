"""The box around events along their principal components."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from genzoo import Batch


def principal_box(blocks: Iterable[Batch]) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return the smallest box along principal components that holds all events, in two passes over the blocks.

    Events of weight 0 do not count.

    Returns:
        The principal components in columns, `(C, C)`, and the range of the events' coordinates along them, `(C,)` each,
        all float64. `None` if values are missing, or the events lie in a plane, up to rounding.
    """
    weight = first = second = torch.zeros(0)
    rounding = 0.0
    for batch in blocks:
        if batch.missing is not None and bool(batch.missing.any()):
            return None
        rounding = 1e3 * torch.finfo(batch.x.dtype).eps
        x, own = _counted(batch)
        sums = own.sum(), own @ x, (x * own[:, None]).T @ x
        weight, first, second = (
            old + new if len(first) else new for old, new in zip((weight, first, second), sums, strict=True)
        )
    mean = first / weight
    axes = torch.linalg.eigh(second / weight - mean[:, None] * mean)[1]
    low, high = torch.full_like(mean, torch.inf), torch.full_like(mean, -torch.inf)
    for batch in blocks:
        turned = _counted(batch)[0] @ axes
        if len(turned):
            low, high = torch.minimum(low, turned.amin(0)), torch.maximum(high, turned.amax(0))
    sides = high - low
    return (axes, low, high) if bool(sides.amin() > rounding * sides.amax()) else None


def _counted(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the events of a block that count, `(N, C)` float64, and their weights."""
    x = batch.x.flatten(1).double()
    if batch.weight is None:
        return x, torch.ones_like(x[:, 0])
    counts = batch.weight > 0
    return x[counts], batch.weight[counts].double()
