"""Objectives of variational autoencoders, which are lower bounds of the log-likelihood, and of autoencoders.

    elbo    E log p(x | z) - beta KL(q(z | x) || p(z)),    z ~ q(z | x)
    iwae    E log(1/K sum_k w_k),    w_k = p(x, z_k) / q(z_k | x)
    reconstruction-error    the error of the decoded code of x, a mean over its values

References:
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2013);
    "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework" (Higgins et al., 2017);
    "Improved Variational Inference with Inverse Autoregressive Flow" (Kingma et al., 2016), for free bits;
    "Importance Weighted Autoencoders" (Burda, Grosse and Salakhutdinov, 2015);
    "Tighter Variational Bounds are Not Necessarily Better" (Rainforth et al., 2018);
    "Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives" (Tucker et al., 2018).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from genzoo import Batch, GradientObjective, Model, Progress
from genzoo_vae.autoencoder import Autoencoder
from genzoo_vae.options import ELBOOptions, IWAEOptions, ReconstructionErrorOptions
from genzoo_vae.prior import Normal
from genzoo_vae.vae import VAE, Posterior

_MONITOR_DRAWS = 4
"""Latent vectors drawn for each validation event of `elbo`, whose mean does not depend on their number."""


class ELBO(GradientObjective):
    """The negative evidence lower bound, with a weight on the KL divergence from the prior.

    Arguments:
        options: beta, warm-up, free bits and draws.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)
    likelihood_losses: ClassVar[tuple[str, ...]] = ("generator",)

    def __init__(self, options: ELBOOptions) -> None:
        self.options = options
        self.settled = options.warmup

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing, progress.fraction, batch.condition)}

    def loss(
        self, model: Model, x: Tensor, missing: Tensor | None, fraction: Tensor, condition: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of events `x (N, *event)`, `()` nats per event.

        Arguments:
            fraction: share of the training budget spent so far, from 0 to 1, `()`; it sets the warm-up.
            condition: what the events are conditional on, `(N, D)`. Defaults to `None`: nothing.
        """
        vae = _vae(model)
        posterior = vae.posterior(x, missing, condition)
        z = posterior.draw(self.options.draws)
        explained = vae.log_likelihood(x, missing, z, condition).mean()
        free = self.options.free_bits
        return self._weight(fraction) * divergence(vae, posterior, z, condition, free) - explained

    def _weight(self, fraction: Tensor) -> Tensor | float:
        if not self.options.warmup:
            return self.options.beta
        weight: Tensor = self.options.beta * (fraction / self.options.warmup).clamp_max(1.0)
        return weight

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        vae = _vae(model)
        posterior = vae.posterior(batch.x, batch.missing, batch.condition)
        z = posterior.draw(_MONITOR_DRAWS)
        explained = vae.log_likelihood(batch.x, batch.missing, z, batch.condition).mean()
        return divergence(vae, posterior, z, batch.condition) - explained


def divergence(vae: VAE, posterior: Posterior, z: Tensor, condition: Tensor | None = None, free: float = 0.0) -> Tensor:
    """Compute the KL divergence of posteriors from the prior, a mean over events, `()` nats.

    From a standard normal it has a closed form. From other priors it is the mean of log q(z | x) - log p(z) over draws.

    Arguments:
        vae: the model, with its prior.
        posterior: q(z | x) of N events.
        z: draws from the posterior, `(K, N, L)`.
        condition: what the events are conditional on, `(N, D)`. Defaults to `None`: nothing.
        free: free nats per latent dimension. A divergence below them costs as much as if it were equal to them: for a
            standard normal in each dimension, for other priors in the sum over dimensions. Defaults to 0.
    """
    if isinstance(vae.prior, Normal):
        each = posterior.divergence()
        return each.mean(0).clamp_min(free).sum() if free else each.sum(1).mean()
    estimate = (posterior.log_prob(z) - vae.prior.log_prob(z, condition)).mean()
    return estimate.clamp_min(free * z.shape[-1]) if free else estimate


class IWAE(GradientObjective):
    """The negative importance-weighted bound of K draws.

    Arguments:
        options: draws, and the estimator of the encoder's gradient.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)
    likelihood_losses: ClassVar[tuple[str, ...]] = ("generator",)

    def __init__(self, options: IWAEOptions) -> None:
        self.draws = options.draws
        self.doubly = options.gradient == "doubly-reparameterized"

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing, batch.condition)}

    def loss(self, model: Model, x: Tensor, missing: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Compute the loss of events `x (N, *event)`, `()` nats per event."""
        vae = _vae(model)
        posterior = vae.posterior(x, missing, condition)
        z = posterior.draw(self.draws)
        if not self.doubly:
            return self._bound(vae.log_weights(x, missing, z, posterior, condition))
        # As K grows, the noise of the encoder's standard gradient outgrows its mean (Rainforth et al., 2018). The noise
        # comes from the score of q, d log q(z | x) / d phi at fixed z, which cannot be dropped for K > 1. Tucker et al.
        # (2018) reparameterize it once more. What remains is sum_k v_k² (d log w_k / d z_k) (d z_k / d phi), where v is
        # softmax(log w), and log w depends on the encoder's parameters phi through z alone. So q is detached here.
        still = Posterior(posterior.mean.detach(), posterior.log_variance.detach())

        def summed(z: Tensor) -> tuple[Tensor, Tensor]:
            log_weights = vae.log_weights(x, missing, z, still, condition)
            return log_weights.sum(), log_weights

        slope, log_weights = torch.func.grad(summed, has_aux=True)(z.detach())
        share = log_weights.detach().softmax(0)
        # z is the only path from `encoder` to phi, so its gradient is the estimator above. The decoder and the prior
        # keep the standard gradient of the bound. Subtracting `encoder` from itself leaves the value of the loss.
        encoder = (share.square()[..., None] * slope.detach() * z).sum(-1).sum(0).mean()
        loss: Tensor = self._bound(log_weights) - (encoder - encoder.detach())
        return loss

    def _bound(self, log_weights: Tensor) -> Tensor:
        """Return the negative mean over events of the bounds from `log_weights (K, N)`, `()`."""
        return math.log(self.draws) - log_weights.logsumexp(0).mean()

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        bound = _vae(model).log_prob_bound(batch.x, batch.missing, condition=batch.condition, draws=self.draws)
        return -bound.mean()


class ReconstructionError(GradientObjective):
    """The mean reconstruction error of events, for an autoencoder.

    The density of its codes learns beside it, and changes nothing else.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)
    least_events: ClassVar[int] = 2

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing)}

    def loss(self, model: Model, x: Tensor, missing: Tensor | None) -> Tensor:
        """Compute the loss of events `x (N, *event)`, `()`."""
        autoencoder = _autoencoder(model)
        z = autoencoder.encode(x, missing)
        beside = autoencoder.density.loss(z)
        # Subtracting the density's loss from itself leaves its gradient, and the reconstruction error as the value.
        return autoencoder.error(x, missing, z).mean() + (beside - beside.detach())

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return _autoencoder(model).anomaly_score(batch.x, batch.missing).mean()


def _autoencoder(model: Model) -> Autoencoder:
    assert isinstance(model.generator, Autoencoder)
    return model.generator


def _vae(model: Model) -> VAE:
    assert isinstance(model.generator, VAE)
    return model.generator


def elbo(options: ELBOOptions) -> ELBO:
    """Build the objective `elbo`."""
    return ELBO(options)


def iwae(options: IWAEOptions) -> IWAE:
    """Build the objective `iwae`."""
    return IWAE(options)


def reconstruction_error(_: ReconstructionErrorOptions) -> ReconstructionError:
    """Build the objective `reconstruction-error`."""
    return ReconstructionError()
