"""The variational autoencoder as a distribution over events.

References:
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2013);
    "Importance Weighted Autoencoders" (Burda, Grosse and Salakhutdinov, 2015), for the bound of several draws;
    "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets" (Mattei and Frellsen, 2019).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo import Decoder, Encoder, Generator, Imputation, LikelihoodBound, Reconstruction, full_precision
from genzoo_vae.observation import Observation
from genzoo_vae.prior import Prior

_NUMBERS = 2**22
"""Numbers that a layer may hold at a time where many draws are asked for."""

_LOG_VARIANCES = (-16.0, 8.0)
"""What the logarithm of a posterior variance is held to."""


class Posterior(NamedTuple):
    """The normal distributions that an encoder gives, `mean (N, L)` and `log_variance (N, L)`."""

    mean: Tensor
    log_variance: Tensor

    def draw(self, draws: int) -> Tensor:
        """Latent vectors `(K, N, L)`, through which gradients pass."""
        noise = torch.randn(draws, *self.mean.shape, device=self.mean.device, dtype=self.mean.dtype)
        return torch.addcmul(self.mean, (0.5 * self.log_variance).exp(), noise)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of latent vectors `z (K, N, L)`, less that of a standard normal at 0, `(K, N)`."""
        scaled = (z - self.mean) * (-0.5 * self.log_variance).exp()
        return -0.5 * (scaled.square() + self.log_variance).sum(-1)

    def divergence(self) -> Tensor:
        """From the standard normal, of each latent dimension, `(N, L)` nats."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance)


class VAE(Generator, LikelihoodBound, Decoder, Encoder, Reconstruction, Imputation):
    """Latent vectors of a prior, decoded to the parameters of a distribution of events.

    Arguments:
        encoder: `(N, shown)`, or twice that many columns with `told`, to mean and log-variance `(N, 2 L)`.
        decoder: `(N, L)` to what the observation wants, `(N, width)`.
        observation: the distribution of events given what the decoder says.
        prior: the distribution of latent vectors.
        event_shape: of one event.
        latent: L.
        told: whether the encoder is told which values are missing.
        hidden: share of what an encoder sees that is hidden from it while training.
        largest: numbers that the largest layer of the decoder holds for one latent vector, where that is not its last.
        imputation_draws: latent vectors drawn for each event that is imputed.
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
        told: bool = False,
        hidden: float = 0.0,
        largest: int = 1,
        imputation_draws: int = 100,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.observation = observation
        self.prior = prior
        self._event_shape = event_shape
        self._latent = latent
        self._told = told
        self._hidden = hidden
        self._largest = max(largest, observation.width)
        self._imputation_draws = imputation_draws

    @property
    def latent(self) -> int:
        return self._latent

    def posterior(self, x: Tensor, missing: Tensor | None = None) -> Posterior:
        """The approximate posterior of the latent vectors of events `x (N, *event)`."""
        flat, gone = x.flatten(1), None if missing is None else missing.flatten(1)
        shown = F.dropout(self.observation.show(flat, gone), self._hidden, self.training)
        if self._told:
            mask = torch.zeros_like(flat) if gone is None else gone.to(flat.dtype)
            shown = torch.cat([shown, mask], 1)
        mean, log_variance = self.encoder(shown).to(x.dtype).chunk(2, -1)
        return Posterior(mean, log_variance.clamp(*_LOG_VARIANCES))

    def parameters_of(self, z: Tensor) -> Tensor:
        """What the decoder says of latent vectors `z (..., L)`, `(..., width)` of the type of `z`."""
        said: Tensor = self.decoder(z.flatten(0, -2))
        return said.to(z.dtype).view(*z.shape[:-1], self.observation.width)

    def log_likelihood(self, x: Tensor, missing: Tensor | None, z: Tensor) -> Tensor:
        """Log-probability of what is observed of events `x (N, *event)` given `z (K, N, L)`, `(K, N)` nats."""
        said = self.parameters_of(z)
        with full_precision(x):
            return self._observed(x, missing, said)

    def _observed(self, x: Tensor, missing: Tensor | None, said: Tensor) -> Tensor:
        found = self.observation.log_prob(x.flatten(1), said)
        return (found if missing is None else found.masked_fill(missing.flatten(1), 0.0)).sum(-1)

    def log_weights(self, x: Tensor, missing: Tensor | None, z: Tensor, posterior: Posterior) -> Tensor:
        """Of draws `z (K, N, L)` from the posterior: log p(x, z) - log q(z given x), `(K, N)` nats."""
        return self.log_likelihood(x, missing, z) + self.prior.log_prob(z) - posterior.log_prob(z)

    def log_prob_bound(self, x: Tensor, missing: Tensor | None = None, *, draws: int = 1) -> Tensor:
        posterior = self.posterior(x, missing)
        some = max(1, _NUMBERS // max(1, len(x) * self._largest))
        total = x.new_full((len(x),), -math.inf)
        for start in range(0, draws, some):
            # One at a time, so that what is drawn does not depend on how many memory allows.
            z = torch.cat([posterior.draw(1) for _ in range(min(some, draws - start))])
            total = torch.logaddexp(total, self.log_weights(x, missing, z, posterior).logsumexp(0))
        return total - math.log(draws)

    def prior_sample(self, n: int) -> Tensor:
        return self.prior.sample(n)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        """Draw events, the noise of their observation included."""
        return self.observation.sample(self.parameters_of(self.prior_sample(n))).view(-1, *self._event_shape)

    def decode(self, z: Tensor) -> Tensor:
        """The expected events of `z (N, L)`; of categories the most probable one."""
        expectation = self.observation.expectation(self.parameters_of(z))
        return self.observation.conclude(expectation).view(-1, *self._event_shape)

    def encode(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        return self.posterior(x, missing).mean

    def reconstruct(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """What the posterior mean decodes to."""
        return self.decode(self.encode(x, missing))

    def impute(self, x: Tensor, missing: Tensor, *, draw: bool = False) -> Tensor:
        some = max(1, _NUMBERS // (self._imputation_draws * self._largest))
        parts = zip(torch.split(x, some), torch.split(missing, some), strict=True)
        return torch.cat([self._impute(*part, draw) for part in parts])

    def _impute(self, x: Tensor, missing: Tensor, draw: bool) -> Tensor:
        """Importance resampling: draws from the posterior, by how well they explain what is observed."""
        posterior = self.posterior(x, missing)
        z = posterior.draw(self._imputation_draws)
        said = self.parameters_of(z)
        weights = self._observed(x, missing, said) + self.prior.log_prob(z) - posterior.log_prob(z)
        share = weights.softmax(0)  # (K, N)
        if draw:
            chosen = torch.multinomial(share.T, 1)[:, 0]
            filled = self.observation.sample(said[chosen, torch.arange(len(x), device=x.device)])
        else:
            filled = self.observation.conclude((share[..., None] * self.observation.expectation(said)).sum(0))
        return torch.where(missing, filled.view(-1, *self._event_shape), x)
