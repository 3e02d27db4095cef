"""The variational autoencoder (VAE) as a distribution of events.

A latent vector z ~ p(z) is decoded to the parameters of p(x | z). The density p(x), an integral over z, has no closed
form. The encoder approximates p(z | x) by q(z | x) = N(mu(x), diag(sigma²(x))). A conditional VAE has a condition c
beside the inputs of encoder and decoder, q(z | x, c) and p(x | z, c), and a prior p(z | c), or one prior p(z) for all
conditions. With K draws z_k from q(z | x),

    log p(x) >= E log(1/K sum_k w_k),    w_k = p(x | z_k) p(z_k) / q(z_k | x).

The bound is the ELBO for K = 1, and tightens as K grows.

References:
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2013);
    "Learning Structured Output Representation using Deep Conditional Generative Models" (Sohn, Lee and Yan, 2015), for
    conditions;
    "Importance Weighted Autoencoders" (Burda, Grosse and Salakhutdinov, 2015), for the bound of K draws;
    "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets" (Mattei and Frellsen, 2019), for missing
    values.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genzoo import Decoder, Encoder, Floor, Generator, Imputation, LikelihoodBound, Reconstruction, full_precision
from genzoo_vae.network import encoder_view
from genzoo_vae.observation import Observation
from genzoo_vae.prior import Prior

_NUMBERS = 2**22
"""Largest number of outputs of a layer at once; more draws are split."""

_LOG_VARIANCES = (-16.0, 2.0)
"""Range of the logarithm of a posterior variance. Few posteriors are wider than the prior. But for an event unlike all
others, the encoder extrapolates, and draws from a far wider one would lie where no decoder has learned anything. The
error of this event alone then decides the step, and the training may never recover."""


class Posterior(NamedTuple):
    """The approximate posteriors q(z | x) of N events: normals with `mean (N, L)` and `log_variance (N, L)`."""

    mean: Tensor
    log_variance: Tensor

    def draw(self, draws: int) -> Tensor:
        """Draw K latent vectors for each event, `(K, N, L)`; z = mu + sigma e is differentiable in mu and sigma."""
        noise = torch.randn(draws, *self.mean.shape, device=self.mean.device, dtype=self.mean.dtype)
        return torch.addcmul(self.mean, (0.5 * self.log_variance).exp(), noise)

    def log_prob(self, z: Tensor) -> Tensor:
        """Compute log q(z | x) of `z (K, N, L)`, up to the constant -L log(2 pi) / 2, `(K, N)`.

        `Prior.log_prob` leaves out the same constant, so it cancels in log p(z) - log q(z | x).
        """
        scaled = (z - self.mean) * (-0.5 * self.log_variance).exp()
        return -0.5 * (scaled.square() + self.log_variance).sum(-1)

    def divergence(self) -> Tensor:
        """Compute the KL divergence of q(z | x) from N(0, I) in each latent dimension, `(N, L)` nats."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance)


class VAE(Generator, LikelihoodBound, Decoder, Encoder, Reconstruction, Imputation):
    """A variational autoencoder.

    Arguments:
        encoder: maps the encoder's view of events, `(N, shown)`, to mean and log-variance of q(z | x), `(N, 2 L)`. With
            `sees_missing`, the mask of missing values follows in more columns.
        decoder: maps z `(N, L)` to the parameters of p(x | z), `(N, width)`.
        observation: p(x | z) given these parameters.
        prior: p(z), or p(z | c).
        event_shape: shape of one event.
        latent: L.
        sees_missing: whether the encoder also sees which values are missing. Defaults to False.
        hidden: dropout rate of the encoder's input in training. Defaults to 0.
        largest: number of outputs, for one latent vector, of the decoder's largest inner layer. Defaults to 1.
        imputation_draws: latent vectors drawn for each event to impute. Defaults to 100.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        observation: Observation,
        prior: Prior,
        event_shape: tuple[int, ...],
        latent: int,
        *,
        sees_missing: bool = False,
        hidden: float = 0.0,
        largest: int = 1,
        imputation_draws: int = 100,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.observation = observation
        self.prior = prior
        self.prior_given = prior.follows
        self._event_shape = event_shape
        self._latent = latent
        self._sees_missing = sees_missing
        self._hidden = hidden
        self._largest = max(largest, observation.width)
        self._imputation_draws = imputation_draws

    @property
    def latent(self) -> int:
        return self._latent

    @property
    def largest(self) -> int:
        """Number of outputs, for one latent vector, of the decoder's largest layer."""
        return self._largest

    def posterior(self, x: Tensor, missing: Tensor | None = None, condition: Tensor | None = None) -> Posterior:
        """Compute q(z | x, c) of events `x (N, *event)`, given conditions `c (N, D)` if there are any."""
        narrowest, widest = _LOG_VARIANCES
        mean, log_variance = self.encoded(x, missing, condition)
        # A clamp would end the gradient that makes a posterior beyond the limit narrower.
        within = log_variance - (log_variance - widest).clamp_min(0.0).detach()
        return Posterior(mean, within.clamp_min(narrowest))

    def encoded(
        self, x: Tensor, missing: Tensor | None = None, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Compute the encoder's mean and log-variance, of any size, each `(N, L)`."""
        hidden = self._hidden if self.training else 0.0
        shown = encoder_view(self.observation, x, missing, sees_missing=self._sees_missing, hidden=hidden)
        shown = shown if condition is None else torch.cat([shown, condition.to(shown.dtype)], 1)
        mean, log_variance = self.encoder(shown).to(x.dtype).chunk(2, -1)
        return mean, log_variance

    def parameters_of(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Decode latent vectors `z (..., N, L)` to the parameters of p(x | z, c), `(..., N, width)`.

        They have the dtype of `z`. The conditions `c (N, D)` follow the latent dimensions in the decoder's input.
        """
        given = z if condition is None else torch.cat([z, condition.to(z.dtype).expand(*z.shape[:-1], -1)], -1)
        parameters: Tensor = self.decoder(given.flatten(0, -2))
        return parameters.to(z.dtype).view(*z.shape[:-1], self.observation.width)

    def log_likelihood(self, x: Tensor, missing: Tensor | None, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Compute log p(x | z, c) of the observed values of `x (N, *event)`, given `z (K, N, L)`, `(K, N)` nats."""
        parameters = self.parameters_of(z, condition)
        with full_precision(x):
            return self._observed(x, missing, parameters)

    def _observed(self, x: Tensor, missing: Tensor | None, parameters: Tensor) -> Tensor:
        flat, gone = x.flatten(1), None if missing is None else missing.flatten(1)
        if gone is not None and self.observation.dependent:
            flat = self.observation.complete(flat, gone, parameters)
        return self._known(flat, gone, parameters)

    def _known(self, flat: Tensor, gone: Tensor | None, parameters: Tensor) -> Tensor:
        # If values are independent given z, the integral over missing ones leaves their terms out. If not, missing
        # ones are draws given the values before, and what is left is the weight of the draws in importance sampling.
        each = self.observation.log_prob(flat, parameters)
        return (each if gone is None else each.masked_fill(gone, 0.0)).sum(-1)

    def log_weights(
        self, x: Tensor, missing: Tensor | None, z: Tensor, posterior: Posterior, condition: Tensor | None = None
    ) -> Tensor:
        """Compute log w = log p(x, z | c) - log q(z | x, c) of draws `z (K, N, L)` from q, `(K, N)` nats."""
        return self.log_likelihood(x, missing, z, condition) + self.prior.log_prob(z, condition) - posterior.log_prob(z)

    def log_prob_bound(
        self, x: Tensor, missing: Tensor | None = None, *, condition: Tensor | None = None, draws: int = 1
    ) -> Tensor:
        posterior = self.posterior(x, missing, condition)
        some = max(1, _NUMBERS // max(1, len(x) * self._largest))
        total = x.new_full((len(x),), -math.inf)
        for start in range(0, draws, some):
            # Drawn one at a time, so that the numbers do not depend on how many fit in memory.
            z = torch.cat([posterior.draw(1) for _ in range(min(some, draws - start))])
            total = torch.logaddexp(total, self.log_weights(x, missing, z, posterior, condition).logsumexp(0))
        return total - math.log(draws)

    def floors(self, x: Tensor, missing: Tensor | None = None, *, condition: Tensor | None = None) -> list[Floor]:
        """Return the values whose deviation, given the posterior mean, is about `least_scale`."""
        narrow = self.observation.narrow(self.parameters_of(self.encode(x, missing, condition=condition), condition))
        if narrow is None:
            return []
        narrow = narrow if missing is None else narrow & ~missing.flatten(1)
        found = []
        for place in narrow.any(0).nonzero()[:, 0].tolist():
            direction = x.new_zeros(1, narrow.shape[1], dtype=torch.float64)
            direction[0, place] = 1.0
            found.append(Floor("least_scale", direction.view(1, *self._event_shape), narrow[:, place].double()))
        return found

    def prior_sample(self, n: int, *, condition: Tensor | None = None) -> Tensor:
        return self.prior.sample(n, condition)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        """Draw x ~ p(x | z, c) for z ~ p(z | c): samples include the noise of the observation."""
        parameters = self.parameters_of(self.prior_sample(n, condition=condition), condition)
        return self.observation.sample(parameters).view(-1, *self._event_shape)

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Return the expected events given `z (N, L)`; for categories, the most probable one."""
        expectation = self.observation.expectation(self.parameters_of(z, condition))
        return self.observation.conclude(expectation).view(-1, *self._event_shape)

    def encode(self, x: Tensor, missing: Tensor | None = None, *, condition: Tensor | None = None) -> Tensor:
        return self.posterior(x, missing, condition).mean

    def reconstruct(self, x: Tensor, missing: Tensor | None = None, *, condition: Tensor | None = None) -> Tensor:
        """Decode the posterior mean."""
        return self.decode(self.encode(x, missing, condition=condition), condition=condition)

    def impute(self, x: Tensor, missing: Tensor, *, condition: Tensor | None = None, draw: bool = False) -> Tensor:
        some = max(1, _NUMBERS // (self._imputation_draws * self._largest))
        events, masks = torch.split(x, some), torch.split(missing, some)
        conditions = [None] * len(events) if condition is None else torch.split(condition, some)
        parts = zip(events, masks, conditions, strict=True)
        return torch.cat([self._impute(*part, draw) for part in parts])

    def _impute(self, x: Tensor, missing: Tensor, condition: Tensor | None, draw: bool) -> Tensor:
        """Impute by importance sampling: draws from q(z | x), weighted by w, stand for draws from p(z | x)."""
        posterior = self.posterior(x, missing, condition)
        z = posterior.draw(self._imputation_draws)
        parameters = self.parameters_of(z, condition)
        flat, gone = x.flatten(1), missing.flatten(1)
        if self.observation.dependent:
            flat = self.observation.complete(flat, gone, parameters)  # (K, N, D)
        weights = self._known(flat, gone, parameters) + self.prior.log_prob(z, condition) - posterior.log_prob(z)
        filled = self._filled(flat, parameters, weights.softmax(0), draw)
        return torch.where(missing, filled.view(-1, *self._event_shape), x)

    def _filled(self, flat: Tensor, parameters: Tensor, share: Tensor, draw: bool) -> Tensor:
        """Return one draw or the mean of events, `(N, D)`, from K draws with weights `share (K, N)`.

        If values depend on each other, `flat (K, N, D)` are the draws. If not, they are independent given `parameters`.
        """
        dependent = self.observation.dependent
        if draw:
            chosen, row = torch.multinomial(share.T, 1)[:, 0], torch.arange(share.shape[1], device=share.device)
            return flat[chosen, row] if dependent else self.observation.sample(parameters[chosen, row])
        expected = flat if dependent else self.observation.expectation(parameters)
        return self.observation.conclude((share[..., None] * expected).sum(0))
