"""Events with the same missing values."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from genzoo import missing_patterns


def patterns(missing: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the different rows of a mask `(N, C)`, each with the numbers of the events that have it."""
    patterns, order, sizes = missing_patterns(missing)
    yield from zip(patterns, torch.split(order, sizes), strict=True)
