"""The box around events along their principal components."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from genzoo import Batch, SharedBlocks


def principal_box(blocks: Iterable[Batch]) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return the smallest box along principal components that holds all events, in two passes over the blocks.

    Events of weight 0 do not count. Several processes read their shares.

    Returns:
        The principal components in columns, `(C, C)`, and the range of the events' coordinates along them, `(C,)` each,
        all float64. `None` if values are missing, or the events lie in a plane, up to rounding.
    """
    blocks = SharedBlocks.of(blocks)
    total: dict[str, Tensor] = {}
    rounding = 0.0
    for batch in blocks.share:
        rounding = 1e3 * torch.finfo(batch.x.dtype).eps
        for name, value in _moments(batch).items():
            total[name] = total[name] + value if name in total else value
        if bool(total["missing"]):  # the other processes learn of it by the sums
            break
    total = blocks.sums(total)
    if bool(total["missing"]):
        return None
    mean = total["first"] / total["weight"]
    axes = torch.linalg.eigh(total["second"] / total["weight"] - mean[:, None] * mean)[1]
    low, high = torch.full_like(mean, torch.inf), torch.full_like(mean, -torch.inf)
    for batch in blocks.share:
        turned = _counted(batch)[0] @ axes
        if len(turned):
            low, high = torch.minimum(low, turned.amin(0)), torch.maximum(high, turned.amax(0))
    low, high = blocks.gather(low[None]).amin(0), blocks.gather(high[None]).amax(0)
    sides = high - low
    return (axes, low, high) if bool(sides.amin() > rounding * sides.amax()) else None


def _moments(batch: Batch) -> dict[str, Tensor]:
    """Return sums over the events of a block that count, and how many of all values are missing; float64."""
    x, own = _counted(batch)
    missing = own.new_zeros(()) if batch.missing is None else batch.missing.sum().double()
    return {"weight": own.sum(), "first": own @ x, "second": (x * own[:, None]).T @ x, "missing": missing}


def _counted(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the events of a block that count, `(N, C)` float64, and their weights."""
    x = batch.x.flatten(1).double()
    if batch.weight is None:
        return x, torch.ones_like(x[:, 0])
    counts = batch.weight > 0
    return x[counts], batch.weight[counts].double()
