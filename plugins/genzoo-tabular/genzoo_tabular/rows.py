"""All training rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo import Batch


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Rows to fit.

    Arguments:
        x: values, `(N, C)` float64; 0 if missing.
        missing: mask, `(N, C)` bool.
        weights: `(N,)` float64, none of them 0.
    """

    x: Tensor
    missing: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.x)

    @staticmethod
    def of(blocks: Iterable[Batch]) -> TrainingRows:
        """Return the rows of all blocks whose weight is not 0."""
        parts = [(batch.x.double(), batch.missing, batch.weight) for batch in blocks]
        x = torch.cat([part for part, _, _ in parts])
        missing = torch.cat(
            [torch.zeros_like(part, dtype=torch.bool) if mask is None else mask for part, mask, _ in parts]
        )
        weights = torch.cat([part.new_ones(len(part)) if each is None else each.double() for part, _, each in parts])
        return TrainingRows(x, missing, weights).take((weights > 0).nonzero().flatten())

    def take(self, rows: Tensor) -> TrainingRows:
        """Return some of the rows."""
        return TrainingRows(self.x[rows], self.missing[rows], self.weights[rows])
