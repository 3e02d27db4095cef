"""What an encoder says of the latent vectors of events."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Posterior(NamedTuple):
    """The normal distributions that an encoder gives, `mean (N, L)` and `log_variance (N, L)`."""

    mean: Tensor
    log_variance: Tensor

    def draw(self, draws: int) -> Tensor:
        """Latent vectors `(K, N, L)`, through which gradients pass."""
        noise = torch.randn(draws, *self.mean.shape, device=self.mean.device, dtype=self.mean.dtype)
        return torch.addcmul(self.mean, (0.5 * self.log_variance).exp(), noise)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of latent vectors `z (K, N, L)`, less the constant it shares with priors, `(K, N)`."""
        scaled = (z - self.mean) * (-0.5 * self.log_variance).exp()
        return -0.5 * (scaled.square() + self.log_variance).sum(-1)
