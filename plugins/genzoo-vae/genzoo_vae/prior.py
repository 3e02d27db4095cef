"""Priors p(z) of latent vectors, and priors p(z | c) given a condition.

References:
    "VAE with a VampPrior" (Tomczak and Welling, 2018), for the benefit of a learned prior;
    "Learning Structured Output Representation using Deep Conditional Generative Models" (Sohn, Lee and Yan, 2015), for
    a prior given a condition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genzoo import full_precision
from genzoo_vae.layers import PreciseLinear

_LOG_VARIANCES = (-8.0, 4.0)
"""Range of the logarithm of a component's variance."""


class Prior(nn.Module, ABC):
    """A distribution p(z) of latent vectors `(..., L)`, or p(z | c) given conditions."""

    follows: bool = False
    """Whether it depends on the condition."""

    @abstractmethod
    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute log p(z | c) of `z (..., N, L)`, up to the constant -L log(2 pi) / 2, `(..., N)`.

        Arguments:
            condition: conditions `c (N, D)`, which a prior that does not depend on them ignores. Defaults to `None`.
        """

    @abstractmethod
    def sample(self, n: int, condition: Tensor | None = None) -> Tensor:
        """Sample latent vectors `(n, L)`, given conditions `c (n, D)` if the prior depends on them."""


class Normal(Prior):
    """The standard normal."""

    origin: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(latent), persistent=False)

    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return -0.5 * z.square().sum(-1)

    def sample(self, n: int, condition: Tensor | None = None) -> Tensor:
        return torch.randn(n, len(self.origin), device=self.origin.device, dtype=self.origin.dtype)


class Normals(NamedTuple):
    """Mixtures of C normals with diagonal covariances: one, or one for each of N events.

    Attributes:
        means, log_variances: of the normals, `(C, L)` or `(N, C, L)`.
        logits: logarithms of the weights up to a constant, `(C,)` or `(N, C)`.
    """

    means: Tensor
    log_variances: Tensor
    logits: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """Compute the log-density of `z (..., N, L)`, up to the constant -L log(2 pi) / 2, `(..., N)`."""
        # Differences before squares: expanded squares would cancel, with loss of digits, for means far from 0.
        scaled = (z.unsqueeze(-2) - self.means) * (-0.5 * self.log_variances).exp()  # (..., N, C, L)
        alone = self.logits.log_softmax(-1) - 0.5 * self.log_variances.sum(-1)
        return (alone - 0.5 * scaled.square().sum(-1)).logsumexp(-1)


class MixturePrior(Prior):
    """A mixture of normals with diagonal covariances, learned together with the autoencoder.

    Given the encoder, the prior with the largest ELBO is the mean of q(z | x) over the data. A standard normal also has
    mass where no event is encoded, and samples from there look like no event. A mixture can follow the encoded events.

    Arguments:
        latent: L.
        components: number of normals, C.
        speed: how many times as fast as other weights it learns, under optimizers whose steps do not depend on the
            scale of gradients. Defaults to 1.
    """

    def __init__(self, latent: int, components: int, speed: float = 1.0) -> None:
        super().__init__()
        self._speed = speed
        self.means = nn.Parameter(0.5 / speed * torch.randn(components, latent))
        self.log_variances = nn.Parameter(torch.zeros(components, latent))
        self.logits = nn.Parameter(torch.zeros(components))

    def normals(self) -> Normals:
        """Return the mixture."""
        means, log_variances, logits = (self._speed * one for one in (self.means, self.log_variances, self.logits))
        return Normals(means, log_variances.clamp(*_LOG_VARIANCES), logits)

    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        with full_precision(z):
            return self.normals().log_prob(z)

    def sample(self, n: int, condition: Tensor | None = None) -> Tensor:
        mixture = self.normals()
        chosen = torch.multinomial(mixture.logits.softmax(0), max(n, 1), replacement=True)[:n]
        deviations = (0.5 * mixture.log_variances).exp()
        return torch.addcmul(mixture.means[chosen], deviations[chosen], torch.randn_like(mixture.means[chosen]))


SPEED = 10.0
"""How many times as fast as other weights the normals of some priors learn. They must move as far as encoded events do,
in few steps; if they follow a condition, only events with this condition teach a level."""


class GivenMixture(Prior):
    """A mixture of normals for each condition: means, logarithms of variances and of weights are linear in it.

    Given a condition, the prior with the largest ELBO is the mean of q(z | x) over the data with this condition. If one
    prior serves all conditions, latent vectors that say something else than the condition are drawn beside it, and the
    decoder may follow these: digits that were asked for a 7 look like a 1.

    Arguments:
        latent: L.
        components: number of normals for each condition, C.
        condition: D, the size of a condition.
    """

    follows = True

    def __init__(self, latent: int, components: int, condition: int) -> None:
        super().__init__()
        self.usual = MixturePrior(latent, components)
        self.moved = PreciseLinear(condition, components * (2 * latent + 1), bias=False)
        nn.init.zeros_(self.moved.weight)

    def normals(self, condition: Tensor | None) -> Normals:
        """Return the mixture given each of the conditions `c (N, D)`."""
        if condition is None:
            raise ValueError("this prior depends on a condition, and is called without one")
        components, latent = self.usual.means.shape
        moved = SPEED * self.moved(condition).view(len(condition), components, -1)
        means, log_variances, logits = moved.split([latent, latent, 1], -1)
        return Normals(
            self.usual.means + means,
            (self.usual.log_variances + log_variances).clamp(*_LOG_VARIANCES),
            self.usual.logits + logits[..., 0],
        )

    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        with full_precision(z):
            return self.normals(condition).log_prob(z)

    def sample(self, n: int, condition: Tensor | None = None) -> Tensor:
        mixture = self.normals(condition)
        chosen = torch.multinomial(mixture.logits.softmax(-1), 1)[:, 0]
        row = torch.arange(n, device=chosen.device)
        means, deviations = mixture.means[row, chosen], (0.5 * mixture.log_variances[row, chosen]).exp()
        return torch.addcmul(means, deviations, torch.randn_like(means))


_MOMENTUM = 0.02
"""Weight of a new batch in the running mean and variance of encodings."""


class LatentDensity(nn.Module):
    """A mixture of normals that follows the encodings of an autoencoder with no prior of its own.

    Encodings can have any scale, so the mixture is one of encodings standardized by running moments. It learns from
    encodings without gradients to the encoder: it changes nothing in the autoencoder.

    Arguments:
        latent: L.
        components: number of normals, C.

    References:
        "From Variational to Deterministic Autoencoders" (Ghosh et al., 2020), for samples from such a density.
    """

    def __init__(self, latent: int, components: int) -> None:
        super().__init__()
        self.standardize = nn.BatchNorm1d(latent, affine=False, momentum=_MOMENTUM)
        self.mixture = MixturePrior(latent, components)

    def loss(self, z: Tensor) -> Tensor:
        """Compute minus the mean log-density of encodings `z (N, L)`, up to a constant, `()` nats."""
        return -self.mixture.log_prob(self.standardize(z.detach())).mean()

    def sample(self, n: int) -> Tensor:
        """Sample latent vectors `(n, L)`."""
        mean, variance = self._moments()
        return torch.addcmul(mean, (variance + self.standardize.eps).sqrt(), self.mixture.sample(n))

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Return the mean and variance of encodings, `(L,)` each, as weighted means over the latest batches alone."""
        mean, variance = self.standardize.running_mean, self.standardize.running_var
        batches = self.standardize.num_batches_tracked
        assert mean is not None
        assert variance is not None
        assert batches is not None
        # After few batches, running moments still hold a share of the values that they start with, 0 and 1.
        start = (1 - _MOMENTUM) ** batches.to(mean.dtype)
        known = (1 - start).clamp_min(_MOMENTUM)
        return mean / known, torch.where(batches > 0, (variance - start).clamp_min(0.0) / known, variance)
