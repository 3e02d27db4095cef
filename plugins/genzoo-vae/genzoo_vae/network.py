"""Encoders and decoders: what maps an event to numbers about its latent vector, and back.

Both take and give flat events; sides of an image that convolutions do not halve evenly are enlarged and cropped back.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from genzoo_vae.options import ActivationName, VAEOptions

_ACTIVATIONS: dict[ActivationName, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def mlp(inputs: int, outputs: int, widths: Sequence[int], activation: ActivationName, dropout: float) -> nn.Sequential:
    """Linear layers with inner ones of some widths; one linear layer without any."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), *_after(activation, dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def _after(activation: ActivationName, dropout: float) -> list[nn.Module]:
    """What follows an inner layer."""
    found = _ACTIVATIONS[activation]()
    return [found, nn.Dropout(dropout)] if dropout else [found]


class ConvEncoder(nn.Module):
    """Convolutions, of which all but the first halve the sides, then two linear layers.

    Shape:
        `(N, C * H * W)` to `(N, outputs)`.
    """

    def __init__(self, event_shape: tuple[int, ...], outputs: int, config: VAEOptions) -> None:
        super().__init__()
        self._event_shape = event_shape
        layers: list[nn.Module] = []
        inputs = event_shape[0]
        for place, channels in enumerate(config.channels):
            layers += [nn.Conv2d(inputs, channels, 3, 2 if place else 1, 1), *_after(config.activation, 0.0)]
            inputs = channels
        rows, columns = _smallest(event_shape, config)
        self.convolutions = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(config.encoder_dropout))
        flat = inputs * rows * columns
        self.linear = mlp(flat, outputs, [config.dense], config.activation, config.encoder_dropout)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.linear(self.convolutions(x.view(-1, *self._event_shape)))
        return found


class ConvDecoder(nn.Module):
    """Two linear layers, transposed convolutions that double the sides, and a convolution that keeps them.

    Shape:
        `(N, L)` to `(N, K * C * H * W)`, K numbers about each place.

    Attributes:
        sizes: how many numbers go into each convolution for one latent vector.
    """

    def __init__(self, event_shape: tuple[int, ...], latent: int, numbers: int, config: VAEOptions) -> None:
        super().__init__()
        channels, self._height, self._width = event_shape
        rows, columns = _smallest(event_shape, config)
        widths = config.channels[::-1]
        self._start = (widths[0], rows, columns)
        flat = widths[0] * rows * columns
        self.sizes = [width * rows * columns * 4**place for place, width in enumerate(widths)]
        self.linear = mlp(latent, flat, [config.dense], config.activation, config.decoder_dropout)
        layers: list[nn.Module] = _after(config.activation, config.decoder_dropout)
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), *_after(config.activation, 0.0)]
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(widths[-1], numbers * channels, 3, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        found: Tensor = self.convolutions(self.linear(z).view(-1, *self._start))
        return found[:, :, : self._height, : self._width].flatten(1)


def _smallest(event_shape: tuple[int, ...], config: VAEOptions) -> tuple[int, int]:
    """The sides of an image after the convolutions, rounded up at each halving."""
    _, height, width = event_shape
    part = 2 ** (len(config.channels) - 1)
    return -(-height // part), -(-width // part)
