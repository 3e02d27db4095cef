"""DCGAN: a deep convolutional GAN for images of any size and number of channels.

A generator G turns a latent vector z ~ N(0, I) into an image x = G(z). A discriminator D gives an image a logit: large
for real images, small for samples. `genzoo_gan.objectives` has their losses.

References:
    "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks"
    (Radford, Metz and Chintala, 2015);
    "cGANs with Projection Discriminator" (Miyato and Koyama, 2018), for images given a condition.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from torch import Tensor, cat, nn, randn

from genzoo import DataSpec, Decoder, Discriminator, Generator, Parts, full_precision
from genzoo_gan.options import DCGANOptions

_SMALLEST = 4
"""Shorter side, in pixels, of the paper's first feature maps."""

_LEAST_STAGES, _LEAST_LAYERS = 2, 3
"""Least convolutions of the discriminator, and of the generator, for images however small."""

_WIDEST = 1024
"""Channels beyond which layers away from the image have no more; the paper's largest number."""


def build(config: DCGANOptions, data: DataSpec) -> Parts:
    """Build the generator and the discriminator for images of the data's shape."""
    shape, given = data.event_shape, data.condition_size
    return Parts(ConvGenerator(config, shape, given), ConvDiscriminator(config, shape, given))


class Plan(NamedTuple):
    """The layers of both networks for images of one shape.

    Attributes:
        generator: channels of the generator's inner layers, from latent to image.
        discriminator: channels of the discriminator's layers, from image to logit. Each halves the sides; as many of
            the generator's last convolutions double them.
        rows, columns: sides of the smallest feature maps, rounded up.
    """

    generator: tuple[int, ...]
    discriminator: tuple[int, ...]
    rows: int
    columns: int


def plan(config: DCGANOptions, event_shape: tuple[int, ...]) -> Plan:
    """Choose the layers for images of `event_shape`, `(C, H, W)`.

    For 64 pixels these are the paper's: feature maps of 4, 8, 16 and 32 pixels, with half as many channels each time.
    Images of 32 and 128 pixels have one layer less and one more.
    """
    _, height, width = event_shape
    generator, discriminator = config.generator_widths, config.discriminator_widths
    stages = _stages(min(height, width))
    if discriminator is None:
        stages = stages if generator is None else min(stages, len(generator))
        discriminator = _doubled(config.width, stages)
    if generator is None:
        generator = _doubled(config.width, max(_LEAST_LAYERS, len(discriminator)))[::-1]
    part = 2 ** len(discriminator)
    return Plan(generator, discriminator, -(-height // part), -(-width // part))


def _stages(side: int) -> int:
    """Count how often a side can be halved with `_SMALLEST` pixels left; at least `_LEAST_STAGES`."""
    stages = 0
    while side >= 2 * _SMALLEST:
        side //= 2
        stages += 1
    return max(stages, _LEAST_STAGES)


def _doubled(width: int, layers: int) -> tuple[int, ...]:
    """Return channels that double from layer to layer, up to `_WIDEST`."""
    return tuple(min(width * 2**layer, max(width, _WIDEST)) for layer in range(layers))


class ConvGenerator(Generator, Decoder):
    """The generator G: a linear layer, transposed convolutions that enlarge its feature maps, then tanh.

    If a side is no multiple of the enlargement, the last rows or columns are cut off.

    Arguments:
        config: options of the model.
        event_shape: shape of an image, `(C, H, W)`.
        given: number of values of a condition, which come after z. Defaults to 0.

    Shape:
        `z (N, L)` to `x (N, C, H, W)`, with values in [-1, 1].
    """

    def __init__(self, config: DCGANOptions, event_shape: tuple[int, ...], given: int = 0) -> None:
        super().__init__()
        channels, self._height, self._width = event_shape
        self._latent = config.latent
        widths, halvings, self._rows, self._columns = plan(config, event_shape)
        flat = self._rows * self._columns * widths[0]
        self._channels = widths[0]
        self.linear = nn.Linear(config.latent + given, flat, bias=False)
        self.start = nn.Sequential(*_after(config, flat, flat_input=True))
        layers: list[nn.Module] = []
        for place, (inputs, outputs) in enumerate(itertools.pairwise((*widths, channels))):
            stride = 2 if place >= len(widths) - len(halvings) else 1
            layers += [_enlarge(config.kernel, inputs, outputs, stride=stride)]
            layers += _after(config, outputs) if place < len(widths) - 1 else [nn.Tanh()]
        self.convolutions = nn.Sequential(*layers)

    @property
    def latent(self) -> int:
        return self._latent

    def prior_sample(self, n: int) -> Tensor:
        weight = self.linear.weight
        return randn(n, self._latent, device=weight.device, dtype=weight.dtype)

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        z = z if condition is None else cat([z, condition.to(z.dtype)], 1)
        x: Tensor = self.start(self.linear(z))  # (N, rows * columns * C1)
        x = x.view(len(x), self._rows, self._columns, self._channels)
        x = self.convolutions(x.permute(0, 3, 1, 2))  # (N, C, >= H, >= W)
        return x[:, :, : self._height, : self._width]

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        return self.decode(self.prior_sample(n), condition=condition)


class ConvDiscriminator(Discriminator):
    """The discriminator D: convolutions of stride 2 and a linear layer.

    It has no batch normalization, so that the logit of an image does not depend on the rest of the batch: gradient
    penalties are defined for each image alone.

    Arguments:
        config: options of the model.
        event_shape: shape of an image, `(C, H, W)`.
        given: number of values of a condition. It adds the product of a projection of the condition and the features
            to the logit. Defaults to 0.

    Shape:
        `x (N, C, H, W)` to logits `(N,)`.
    """

    def __init__(self, config: DCGANOptions, event_shape: tuple[int, ...], given: int = 0) -> None:
        super().__init__()
        _, widths, rows, columns = plan(config, event_shape)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise((event_shape[0], *widths)):
            layers += [nn.Conv2d(inputs, outputs, config.kernel, 2, config.kernel // 2)]
            layers += [nn.LeakyReLU(config.slope), nn.Dropout(config.dropout)]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        features = widths[-1] * rows * columns  # a convolution of stride 2 rounds an odd side up
        self.linear = nn.Linear(features, 1, bias=False)
        self.projection = nn.Linear(given, features, bias=False) if given else None

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        features: Tensor = self.convolutions(x)
        with full_precision(x):  # differences of logits near each other would be lost in bfloat16
            features = features.to(self.linear.weight.dtype)
            logits: Tensor = self.linear(features)[:, 0]
            if self.projection is not None and condition is not None:
                logits = logits + (self.projection(condition.to(features.dtype)) * features).sum(1)
        return logits


def _enlarge(kernel: int, inputs: int, outputs: int, *, stride: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, kernel, stride, kernel // 2, stride - 1, bias=False)


def _after(config: DCGANOptions, width: int, *, flat_input: bool = False) -> list[nn.Module]:
    """Return the modules after an inner layer: batch normalization, leaky ReLU and dropout."""
    norm = nn.BatchNorm1d(width) if flat_input else nn.BatchNorm2d(width)
    layers: list[nn.Module] = [norm] if config.normalize else []
    layers.append(nn.LeakyReLU(config.slope))
    return [*layers, nn.Dropout(config.dropout)] if config.dropout else layers
