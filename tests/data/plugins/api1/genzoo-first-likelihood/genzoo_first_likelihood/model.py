"""An affine coupling flow for tables.

References:
    "Density Estimation Using Real NVP" (Dinh, Sohl-Dickstein and Bengio, 2017).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from genzoo import DataSpec, Decoder, Encoder, Generator, Likelihood, Parts
from genzoo_first_likelihood.options import FlowOptions


class Coupling(nn.Module):
    """How each column of `x (N, C)` is shifted and scaled, `(N, C)` each: those that are `kept (C,)` by nothing."""

    kept: Tensor

    def __init__(self, kept: Tensor, width: int) -> None:
        super().__init__()
        self.register_buffer("kept", kept)
        hidden = [nn.Linear(len(kept), width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
        self.network = nn.Sequential(*hidden, nn.Linear(width, 2 * len(kept)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shift, log_scale = self.network(x * self.kept).to(x.dtype).chunk(2, -1)
        return shift * (1 - self.kept), torch.tanh(log_scale) * (1 - self.kept)


class Flow(Generator, Likelihood, Decoder, Encoder):
    """Standard normal numbers, one for each column, sent back through couplings that can be inverted exactly."""

    origin: Tensor

    def __init__(self, columns: int, config: FlowOptions) -> None:
        super().__init__()
        self.register_buffer("origin", torch.zeros(columns))
        kept = [(torch.arange(columns) + layer) % 2.0 for layer in range(config.layers)]
        self.couplings = nn.ModuleList(Coupling(mask, config.width) for mask in kept)

    @property
    def latent(self) -> int:
        return self.origin.shape[0]

    @property
    def degrees_of_freedom(self) -> int | None:
        return None  # stopped early, it has fewer than it has weights

    def _inverted(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The latent vectors of `x (N, C)`, and the log-determinants of the map to them, `(N,)`."""
        log_det = x.new_zeros(len(x))
        for coupling in self.couplings:
            shift, log_scale = coupling(x)
            x, log_det = x * log_scale.exp() + shift, log_det + log_scale.sum(1)
        return x, log_det

    def log_prob(self, x: Tensor) -> Tensor:
        z, log_det = self._inverted(x)
        return log_det - 0.5 * (z.square() + math.log(2 * math.pi)).sum(1)

    def encode(self, x: Tensor) -> Tensor:
        return self._inverted(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        for coupling in reversed(self.couplings):
            shift, log_scale = coupling(z)
            z = (z - shift) * (-log_scale).exp()
        return z

    def prior_sample(self, n: int) -> Tensor:
        return torch.randn(n, self.latent, dtype=self.origin.dtype, device=self.origin.device)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        return self.decode(self.prior_sample(n))


def build(config: FlowOptions, data: DataSpec) -> Parts:
    """The untrained parts of the model for one kind of event."""
    return Parts(Flow(data.size, config))
