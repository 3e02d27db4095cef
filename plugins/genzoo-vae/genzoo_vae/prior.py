"""What latent vectors are distributed as before an event is seen.

References:
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2013), for the standard normal;
    "VAE with a VampPrior" (Tomczak and Welling, 2018), for why one learns it: a mixture covers what encoders make of
    the data, where the normal leaves gaps that decode to nothing real.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from genzoo_vae.posterior import Posterior


class Prior(nn.Module, ABC):
    """A distribution of latent vectors. Log-densities leave out the constant that posteriors leave out, too.

    Arguments:
        latent: dimensions, L.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent

    @abstractmethod
    def sample(self, n: int, like: Tensor) -> Tensor:
        """Latent vectors `(n, L)`, on the device of `like` and of its type."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of latent vectors `z (..., L)`, `(...,)`."""

    @abstractmethod
    def divergence(self, posterior: Posterior, z: Tensor) -> Tensor:
        """From this prior to the posterior, `(N, P)` nats: exactly for each dimension, or `P = 1` in all.

        Arguments:
            z: draws from the posterior, `(K, N, L)`, where there is no closed form.
        """


class Standard(Prior):
    """The standard normal."""

    def sample(self, n: int, like: Tensor) -> Tensor:
        return torch.randn(n, self.latent, device=like.device, dtype=like.dtype)

    def log_prob(self, z: Tensor) -> Tensor:
        return -0.5 * z.square().sum(-1)

    def divergence(self, posterior: Posterior, z: Tensor) -> Tensor:
        return 0.5 * (posterior.mean.square() + posterior.log_variance.exp() - 1.0 - posterior.log_variance)


class Mixture(Prior):
    """A mixture of diagonal normals that is learned with the rest.

    Arguments:
        latent: dimensions, L.
        components: K.
    """

    def __init__(self, latent: int, components: int) -> None:
        super().__init__(latent)
        self.mean = nn.Parameter(0.5 * torch.randn(components, latent))
        self.log_variance = nn.Parameter(torch.zeros(components, latent))
        self.logit = nn.Parameter(torch.zeros(components))

    def sample(self, n: int, like: Tensor) -> Tensor:
        component = torch.multinomial(self.logit.softmax(0), n, replacement=True)
        mean, deviation = self.mean[component], (0.5 * self.log_variance[component]).exp()
        return torch.addcmul(mean, deviation, torch.randn_like(mean)).to(like.dtype)

    def log_prob(self, z: Tensor) -> Tensor:
        scaled = (z[..., None, :] - self.mean) * (-0.5 * self.log_variance).exp()  # (..., K, L)
        found = -0.5 * (scaled.square() + self.log_variance).sum(-1) + self.logit.log_softmax(0)
        return found.logsumexp(-1)

    def divergence(self, posterior: Posterior, z: Tensor) -> Tensor:
        return (posterior.log_prob(z) - self.log_prob(z)).mean(0)[:, None]
