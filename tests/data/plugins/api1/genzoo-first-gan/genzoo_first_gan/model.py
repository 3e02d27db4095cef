"""Two perceptrons: one makes the rows of a table from latent vectors, the other tells them from real ones.

References:
    "Generative Adversarial Nets" (Goodfellow et al., 2014).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genzoo import DataSpec, Decoder, Discriminator, Generator, Parts
from genzoo_first_gan.options import GANOptions


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden layers, `(N, inputs)` to `(N, outputs)`."""
    hidden = [nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


class TableGenerator(Generator, Decoder):
    """Latent vectors `(N, L)` to rows `(N, C)`."""

    origin: Tensor

    def __init__(self, config: GANOptions, columns: int) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(config.latent))
        self.network = perceptron(config.latent, config.width, columns)

    @property
    def latent(self) -> int:
        return self.origin.shape[0]

    def prior_sample(self, n: int) -> Tensor:
        return torch.randn(n, self.latent, dtype=self.origin.dtype, device=self.origin.device)

    def decode(self, z: Tensor) -> Tensor:
        x: Tensor = self.network(z)
        return x

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        return self.decode(self.prior_sample(n))


class TableDiscriminator(Discriminator):
    """Rows `(N, C)` to logits `(N,)`, each row by itself."""

    def __init__(self, config: GANOptions, columns: int) -> None:
        super().__init__()
        self.network = perceptron(columns, config.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits[:, 0]


def build(config: GANOptions, data: DataSpec) -> Parts:
    """The untrained parts of the model for one kind of event."""
    return Parts(TableGenerator(config, data.size), TableDiscriminator(config, data.size))
