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

from genzoo_flow.network import Network, widened
from genzoo_flow.options import FlowOptions
from genzoo_flow.spline import Splines, forward, inverse, spline_size, splines_of

LOG_NORMALIZER = 0.5 * math.log(2 * math.pi)


class Rotations(nn.Module):
    """Permutations of columns, each followed by a rotation that is learned and begins as none.

    A rotation is the Cayley transform `(I - A)^-1 (I + A)` of a skew-symmetric matrix, so its determinant is 1 and its
    inverse the transpose.

    Arguments:
        orders: for each of L layers, the column that comes to each place.
        learned: whether there are rotations, too.
    """

    permutations: Tensor

    def __init__(self, orders: list[list[int]], learned: bool) -> None:
        super().__init__()
        size = len(orders[0])
        self.register_buffer("permutations", torch.stack([torch.eye(size)[order].mT for order in orders]))
        self.raw = nn.Parameter(torch.zeros(len(orders), size, size)) if learned else None

    def forward(self, dtype: torch.dtype) -> Tensor:
        """Return orthogonal matrices, `(L, D, D)`: events of type `dtype` are multiplied by one from the right.

        The type matters: in float32 the transpose is the inverse to seven digits only, and later splines stretch the
        rest up to a thousandfold.
        """
        if self.raw is None:
            return self.permutations.to(dtype)
        raw = self.raw.to(dtype)
        skew = raw - raw.mT
        one = torch.eye(skew.shape[-1], device=skew.device, dtype=skew.dtype)
        turned: Tensor = torch.linalg.solve_ex(one - skew, one + skew).result
        return self.permutations.to(dtype) @ turned


class Constant(nn.Module):
    """The network of a coupling that sees nothing: of a table with one column, and no condition."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.raw.to(x.dtype).expand(len(x), -1)


class Coupling(nn.Module):
    """Splines of the last columns, which a network chooses from the first ones.

    Arguments:
        size: number of columns.
        given: size of a condition.
        config: options of the model.
    """

    def __init__(self, size: int, given: int, config: FlowOptions) -> None:
        super().__init__()
        self._kept, self._bins = size // 2, config.bins
        changed = size - self._kept
        outputs = changed * spline_size(config.bins)
        inputs = self._kept + given
        self.network = Network(inputs, outputs, config.widths, config.dropout) if inputs else Constant(outputs)

    def _splines(self, kept: Tensor, condition: Tensor | None) -> Splines:
        seen = kept if condition is None else torch.cat([kept, condition.to(kept.dtype)], -1)
        raw = self.network(seen)
        return splines_of(raw.unflatten(-1, (-1, spline_size(self._bins))), self._bins)

    def forward(self, z: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the images of `z (N, D)` and the log-determinants, `(N,)`."""
        kept, rest = z[:, : self._kept], z[:, self._kept :]
        changed, logs = forward(rest, self._splines(kept, condition))
        return torch.cat([kept, changed], -1), logs.sum(-1)

    def inverse(self, y: Tensor, condition: Tensor | None) -> Tensor:
        """Return what `forward` maps to `y (N, D)`."""
        kept, rest = y[:, : self._kept], y[:, self._kept :]
        return torch.cat([kept, inverse(rest, self._splines(kept, condition))], -1)


class Couplings(nn.Module):
    """A standard normal distribution, moved through couplings.

    Except in training, all is computed in float64, so that the inverse returns the events.

    Arguments:
        size: number of columns, D.
        given: size of a condition.
        config: options of the model.
    """

    def __init__(self, size: int, given: int, config: FlowOptions) -> None:
        super().__init__()
        self._size = size
        self.rotations = Rotations(_orders(size, config.layers), config.rotations and size > 1)
        self.couplings = nn.ModuleList(Coupling(size, given, config) for _ in range(config.layers))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map events `z (N, D)` to noise; return it with the log-determinants, `(N,)`.

        Both have the type of the computation, because `inverse` would stretch what rounding takes from noise.
        """
        wide = widened(z, self.training)
        total = wide.new_zeros(len(z))
        for coupling, rotation in zip(self.couplings, self.rotations(wide.dtype), strict=True):
            wide, logs = coupling(wide @ rotation, condition)
            total = total + logs
        return wide, total

    def inverse(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the events that `forward` maps to `noise (N, D)`, in the type of the noise."""
        wide = widened(noise, self.training)
        for coupling, rotation in zip(reversed(self.couplings), self.rotations(wide.dtype).flip(0), strict=True):
            assert isinstance(coupling, Coupling)
            wide = coupling.inverse(wide, condition) @ rotation.mT
        return wide.to(noise.dtype)

    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the log-density of `z (N, D)`, `(N,)`."""
        noise, logs = self(z, condition)
        found: Tensor = logs - 0.5 * noise.square().sum(-1) - LOG_NORMALIZER * self._size
        return found.to(z.dtype)

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
