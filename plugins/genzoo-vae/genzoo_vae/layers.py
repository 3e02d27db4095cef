"""Layers that the networks share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from genzoo import full_precision
from genzoo_vae.options import ActivationName

_ACTIVATIONS: dict[ActivationName, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class PreciseLinear(nn.Linear):
    """A linear layer that autocast does not round: in bfloat16, a center of 200 would move by a whole gray level."""

    def forward(self, x: Tensor) -> Tensor:
        with full_precision(x):
            return super().forward(x.to(self.weight.dtype))


class PreciseConv2d(nn.Conv2d):
    """A convolution that autocast does not round."""

    def forward(self, x: Tensor) -> Tensor:
        with full_precision(x):
            return super().forward(x.to(self.weight.dtype))


class HalvingConv2d(nn.Conv2d):
    """A convolution of stride 2, whose outputs have half the sides of the input, rounded up."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2)))


class PreciseConvTranspose2d(nn.ConvTranspose2d):
    """A transposed convolution that autocast does not round."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        with full_precision(x):
            return super().forward(x.to(self.weight.dtype), output_size)


def mlp(
    inputs: int,
    outputs: int,
    widths: Sequence[int],
    activation: ActivationName,
    dropout: float,
    last: type[nn.Linear] = PreciseLinear,
) -> nn.Sequential:
    """Build linear layers with an activation between them; a single linear layer if `widths` is empty.

    Arguments:
        inputs, outputs: widths of the first layer's input and the last layer's output.
        widths: widths of the inner layers.
        activation, dropout: what follows each inner layer.
        last: the last layer. Defaults to one that autocast does not round.
    """
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), *after(activation, dropout)]
        inputs = width
    return nn.Sequential(*layers, last(inputs, outputs))


def activate(activation: ActivationName) -> nn.Module:
    """Build an activation function."""
    return _ACTIVATIONS[activation]()


def after(activation: ActivationName, dropout: float) -> list[nn.Module]:
    """Return the modules after an inner layer."""
    module = activate(activation)
    return [module, nn.Dropout(dropout)] if dropout else [module]
