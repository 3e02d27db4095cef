"""A mixture of t distributions for tables, columns independent given the component.

References:
    "Robust Mixture Modelling Using the t Distribution" (Peel and McLachlan, 2000).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genzoo import Components, DataSpec, Generator, Likelihood, Parts
from genzoo_first_em.options import MixtureOptions


class Mixture(Generator, Likelihood, Components):
    """K components with a weight; in each, every column has a t distribution with a mean and a scale."""

    needs_float64 = True
    log_weights: Tensor
    means: Tensor
    scales: Tensor
    least: Tensor

    def __init__(self, components: int, columns: int, tail: float) -> None:
        super().__init__()
        self.tail = tail
        self.register_buffer("log_weights", torch.full((components,), -math.log(components)))
        self.register_buffer("means", torch.zeros(components, columns))
        self.register_buffer("scales", torch.ones(components, columns))
        self.register_buffer("least", torch.zeros(columns))

    @property
    def degrees_of_freedom(self) -> int:
        return self.log_weights.numel() - 1 + self.means.numel() + self.scales.numel()

    def squares(self, x: Tensor) -> Tensor:
        """Squared deviations of `x (N, C)` from each mean, in scales, `(N, K, C)`."""
        return ((x[:, None] - self.means) / self.scales).square()

    def joint(self, squares: Tensor) -> Tensor:
        """Log-density of event and component, `(N, K)`, from `squares (N, K, C)`."""
        top, half = (self.tail + 1) / 2, self.tail / 2
        constant = math.lgamma(top) - math.lgamma(half) - 0.5 * math.log(math.pi * self.tail)
        return self.log_weights + (constant - self.scales.log() - top * (squares / self.tail).log1p()).sum(2)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.joint(self.squares(x)).logsumexp(1)

    def log_posterior(self, x: Tensor) -> Tensor:
        return self.joint(self.squares(x)).log_softmax(1)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        ends = self.log_weights.exp().cumsum(0)[:-1]  # of each component but the last on a line from 0 to 1
        chosen = (torch.rand(n, 1, dtype=ends.dtype, device=ends.device) >= ends).sum(1)  # (n,)
        means, scales = self.means[chosen], self.scales[chosen]  # (n, C)
        chi_squared = 2 * torch._standard_gamma(torch.full_like(means, self.tail / 2))
        return means + scales * torch.randn_like(means) * (self.tail / chi_squared).sqrt()


def build(config: MixtureOptions, data: DataSpec) -> Parts:
    """The untrained parts of the model for one kind of event."""
    return Parts(Mixture(config.components, data.size, config.tail))
