"""Encoders and decoders. Both work on flattened events, also of images.

If convolutions cannot halve a side evenly, the encoder rounds up and the decoder crops.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo import DataSpec, full_precision
from genzoo_vae.observation import Head
from genzoo_vae.options import ActivationName, NetworkOptions

_LARGE = 1024
"""Smallest number of pixels (times channels) for which networks are convolutional by default."""

_ACTIVATIONS: dict[ActivationName, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def build_networks(config: NetworkOptions, data: DataSpec, head: Head, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Build an encoder of `encoder_view`, and the decoder of a head. Conditions are the last inputs of both.

    Arguments:
        outputs: number of the encoder's outputs.

    Raises:
        ValueError: the options ask for convolutions of a table.
    """
    image, beside = data.form.rank == 3, data.condition_size  # an image is (C, H, W)
    if config.network == "convolutional" and not image:
        raise ValueError("network=convolutional needs images, and this is a table; use network=mlp")
    if config.network == "convolutional" or (config.network == "auto" and image and data.size >= _LARGE):
        numbers = head.width // data.size
        encoder = ConvEncoder(data.event_shape, outputs, config, beside)
        return encoder, ConvDecoder(data.event_shape, config.latent + beside, numbers, config)
    inputs = head.shown + (data.size if data.missing else 0) + beside
    return (
        mlp(inputs, outputs, config.widths, config.activation, config.encoder_dropout),
        mlp(config.latent + beside, head.width, config.widths[::-1], config.activation, config.decoder_dropout),
    )


def encoder_view(head: Head, x: Tensor, missing: Tensor | None, *, sees_missing: bool, hidden: float) -> Tensor:
    """Convert events `x (N, *event)` to the encoder's inputs, `(N, shown)`; with `sees_missing`, `(N, shown + D)`.

    Arguments:
        head: how the encoder sees values.
        missing: mask of missing values, `(N, *event)`, or `None`.
        sees_missing: whether the mask follows in more columns.
        hidden: share of the inputs to hide.
    """
    flat, gone = x.flatten(1), None if missing is None else missing.flatten(1)
    shown = F.dropout(head.show(flat, gone), hidden, hidden > 0)
    if not sees_missing:
        return shown
    return torch.cat([shown, torch.zeros_like(flat) if gone is None else gone.to(flat.dtype)], 1)


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
        layers += [nn.Linear(inputs, width), *_after(activation, dropout)]
        inputs = width
    return nn.Sequential(*layers, last(inputs, outputs))


def _after(activation: ActivationName, dropout: float) -> list[nn.Module]:
    """Return the modules after an inner layer."""
    module = _ACTIVATIONS[activation]()
    return [module, nn.Dropout(dropout)] if dropout else [module]


class ConvEncoder(nn.Module):
    """Convolutions, all but the first with stride 2, then two linear layers.

    Arguments:
        event_shape: shape of an image, `(C, H, W)`.
        outputs: number of outputs.
        config: options of the model.
        beside: number of values of a condition, which follow an image. Defaults to 0.

    Shape:
        `x (N, C * H * W + beside)` to `(N, outputs)`.
    """

    def __init__(self, event_shape: tuple[int, ...], outputs: int, config: NetworkOptions, beside: int = 0) -> None:
        super().__init__()
        self._event_shape = event_shape
        layers: list[nn.Module] = []
        inputs = event_shape[0]
        for place, channels in enumerate(config.channels):
            layers += [nn.Conv2d(inputs, channels, 3, 2 if place else 1, 1), *_after(config.activation, 0.0)]
            inputs = channels
        rows, columns = _smallest(event_shape, config)
        self.convolutions = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(config.encoder_dropout))
        self._beside = beside
        flat = inputs * rows * columns + beside
        self.linear = mlp(flat, outputs, [config.dense], config.activation, config.encoder_dropout)

    def forward(self, x: Tensor) -> Tensor:
        image = x[:, : x.shape[1] - self._beside]
        features: Tensor = self.convolutions(image.reshape(-1, *self._event_shape))
        if self._beside:
            features = torch.cat([features, x[:, -self._beside :].to(features.dtype)], 1)
        outputs: Tensor = self.linear(features)
        return outputs


class ConvDecoder(nn.Module):
    """Two linear layers, transposed convolutions that double the sides, and a last convolution of stride 1.

    Arguments:
        event_shape: shape of an image, `(C, H, W)`.
        latent: L.
        numbers: P, the number of parameters of each value of an image.
        config: options of the model.

    Shape:
        `z (N, L)` to `(N, P * C * H * W)`.

    Attributes:
        sizes: number of inputs of each convolution for one latent vector.
    """

    def __init__(self, event_shape: tuple[int, ...], latent: int, numbers: int, config: NetworkOptions) -> None:
        super().__init__()
        channels, self._height, self._width = event_shape
        rows, columns = _smallest(event_shape, config)
        widths = config.channels[::-1]
        self._start = (widths[0], rows, columns)
        flat = widths[0] * rows * columns
        self.sizes = [width * rows * columns * 4**place for place, width in enumerate(widths)]
        self.linear = mlp(latent, flat, [config.dense], config.activation, config.decoder_dropout, nn.Linear)
        layers: list[nn.Module] = _after(config.activation, config.decoder_dropout)
        for inputs, outputs in itertools.pairwise(widths):
            layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), *_after(config.activation, 0.0)]
        self.convolutions = nn.Sequential(*layers, PreciseConv2d(widths[-1], numbers * channels, 3, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        parameters: Tensor = self.convolutions(self.linear(z).view(-1, *self._start))  # (N, P * C, >= H, >= W)
        return parameters[:, :, : self._height, : self._width].flatten(1)


def _smallest(event_shape: tuple[int, ...], config: NetworkOptions) -> tuple[int, int]:
    """Return the sides of an image after all halvings, rounded up."""
    _, height, width = event_shape
    part = 2 ** (len(config.channels) - 1)
    return -(-height // part), -(-width // part)
