"""Convolutional encoders and decoders of images.

If convolutions cannot halve a side evenly, the encoder rounds up and the decoder crops.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genzoo_vae.layers import HalvingConv2d, PreciseConv2d, PreciseConvTranspose2d, activate, after, mlp
from genzoo_vae.options import ActivationName, NetworkOptions

_CHANNELS = (16, 32)
"""Channels of plain convolutions by default."""

_FIRST, _MOST, _SMALLEST = 32, 128, 8
"""Channels of residual networks by default: `_FIRST`, doubled up to `_MOST` while a side has `_SMALLEST` or more."""


class Layers(NamedTuple):
    """The convolutions of an encoder and a decoder.

    Attributes:
        down: the encoder's modules, `(N, C, H, W)` to `(N, *smallest)`.
        up: the decoder's modules, `(N, *smallest)` to `(N, P * C, >= H, >= W)` for P parameters of each value.
        smallest: shape of the smallest feature maps.
        sizes: number of inputs of the decoder's widest module for each size of feature maps.
    """

    down: list[nn.Module]
    up: list[nn.Module]
    smallest: tuple[int, int, int]
    sizes: list[int]


def plain(event_shape: tuple[int, ...], numbers: int, config: NetworkOptions, dropout: float) -> Layers:
    """Build convolutions, all but the first with stride 2, and their mirror image."""
    widths = config.channels or _CHANNELS
    down: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(itertools.pairwise((event_shape[0], *widths))):
        down += [nn.Conv2d(inputs, outputs, 3, 2 if place else 1, 1), *after(config.activation, 0.0)]
    up: list[nn.Module] = after(config.activation, dropout)
    for inputs, outputs in itertools.pairwise(widths[::-1]):
        up += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), *after(config.activation, 0.0)]
    up.append(PreciseConv2d(widths[0], numbers * event_shape[0], 3, 1, 1))
    return _finish(event_shape, widths, len(widths) - 1, down, up)


def residual(event_shape: tuple[int, ...], numbers: int, config: NetworkOptions, dropout: float) -> Layers:
    """Build convolutions of stride 2, and their mirror image, with a residual block at each size of feature maps.

    The encoder has none at the largest size, where a block takes the most time. Its first convolution sees the pixels.
    """
    widths = config.channels or _default_channels(min(event_shape[1:]))
    down: list[nn.Module] = [HalvingConv2d(event_shape[0], widths[0])]
    for inputs, outputs in itertools.pairwise(widths):
        down += [activate(config.activation), HalvingConv2d(inputs, outputs)]
        down.append(ResidualBlock(outputs, config.activation))
    down += after(config.activation, 0.0)
    up: list[nn.Module] = [nn.Dropout(dropout)] if dropout else []
    for inputs, outputs in itertools.pairwise(widths[::-1]):
        up += [ResidualBlock(inputs, config.activation), activate(config.activation)]
        up += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
    up += [ResidualBlock(widths[0], config.activation), activate(config.activation)]
    up.append(PreciseConvTranspose2d(widths[0], numbers * event_shape[0], 4, 2, 1))
    return _finish(event_shape, widths, len(widths), down, up)


def _default_channels(side: int) -> tuple[int, ...]:
    """Return the channels of a residual network for images with this shorter side."""
    widths = [_FIRST]
    while (side := side // 2) >= _SMALLEST:
        widths.append(min(2 * widths[-1], _MOST))
    return tuple(widths)


def _finish(
    event_shape: tuple[int, ...], widths: tuple[int, ...], halvings: int, down: list[nn.Module], up: list[nn.Module]
) -> Layers:
    rows, columns = (-(-side // 2**halvings) for side in event_shape[1:])
    sizes = [width * rows * columns * 4**place for place, width in enumerate(widths[::-1])]
    return Layers(down, up, (widths[-1], rows, columns), sizes)


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to the input. It starts as the identity.

    References:
        "Identity Mappings in Deep Residual Networks" (He et al., 2016).
    """

    def __init__(self, channels: int, activation: ActivationName) -> None:
        super().__init__()
        last = nn.Conv2d(channels, channels, 3, 1, 1)
        nn.init.zeros_(last.weight)
        layers = activate(activation), nn.Conv2d(channels, channels, 3, 1, 1), activate(activation), last
        self.convolutions = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.convolutions(x)
        return result


class ConvEncoder(nn.Module):
    """Convolutions, then two linear layers.

    Arguments:
        layers: the convolutions.
        event_shape: shape of an image, `(C, H, W)`.
        outputs: number of outputs.
        config: options of the model.
        dropout: share of the inner activations dropped in training.
        beside: number of values of a condition, which follow an image. Defaults to 0.

    Shape:
        `x (N, C * H * W + beside)` to `(N, outputs)`.
    """

    def __init__(
        self,
        layers: Layers,
        event_shape: tuple[int, ...],
        outputs: int,
        config: NetworkOptions,
        dropout: float,
        beside: int = 0,
    ) -> None:
        super().__init__()
        self._event_shape = event_shape
        self.convolutions = nn.Sequential(*layers.down, nn.Flatten(), nn.Dropout(dropout))
        self._beside = beside
        channels, rows, columns = layers.smallest
        flat = channels * rows * columns + beside
        self.linear = mlp(flat, outputs, [config.dense], config.activation, dropout)

    def forward(self, x: Tensor) -> Tensor:
        image = x[:, : x.shape[1] - self._beside]
        features: Tensor = self.convolutions(image.reshape(-1, *self._event_shape))
        if self._beside:
            features = torch.cat([features, x[:, -self._beside :].to(features.dtype)], 1)
        outputs: Tensor = self.linear(features)
        return outputs


class ConvDecoder(nn.Module):
    """Two linear layers, then convolutions that enlarge feature maps to images.

    Arguments:
        layers: the convolutions, for P parameters of each value of an image.
        event_shape: shape of an image, `(C, H, W)`.
        latent: L.
        config: options of the model.
        dropout: share of the inner activations dropped in training.

    Shape:
        `z (N, L)` to `(N, P * C * H * W)`.

    Attributes:
        sizes: number of inputs of each convolution for one latent vector.
    """

    def __init__(
        self, layers: Layers, event_shape: tuple[int, ...], latent: int, config: NetworkOptions, dropout: float
    ) -> None:
        super().__init__()
        _, self._height, self._width = event_shape
        self._start, self.sizes = layers.smallest, layers.sizes
        channels, rows, columns = layers.smallest
        flat = channels * rows * columns
        self.linear = mlp(latent, flat, [config.dense], config.activation, dropout, nn.Linear)
        self.convolutions = nn.Sequential(*layers.up)

    def forward(self, z: Tensor) -> Tensor:
        parameters: Tensor = self.convolutions(self.linear(z).view(-1, *self._start))  # (N, P * C, >= H, >= W)
        return parameters[:, :, : self._height, : self._width].flatten(1)
