"""A variational autoencoder for tables: normal latent vectors, decoded to the means of normal columns.

References:
    "Auto-Encoding Variational Bayes" (Kingma and Welling, 2013);
    "Importance Weighted Autoencoders" (Burda, Grosse and Salakhutdinov, 2015), for the bound of several draws.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from genzoo import DataSpec, Decoder, Encoder, Generator, LikelihoodBound, Parts, Reconstruction
from genzoo_first_vae.options import VAEOptions


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden layers, `(N, inputs)` to `(N, outputs)`."""
    hidden = [nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


def log_normal(x: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Log-density of independent normal numbers `x (..., C)`, `(...)`."""
    z = (x - mean) * (-log_deviation).exp()
    return -(0.5 * z.square() + log_deviation + 0.5 * math.log(2 * math.pi)).sum(-1)


class VAE(Generator, LikelihoodBound, Decoder, Encoder, Reconstruction):
    """Latent vectors `(N, L)` are standard normal; given one, each column is normal about what it decodes to."""

    origin: Tensor

    def __init__(self, config: VAEOptions, columns: int) -> None:
        super().__init__()
        self.encoder = perceptron(columns, config.width, 2 * config.latent)
        self.decoder = perceptron(config.latent, config.width, columns)
        self.log_noise = nn.Parameter(torch.zeros(columns))
        self.register_buffer("origin", torch.zeros(config.latent))

    @property
    def latent(self) -> int:
        return self.origin.shape[0]

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-deviation of the latent vectors given `x (N, C)`, `(N, L)` each."""
        mean, log_deviation = self.encoder(x).to(x.dtype).chunk(2, -1)
        return mean, log_deviation.clamp(-8.0, 4.0)

    def log_prob_bound(self, x: Tensor, *, draws: int = 1) -> Tensor:
        mean, log_deviation = self.posterior(x)
        log_weights = []
        for _ in range(draws):
            z = mean + log_deviation.exp() * torch.randn_like(mean)
            joint = log_normal(x, self.decode(z), self.log_noise) + log_normal(z, self.origin, self.origin)
            log_weights.append(joint - log_normal(z, mean, log_deviation))
        return torch.stack(log_weights).logsumexp(0) - math.log(draws)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        x: Tensor = self.decoder(z)
        return x.to(z.dtype)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def prior_sample(self, n: int) -> Tensor:
        return torch.randn(n, self.latent, dtype=self.origin.dtype, device=self.origin.device)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        x = self.decode(self.prior_sample(n))
        return x + self.log_noise.exp() * torch.randn_like(x)


def build(config: VAEOptions, data: DataSpec) -> Parts:
    """The untrained parts of the model for one kind of event."""
    return Parts(VAE(config, data.size))
