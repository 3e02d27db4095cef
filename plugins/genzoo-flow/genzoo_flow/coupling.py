"""A density made of couplings: each changes half of the columns by splines that a network chooses from the other half.

Densities and samples both take one pass. Between couplings, columns are permuted and rotated.

References:
    "Density estimation using Real NVP" (Dinh, Sohl-Dickstein and Bengio, 2017), for couplings;
    "Neural Spline Flows" (Durkan et al., 2019), for splines;
    "Glow: Generative Flow with Invertible 1x1 Convolutions" (Kingma and Dhariwal, 2018), for linear layers between.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from genzoo_flow.network import Network
from genzoo_flow.options import FlowOptions
from genzoo_flow.spline import forward, inverse, knots_of, spline_size

LOG_NORMALIZER = 0.5 * math.log(2 * math.pi)


class Rotation(nn.Module):
    """A permutation of columns, then a rotation that is learned and begins as none.

    The rotation is the Cayley transform `(I - A)^-1 (I + A)` of a skew-symmetric matrix, so its determinant is 1 and
    its inverse the transpose.

    Arguments:
        order: the column that comes to each place.
        learned: whether there is a rotation, too.
    """

    permutation: Tensor

    def __init__(self, order: list[int], learned: bool) -> None:
        super().__init__()
        self.register_buffer("permutation", torch.eye(len(order))[order])
        self.raw = nn.Parameter(torch.zeros(len(order), len(order))) if learned else None

    def matrix(self) -> Tensor:
        """Return the orthogonal matrix, `(D, D)`: events are multiplied by it from the right."""
        if self.raw is None:
            return self.permutation.mT
        skew = self.raw - self.raw.mT
        one = torch.eye(len(skew), device=skew.device, dtype=skew.dtype)
        turned: Tensor = torch.linalg.solve_ex(one - skew, one + skew).result
        return self.permutation.mT @ turned


class Constant(nn.Module):
    """The network of a coupling that sees nothing: of a table with one column, and no condition."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.raw.to(x.dtype).expand(len(x), -1)


class Coupling(nn.Module):
    """A rotation, then splines of the last columns, which a network chooses from the first ones.

    Arguments:
        size: number of columns.
        given: size of a condition.
        rotation: the rotation.
        config: options of the model.
    """

    def __init__(self, size: int, given: int, rotation: Rotation, config: FlowOptions) -> None:
        super().__init__()
        self.rotation = rotation
        self._kept, self._bins = size // 2, config.bins
        changed = size - self._kept
        outputs = changed * spline_size(config.bins)
        inputs = self._kept + given
        self.network = Network(inputs, outputs, config.widths, config.dropout) if inputs else Constant(outputs)

    def _knots(self, kept: Tensor, condition: Tensor | None) -> Tensor:
        seen = kept if condition is None else torch.cat([kept, condition.to(kept.dtype)], -1)
        return knots_of(self.network(seen).unflatten(-1, (-1, spline_size(self._bins))), self._bins)

    def forward(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the images of `z (N, D)` and the log-determinants, `(N,)`."""
        turned = z @ self.rotation.matrix().to(z.dtype)
        kept, rest = turned[:, : self._kept], turned[:, self._kept :]
        changed, logs = forward(rest, self._knots(kept, condition))
        return torch.cat([kept, changed], -1), logs.sum(-1)

    def inverse(self, y: Tensor, condition: Tensor | None) -> Tensor:
        """Return what `forward` maps to `y (N, D)`."""
        kept = y[:, : self._kept]
        rest = inverse(y[:, self._kept :], self._knots(kept, condition))
        return torch.cat([kept, rest], -1) @ self.rotation.matrix().to(y.dtype).mT


class Couplings(nn.Module):
    """A standard normal distribution, moved through couplings.

    Arguments:
        size: number of columns, D.
        given: size of a condition.
        config: options of the model.
    """

    def __init__(self, size: int, given: int, config: FlowOptions) -> None:
        super().__init__()
        self._size = size
        orders = _orders(size, config.layers)
        self.couplings = nn.ModuleList(
            Coupling(size, given, Rotation(order, config.rotations and size > 1), config) for order in orders
        )

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map events `z (N, D)` to noise; return it with the log-determinants, `(N,)`."""
        total = z.new_zeros(len(z))
        for coupling in self.couplings:
            z, logs = coupling(z, condition)
            total = total + logs
        return z, total

    def inverse(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the events that `forward` maps to `noise (N, D)`."""
        for coupling in reversed(self.couplings):
            assert isinstance(coupling, Coupling)
            noise = coupling.inverse(noise, condition)
        return noise

    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the log-density of `z (N, D)`, `(N,)`."""
        noise, logs = self(z, condition)
        return logs - 0.5 * noise.square().sum(-1) - LOG_NORMALIZER * self._size

    def sample(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the events of standard normal `noise (N, D)`."""
        return self.inverse(noise, condition)


def _orders(size: int, layers: int) -> list[list[int]]:
    """Return the order of columns before each coupling: random for every other one, halves exchanged between.

    The numbers come from torch's generator on the host, so that a model can be built without memory for weights.
    """
    found: list[list[int]] = []
    for layer in range(layers):
        if layer % 2:
            found.append([(place + size - size // 2) % size for place in range(size)])
        else:
            found.append(torch.randperm(size, device="cpu").tolist())
    return found
