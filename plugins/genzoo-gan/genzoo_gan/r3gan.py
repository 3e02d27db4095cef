"""R3GAN: a residual GAN without normalization, for images of any size and for rows of numbers.

A generator G turns a latent vector z ~ N(0, I) into an event x = G(z), and a discriminator D gives an event a logit.
Both are stacks of residual blocks. For images, there are blocks at each resolution, from about 4×4 pixels to the whole
image, and bilinear interpolation between resolutions. `genzoo_gan.objectives` has the losses; the paper's is
`relativistic`.

References:
    "The GAN is dead; long live the GAN! A Modern GAN Baseline" (Huang, Gokaslan, Kuleshov and Tompkin, 2024);
    "cGANs with Projection Discriminator" (Miyato and Koyama, 2018), for events given a condition.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from genzoo import DataSpec, Decoder, Discriminator, Generator, Parts, full_precision
from genzoo_gan.options import R3GANOptions
from genzoo_gan.residual import GroupedBlock, Resize, Waves, initialize, resolutions

_PATCHES = ((16, 1), (96, 2))
"""Shorter sides, in pixels and exclusive, and the side of the squares of pixels up to them."""

_LARGEST_PATCH = 4

_FASTEST_OF_LATENT, _FASTEST_OF_ROWS = 4.0, 16.0
"""Largest angular frequencies of the waves beside a latent vector, and beside the standardized numbers of a row."""


def build(config: R3GANOptions, data: DataSpec) -> Parts:
    """Build the generator and the discriminator for images, or rows, of the data's shape."""
    shape, given = data.event_shape, data.condition_size
    return Parts(ResidualGenerator(config, shape, given), ResidualDiscriminator(config, shape, given))


class ResidualGenerator(Generator, Decoder):
    """The generator G: a linear layer, residual blocks, and a linear layer at each pixel, for images with tanh.

    Arguments:
        config: options of the model.
        event_shape: shape of an event, `(C, H, W)` for images and `(C,)` for rows.
        given: number of values of a condition. An embedding of it comes after z. Defaults to 0.

    Shape:
        `z (N, L)` to `x (N, *event_shape)`; pixels are in [-1, 1].
    """

    def __init__(self, config: R3GANOptions, event_shape: tuple[int, ...], given: int = 0) -> None:
        super().__init__()
        self._latent = config.latent
        self._images = len(event_shape) == 3
        # A condition is mostly one category, so a unit scale of weights makes the embedding as large as z.
        self.embedding = nn.Linear(given, config.embedding, bias=False) if given else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight)
        inputs = config.latent + (config.embedding if given else 0)
        grown = _image_growth if self._images else _row_growth
        self.network = nn.Sequential(*grown(config, event_shape, inputs))

    @property
    def latent(self) -> int:
        return self._latent

    def prior_sample(self, n: int) -> Tensor:
        weight = next(self.parameters())
        return torch.randn(n, self._latent, device=weight.device, dtype=weight.dtype)

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        with _precision(z, self._images):
            if self.embedding is not None and condition is not None:
                z = torch.cat([z, self.embedding(condition.to(z.dtype))], 1)
            x: Tensor = self.network(z)
            return x

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        return self.decode(self.prior_sample(n), condition=condition)


class ResidualDiscriminator(Discriminator):
    """The discriminator D: the generator's layers in reverse.

    Arguments:
        config: options of the model.
        event_shape: shape of an event, `(C, H, W)` for images and `(C,)` for rows.
        given: number of values of a condition. It adds the product of an embedding of the condition and a projection
            of the event's features to the logit. Defaults to 0.

    Shape:
        `x (N, *event_shape)` to logits `(N,)`.
    """

    def __init__(self, config: R3GANOptions, event_shape: tuple[int, ...], given: int = 0) -> None:
        super().__init__()
        self._images = len(event_shape) == 3
        width, layers = _image_reduction(config, event_shape) if self._images else _row_reduction(config, event_shape)
        self.network = nn.Sequential(*layers)
        self.end = initialize(nn.Linear(width, 1, bias=False))
        self.projection = initialize(nn.Linear(width, config.embedding, bias=False)) if given else None
        self.embedding = nn.Linear(given, config.embedding, bias=False) if given else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, config.embedding**-0.5)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        with _precision(x, self._images):
            features: Tensor = self.network(x)
        with full_precision(x):  # differences of logits near each other would be lost in bfloat16
            features = features.to(self.end.weight.dtype)
            logits: Tensor = self.end(features)[:, 0]
            if self.projection is not None and self.embedding is not None and condition is not None:
                meaning = self.embedding(condition.to(features.dtype))
                logits = logits + (self.projection(features) * meaning).sum(1)
        return logits


class Basis(nn.Module):
    """Turns vectors into images of one low resolution: each channel is a learned image times its value.

    Shape:
        `(N, C)` to `(N, C, *sides)`.
    """

    def __init__(self, width: int, sides: tuple[int, int]) -> None:
        super().__init__()
        self.images = nn.Parameter(torch.randn(width, *sides))

    def forward(self, x: Tensor) -> Tensor:
        y = x[:, :, None, None] * self.images
        return y.contiguous(memory_format=torch.channels_last)


class Sum(nn.Module):
    """Turns images of one low resolution into vectors: the sum of each channel with learned weights.

    Shape:
        `(N, C, *sides)` to `(N, C)`.
    """

    def __init__(self, width: int, sides: tuple[int, int]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(width, *sides) / (sides[0] * sides[1]) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weights).sum((2, 3))


def _image_growth(config: R3GANOptions, event_shape: tuple[int, ...], inputs: int) -> list[nn.Module]:
    """Return the layers from a latent vector, with its condition, to an image."""
    patch, sides, widths = _plan(config, event_shape)
    layers: list[nn.Module] = [initialize(nn.Linear(inputs, widths[0], bias=False)), Basis(widths[0], sides[0])]
    for place, (width, side) in enumerate(zip(widths, sides, strict=True)):
        if place:
            layers.append(Resize(widths[place - 1], width, side, enlarge=True))
        layers += _blocks(config, width, len(widths))
    # Pixels of one patch come from the same features, so a patch sees its neighbors, too.
    kernel = 1 if patch == 1 else 3
    layers.append(initialize(nn.Conv2d(widths[-1], event_shape[0] * patch**2, kernel, padding=kernel // 2)))
    return [*layers, nn.PixelShuffle(patch), nn.Tanh()]


def _image_reduction(config: R3GANOptions, event_shape: tuple[int, ...]) -> tuple[int, list[nn.Module]]:
    """Return the layers from an image to its features, and the number of these."""
    patch, sides, widths = _plan(config, event_shape)
    kernel, padding = (1, 0) if patch == 1 else (2 * patch, patch // 2)
    layers: list[nn.Module] = [initialize(nn.Conv2d(event_shape[0], widths[-1], kernel, patch, padding))]
    for place in reversed(range(len(widths))):
        layers += _blocks(config, widths[place], len(widths))
        if place:
            layers.append(Resize(widths[place], widths[place - 1], sides[place - 1], enlarge=False))
    return widths[0], [*layers, Sum(widths[0], sides[0])]


def _row_growth(config: R3GANOptions, event_shape: tuple[int, ...], inputs: int) -> list[nn.Module]:
    """Return the layers from a latent vector, with its condition, to a row."""
    start, width = _waved(config, inputs, _FASTEST_OF_LATENT), config.row_width
    return [*start, *_blocks(config, width, 1, images=False), initialize(nn.Linear(width, event_shape[0]))]


def _row_reduction(config: R3GANOptions, event_shape: tuple[int, ...]) -> tuple[int, list[nn.Module]]:
    """Return the layers from a row to its features, and the number of these."""
    start, width = _waved(config, event_shape[0], _FASTEST_OF_ROWS), config.row_width
    return width, [*start, *_blocks(config, width, 1, images=False)]


def _waved(config: R3GANOptions, inputs: int, fastest: float) -> list[nn.Module]:
    """Return the layers from a vector to `row_width` values: waves, if the options ask for any, and a dense layer."""
    layers: list[nn.Module] = [Waves(inputs, config.waves, fastest)] if config.waves else []
    return [*layers, initialize(nn.Linear(inputs + 2 * config.waves, config.row_width))]


def _plan(config: R3GANOptions, event_shape: tuple[int, ...]) -> tuple[int, list[tuple[int, int]], list[int]]:
    """Return the side of a patch, and the sides and the width of each resolution, the lowest first."""
    _, height, width = event_shape
    shorter = min(height, width)
    patch = config.patch or next((patch for below, patch in _PATCHES if shorter < below), _LARGEST_PATCH)
    if height % patch or width % patch:
        patch = 1
    sides = resolutions(height // patch, width // patch)
    return patch, sides, [min(config.width * 2**halved, config.most_width) for halved in reversed(range(len(sides)))]


def _blocks(config: R3GANOptions, width: int, stages: int, *, images: bool = True) -> list[nn.Module]:
    depth = config.blocks * stages
    return [GroupedBlock(width, config.expansion, config.group, depth, images=images) for _ in range(config.blocks)]


def _precision(x: Tensor, images: bool) -> AbstractContextManager[None]:
    """Switch autocast off for rows: bfloat16 has too few digits for numbers, and their networks are small."""
    return nullcontext() if images else full_precision(x)
