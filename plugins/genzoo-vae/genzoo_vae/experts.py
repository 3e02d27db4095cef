"""Posteriors of a latent vector given some of the parts of an event: products of experts, and mixtures of them.

Each part m has an expert, a normal q_m(z) = N(mu_m, diag(sigma_m²)) from its own encoder. The product of the experts of
some parts and of a standard normal is a normal: precisions add up, and its mean is the mean of theirs, weighted by
precision. A part that an event lacks leaves the product, so any part can be missing.

References:
    "Multimodal Generative Models for Scalable Weakly-Supervised Learning" (Wu and Goodman, 2018), for products;
    "Generalized Multimodal ELBO" (Sutter, Daunhawer and Vogt, 2021), for mixtures of the products of all subsets.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from genzoo_vae.prior import Prior

MOST_MIXED = 8
"""Largest number of parts with a mixture of products: it has a component for each subset of them."""


class Experts(NamedTuple):
    """The experts of N events of M parts: normals with `means (M, N, L)` and `log_variances (M, N, L)`."""

    means: Tensor
    log_variances: Tensor

    def product(self, seen: Tensor) -> JoinedPosterior:
        """Return the product of the experts of the parts that are seen, `(..., M, N)`, and of a standard normal."""
        precision = torch.where(seen[..., None], (-self.log_variances).exp(), 0.0)  # (..., M, N, L)
        total = 1.0 + precision.sum(-3)
        mean = (precision * self.means).sum(-3) / total
        weights = mean.new_zeros(1, *mean.shape[:-1])
        return JoinedPosterior(mean[None], -total.log()[None], weights, ~seen.any(-2))

    def mixture_of_products(self, seen: Tensor) -> JoinedPosterior:
        """Return the mixture, with equal weights, of the products of all subsets of the parts that are seen."""
        count = seen.shape[-2]
        subsets = torch.tensor(list(itertools.product((False, True), repeat=count))[1:], device=seen.device)
        subsets = subsets.view(-1, *[1] * (seen.ndim - 2), count, 1)
        products = self.product((subsets & seen).expand(-1, *seen.shape))
        able = (~subsets | seen).all(-2)  # (C, ..., N): only subsets of what is seen
        able = able | ~seen.any(-2)  # an event with no part is drawn from the prior, and needs any weights
        weights = torch.where(able, 0.0, -math.inf).log_softmax(0).to(self.means.dtype)
        return JoinedPosterior(products.means[0], products.log_variances[0], weights, ~seen.any(-2))


class JoinedPosterior(NamedTuple):
    """Mixtures of normals q(z | x), one for each event; events with no part have the prior p(z) in their place.

    Arguments:
        means, log_variances: of C components, `(C, ..., N, L)`.
        log_weights: logarithms of the weights, `(C, ..., N)`.
        empty: whether an event has no part, `(..., N)`.
    """

    means: Tensor
    log_variances: Tensor
    log_weights: Tensor
    empty: Tensor

    def draw(self, prior: Prior) -> Tensor:
        """Draw a latent vector for each event, `(..., N, L)`; gradients flow through the chosen component."""
        *sides, latent = self.means.shape[1:]
        mean, log_variance = self._chosen()
        drawn = torch.addcmul(mean, (0.5 * log_variance).exp(), torch.randn_like(mean))
        unknown = prior.sample(math.prod(sides)).view(*sides, latent).detach()
        return torch.where(self.empty[..., None], unknown, drawn)

    def _chosen(self) -> tuple[Tensor, Tensor]:
        """Choose a component for each event by the weights, and return its mean and log-variance, `(..., N, L)`."""
        if len(self.means) == 1:
            return self.means[0], self.log_variances[0]
        uniform = torch.rand_like(self.log_weights).clamp_min(torch.finfo(self.log_weights.dtype).tiny)
        which = (self.log_weights - (-uniform.log()).log()).argmax(0)[None, ..., None]  # the Gumbel-max trick
        which = which.expand(1, *self.means.shape[1:])
        return self.means.gather(0, which)[0], self.log_variances.gather(0, which)[0]

    def log_prob(self, z: Tensor, known: Tensor) -> Tensor:
        """Compute log q(z | x) of K draws, `z (K, ..., N, L)`, up to the constant -L log(2 pi) / 2, `(K, ..., N)`.

        Arguments:
            known: log p(z), which events with no part have, up to the same constant, `(K, ..., N)`.
        """
        scaled = (z[:, None] - self.means) * (-0.5 * self.log_variances).exp()  # (K, C, ..., N, L)
        each = self.log_weights - 0.5 * (scaled.square() + self.log_variances).sum(-1)
        return torch.where(self.empty, known, each.logsumexp(1))

    def mean(self) -> Tensor:
        """Return the means, `(..., N, L)`; for events with no part, the mean of a standard normal."""
        return (self.log_weights.exp()[..., None] * self.means).sum(0)
