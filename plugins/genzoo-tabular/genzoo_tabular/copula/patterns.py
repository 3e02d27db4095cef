"""Events with the same missing values."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def patterns(missing: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the different rows of a mask `(N, C)`, each with the numbers of the events that have it."""
    if len(missing) and (missing == missing[0]).all():  # most often nothing is missing, and sorting takes long
        yield missing[0], torch.arange(len(missing), device=missing.device)
        return
    patterns, which = torch.unique(missing, dim=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        yield pattern, (which == number).nonzero().flatten()
