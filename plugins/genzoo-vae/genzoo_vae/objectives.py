"""Bounds of the log-likelihood that autoencoders are trained by.

References:
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2013);
    "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework" (Higgins et al., 2017);
    "Improved Variational Inference with Inverse Autoregressive Flow" (Kingma et al., 2016), for free bits;
    "Importance Weighted Autoencoders" (Burda, Grosse and Salakhutdinov, 2015);
    "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives" (Tucker et al., 2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from genzoo import Batch, GradientObjective, Model, Progress
from genzoo_vae.autoencoder import VAE, Posterior
from genzoo_vae.options import ELBOOptions, IWAEOptions
from genzoo_vae.prior import Normal

_MONITOR_DRAWS = 4
"""Latent vectors drawn for each validation event where the bound does not depend on how many there are."""


class ELBO(GradientObjective):
    """Minus the evidence lower bound, its divergence from the prior weighed.

    Arguments:
        options: beta, warm-up, free bits and draws.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)

    def __init__(self, options: ELBOOptions) -> None:
        self.options = options
        self.settled = options.warmup

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing, progress.fraction)}

    def loss(self, model: Model, x: Tensor, missing: Tensor | None, fraction: Tensor) -> Tensor:
        """Of events `x (N, *event)` after a share of the budget, `()` nats per event."""
        vae = _vae(model)
        posterior = vae.posterior(x, missing)
        z = posterior.draw(self.options.draws)
        explained = vae.log_likelihood(x, missing, z).mean()
        return self._weight(fraction) * divergence(vae, posterior, z, self.options.free_bits) - explained

    def _weight(self, fraction: Tensor) -> Tensor | float:
        if not self.options.warmup:
            return self.options.beta
        weight: Tensor = self.options.beta * (fraction / self.options.warmup).clamp_max(1.0)
        return weight

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        vae = _vae(model)
        posterior = vae.posterior(batch.x, batch.missing)
        z = posterior.draw(_MONITOR_DRAWS)
        return divergence(vae, posterior, z) - vae.log_likelihood(batch.x, batch.missing, z).mean()


def divergence(vae: VAE, posterior: Posterior, z: Tensor, free: float = 0.0) -> Tensor:
    """Of posteriors from the prior, a mean over events, `()` nats.

    In closed form from a standard normal, each latent dimension costing no less than what is free of it; else estimated
    from draws `z (K, N, L)`, costing no less than what is free of all dimensions together.
    """
    if isinstance(vae.prior, Normal):
        found = posterior.divergence()
        return found.mean(0).clamp_min(free).sum() if free else found.sum(1).mean()
    estimate = (posterior.log_prob(z) - vae.prior.log_prob(z)).mean()
    return estimate.clamp_min(free * z.shape[-1]) if free else estimate


class IWAE(GradientObjective):
    """Minus the importance-weighted bound of several draws.

    Arguments:
        options: draws, and how the encoder's gradient is estimated.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)

    def __init__(self, options: IWAEOptions) -> None:
        self.draws = options.draws
        self.doubly = options.gradient == "doubly-reparameterized"

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing)}

    def loss(self, model: Model, x: Tensor, missing: Tensor | None) -> Tensor:
        """Of events `x (N, *event)`, `()` nats per event."""
        vae = _vae(model)
        posterior = vae.posterior(x, missing)
        z = posterior.draw(self.draws)
        if not self.doubly:
            return self._bound(vae.log_weights(x, missing, z, posterior))
        # The decoder learns by the weights, the encoder by their squares, and by the way through z alone.
        still = Posterior(posterior.mean.detach(), posterior.log_variance.detach())

        def summed(z: Tensor) -> tuple[Tensor, Tensor]:
            found = vae.log_weights(x, missing, z, still)
            return found.sum(), found

        slope, log_weights = torch.func.grad(summed, has_aux=True)(z.detach())
        share = log_weights.detach().softmax(0)
        encoder = (share.square()[..., None] * slope.detach() * z).sum(-1).sum(0).mean()
        loss: Tensor = self._bound(log_weights) - (encoder - encoder.detach())
        return loss

    def _bound(self, log_weights: Tensor) -> Tensor:
        """Minus the mean bound of `log_weights (K, N)`."""
        return math.log(self.draws) - log_weights.logsumexp(0).mean()

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return -_vae(model).log_prob_bound(batch.x, batch.missing, draws=self.draws).mean()


def _vae(model: Model) -> VAE:
    assert isinstance(model.generator, VAE)
    return model.generator


def elbo(options: ELBOOptions) -> ELBO:
    """The objective."""
    return ELBO(options)


def iwae(options: IWAEOptions) -> IWAE:
    """The objective."""
    return IWAE(options)
