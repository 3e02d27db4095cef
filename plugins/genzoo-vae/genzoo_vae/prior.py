"""Where latent vectors come from.

References:
    "VAE with a VampPrior" (Tomczak and Welling, 2018), for what a prior that is learnt is good for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from genzoo import full_precision

_LOG_VARIANCES = (-8.0, 4.0)
"""What the logarithm of a component's variance is held to."""


class Prior(nn.Module, ABC):
    """A distribution of latent vectors `(..., L)`."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of `z (..., L)`, less that of a standard normal at 0, `(...)`."""

    @abstractmethod
    def sample(self, n: int) -> Tensor:
        """Latent vectors `(n, L)`."""


class Normal(Prior):
    """The standard normal."""

    origin: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(latent), persistent=False)

    def log_prob(self, z: Tensor) -> Tensor:
        return -0.5 * z.square().sum(-1)

    def sample(self, n: int) -> Tensor:
        return torch.randn(n, len(self.origin), device=self.origin.device, dtype=self.origin.dtype)


class MixturePrior(Prior):
    """A mixture of normals without correlations, learnt with the autoencoder.

    A standard normal leaves room where no event is encoded, from which samples then come; this one does not.
    """

    def __init__(self, latent: int, components: int) -> None:
        super().__init__()
        self.means = nn.Parameter(0.5 * torch.randn(components, latent))
        self.log_variances = nn.Parameter(torch.zeros(components, latent))
        self.logits = nn.Parameter(torch.zeros(components))

    def log_prob(self, z: Tensor) -> Tensor:
        with full_precision(z):
            log_variances = self.log_variances.clamp(*_LOG_VARIANCES)
            # Differences first: of squares written out, those of means far from 0 would cancel.
            scaled = (z.unsqueeze(-2) - self.means) * (-0.5 * log_variances).exp()  # (..., components, L)
            alone = self.logits.log_softmax(0) - 0.5 * log_variances.sum(1)
            return (alone - 0.5 * scaled.square().sum(-1)).logsumexp(-1)

    def sample(self, n: int) -> Tensor:
        chosen = torch.multinomial(self.logits.softmax(0), max(n, 1), replacement=True)[:n]
        deviations = (0.5 * self.log_variances.clamp(*_LOG_VARIANCES)).exp()
        return torch.addcmul(self.means[chosen], deviations[chosen], torch.randn_like(self.means[chosen]))
