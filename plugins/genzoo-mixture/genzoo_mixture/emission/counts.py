"""Columns of counts: Poisson given the component."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from genzoo_mixture.emission.emission import EMPTY, Emission

LEAST_RATE = 1e-12
"""Smallest rate: if a component saw only zeros, a positive count is improbable, not impossible."""


class Counts(Emission[tuple[Tensor, Tensor]]):
    """Independent Poisson distributions with means `rate (K, C)`."""

    rate: Tensor

    def __init__(self, components: int, columns: int) -> None:
        super().__init__(components, columns)
        self.register_buffer("rate", torch.ones(components, columns))

    @property
    def degrees_of_freedom(self) -> int:
        return self.rate.numel()

    @property
    def width(self) -> int:
        return 3 * self.columns + self.components

    def spread(self, low: Tensor, high: Tensor) -> None:
        self.rate.copy_(torch.where(low <= high, (low + high) / 2, 1.0).clamp_min(LEAST_RATE))

    def expect(
        self, x: Tensor, missing: Tensor | None, *, careful: bool = False
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        present = torch.ones_like(x) if missing is None else (~missing).to(x.dtype)
        wide = x.double()  # x log(rate), rate and log x! are large for large counts, and nearly cancel
        rate = self.rate.double()
        log_density = rate.log() @ wide.T - rate @ present.double().T - torch.lgamma(wide + 1).sum(1)
        return log_density.to(x.dtype), (x, present)

    def sums(self, seen: tuple[Tensor, Tensor], share: Tensor) -> dict[str, Tensor]:
        x, present = seen
        return {"total": share.double() @ x.double(), "present": (share @ present).double()}

    def maximize(self, sums: Mapping[str, Tensor]) -> None:
        rate = (sums["total"] / (sums["present"] + EMPTY)).clamp_min(LEAST_RATE)
        self.rate.copy_(torch.where(sums["present"] > EMPTY, rate, self.rate.double()))

    def sample(self, component: Tensor) -> Tensor:
        return torch.poisson(self.rate[component])

    def fill(self, x: Tensor, missing: Tensor, share: Tensor) -> Tensor:
        return torch.where(missing, share.T @ self.rate, x)

    def draw(self, x: Tensor, missing: Tensor, component: Tensor) -> Tensor:
        return torch.where(missing, self.sample(component), x)

    def embed(self, x: Tensor, missing: Tensor | None) -> Tensor:
        return super().embed(x, missing).sqrt()  # the root of a Poisson count has deviation near 1/2 for any mean

    def collapsed(self, weights: Tensor) -> Tensor:
        return torch.zeros(self.components, dtype=torch.bool, device=self.rate.device)
