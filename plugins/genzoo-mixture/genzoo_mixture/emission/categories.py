"""Categorical columns; a binary column has two categories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from genzoo_mixture.emission.emission import EMPTY, Emission

LEAST_PROBABILITY = 1e-12
"""Smallest probability of a category: one that a component never saw is improbable, not impossible."""


class Categories(Emission[Tensor]):
    """Independent categorical distributions. `log_probability (K, D)` has every level of every column, side by side.

    Arguments:
        components: K.
        levels: number of levels of each column; D is their sum.
    """

    log_probability: Tensor

    def __init__(self, components: int, levels: Sequence[int]) -> None:
        super().__init__(components, len(levels))
        self.levels = list(levels)
        self.register_buffer("log_probability", torch.zeros(components, sum(self.levels)))
        self._forget()

    @property
    def degrees_of_freedom(self) -> int:
        return self.components * sum(count - 1 for count in self.levels)

    @property
    def width(self) -> int:
        return sum(self.levels) + self.components

    def spread(self, low: Tensor, high: Tensor) -> None:
        self._forget()

    def _forget(self) -> None:
        for part, count in zip(self._parts(), self.levels, strict=True):
            part.fill_(-math.log(count))

    def indicate(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Encode levels one-hot, `(N, D)`. A missing value is all 0, and so adds nothing to log-densities or sums."""
        if len(set(self.levels)) == 1:  # all columns at once, as an image may have thousands
            same = (x[:, :, None] == torch.arange(self.levels[0], device=x.device)).to(x.dtype)
            return (same if missing is None else same.masked_fill(missing[:, :, None], 0.0)).flatten(1)
        parts = []
        for column, count in enumerate(self.levels):
            same = (x[:, column, None] == torch.arange(count, device=x.device)).to(x.dtype)
            parts.append(same if missing is None else same.masked_fill(missing[:, column, None], 0.0))
        return torch.cat(parts, 1)

    def expect(self, x: Tensor, missing: Tensor | None, *, careful: bool = False) -> tuple[Tensor, Tensor]:
        one_hot = self.indicate(x, missing)
        return self.log_probability @ one_hot.T, one_hot

    def sums(self, seen: Tensor, share: Tensor) -> dict[str, Tensor]:
        return {"levels": (share @ seen).double()}

    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        parts = []
        for counts, old in zip(torch.split(sums["levels"], self.levels, 1), self._parts(), strict=True):
            total = counts.sum(1, keepdim=True)
            new = (counts / (total + EMPTY)).clamp_min(LEAST_PROBABILITY)
            parts.append(torch.where(total > EMPTY, (new / new.sum(1, keepdim=True)).log(), old.double()))
        self.log_probability.copy_(torch.cat(parts, 1))

    def _parts(self) -> tuple[Tensor, ...]:
        """Return the log-probabilities of each column, `(K, levels)`."""
        return torch.split(self.log_probability, self.levels, 1)

    def sample(self, component: Tensor) -> Tensor:
        drawn = [torch.multinomial(part.exp()[component], 1) for part in self._parts()]
        return torch.cat(drawn, 1).to(self.log_probability.dtype)

    def fill(self, x: Tensor, missing: Tensor, share: Tensor) -> Tensor:
        likely = [(share.T @ part.exp()).argmax(1) for part in self._parts()]
        return torch.where(missing, torch.stack(likely, 1).to(x.dtype), x)

    def draw(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        return torch.where(missing, self.sample(component), x)

    def embed(self, x: Tensor, missing: Tensor | None) -> Tensor:
        points = self.indicate(x, None).double()
        if missing is None:
            return points
        levels = torch.tensor(self.levels, device=x.device)
        return points.masked_fill(missing.repeat_interleave(levels, 1), torch.nan)

    def collapsed(self, weights: Tensor) -> Tensor:
        return torch.zeros(self.components, dtype=torch.bool, device=self.log_probability.device)
