"""Rows between a training row and one of its nearest neighbors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from genzoo import Batch, ConfigError, DataSpec, DirectObjective, Feature, Generator, Model, Parts
from genzoo_tabular.rows import TrainingRows
from genzoo_tabular.smote.options import KeepOptions, NeighborOptions

_PAIRS = 2**22
"""Largest number of pairs of rows that are compared at a time."""


class Interpolation(Generator):
    """A sample is a random point between a training row and one of its nearest neighbors.

    Numbers lie on the line between both, counts are rounded, and a level is taken from one of them. Any real row near
    the samples is a training row, so this is a baseline: it has no density, and copies.

    References:
        "SMOTE: Synthetic Minority Over-sampling Technique" (Chawla et al., 2002).

    Arguments:
        features: the columns.
        neighbors: number of nearest rows.
    """

    grows = ("points", "log_weights")

    def __init__(self, features: Sequence[Feature], neighbors: int) -> None:
        super().__init__()
        self.features = tuple(features)
        self.neighbors = neighbors
        self.points: Tensor
        self.log_weights: Tensor
        self.named: Tensor
        self.counted: Tensor
        self.register_buffer("points", torch.zeros(1, len(self.features)))
        self.register_buffer("log_weights", torch.zeros(1))
        named = torch.tensor([feature.levels is not None for feature in self.features])
        self.register_buffer("named", named, persistent=False)
        counted = torch.tensor([feature.kind == "count" for feature in self.features])
        self.register_buffer("counted", counted, persistent=False)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        below = self.log_weights.double().softmax(0).cumsum(0)
        u = torch.rand(n, dtype=torch.float64, device=below.device) * below[-1]
        first = torch.searchsorted(below, u, right=True).clamp_max(len(below) - 1)
        near = self.nearest(first)
        chosen = torch.randint(near.shape[1], (n, 1), device=near.device)
        a, b = self.points[first], self.points[near.gather(1, chosen).squeeze(1)]
        share = torch.rand(n, 1, dtype=a.dtype, device=a.device)
        between = a + share * (b - a)
        between = torch.where(self.counted, between.round(), between)
        return torch.where(self.named, torch.where(torch.rand_like(a) < share, b, a), between)

    def nearest(self, rows: Tensor) -> Tensor:
        """Return the nearest other rows of training rows, `(n, neighbors)`; of a single row, the row itself.

        Distances are Euclidean over numbers in their deviations. Different levels count as one deviation.
        """
        size = len(self.points)
        if size == 1:
            return rows[:, None]
        scale = self.points.std(0).clamp_min(1e-12)
        numbers = torch.where(self.named, 0.0, self.points / scale)
        found = []
        for part in torch.split_with_sizes(rows, _sizes(len(rows), max(1, _PAIRS // size))):
            distance = torch.cdist(numbers[part], numbers).square()
            for column in self.named.nonzero().flatten().tolist():
                distance += self.points[part, column, None] != self.points[:, column]
            distance.scatter_(1, part[:, None], torch.inf)
            found.append(distance.topk(min(self.neighbors, size - 1), largest=False).indices)
        return torch.cat(found)


def _sizes(total: int, most: int) -> list[int]:
    return [min(most, total - start) for start in range(0, total, most)]


class KeptRows(DirectObjective):
    """Keep the training rows."""

    weighted = True
    passes = 1

    def fit(self, model: Model, blocks: Iterable[Batch]) -> dict[str, Any]:
        if not isinstance(model.generator, Interpolation):
            raise ConfigError("This objective keeps rows for an interpolation, and this model is none.")
        rows = TrainingRows.of(blocks)
        model.generator.points = rows.x.to(model.generator.points)
        model.generator.log_weights = (rows.weights / rows.weights.sum()).log().to(model.generator.log_weights)
        return {"kept_rows": len(rows)}


def build(config: NeighborOptions, data: DataSpec) -> Parts:
    """Build the interpolation for the columns of a table."""
    return Parts(Interpolation(data.features, config.neighbors))


def build_objective(_: KeepOptions) -> KeptRows:
    """Build the objective."""
    return KeptRows()
