"""Residual networks without normalization, for images and for vectors.

A block adds W3 a(W2 a(W1 x)) to its input x, with a the leaky ReLU. W1 widens, W2 mixes neighbors within groups of
channels, and W3 narrows. W3 starts at zero, so blocks have no effect at first. In a network of L blocks, W1 and W2
start smaller by a factor of L^(-1/4), so that the first updates of deep networks are no larger than in shallow ones.

References:
    "Fixup Initialization: Residual Learning Without Normalization" (Zhang, Dauphin and Ma, 2019);
    "Aggregated Residual Transformations for Deep Neural Networks" (Xie et al., 2017), for grouped convolutions;
    "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains" (Tancik et al., 2020).
"""

from __future__ import annotations

import math

from torch import Tensor, cat, logspace, nn, randn
from torch.nn import functional as F

SLOPE = 0.2
"""Slope of the leaky ReLU below zero."""

_GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""Scale of weights before a leaky ReLU at which outputs are as large as inputs."""

_LEAST = 4
"""Smallest side of images at the lowest resolution, if the images have as many pixels."""


class GroupedBlock(nn.Module):
    """Adds to its input two layers with more channels and a layer back.

    Arguments:
        width: number of channels, C.
        expansion: how many times as many channels the inner layers have.
        group: channels in each group of the second layer. If these do not divide into such groups, they are one group.
        depth: number of blocks of the network, L.
        images: whether inputs are images; if not, they are vectors, and layers are dense.

    Shape:
        `(N, C, H, W)`, or `(N, C)` for vectors, to the same.
    """

    def __init__(self, width: int, expansion: int, group: int, depth: int, *, images: bool) -> None:
        super().__init__()
        inner, gain = width * expansion, _GAIN * depth**-0.25
        self.widen = _linear(width, inner, images)
        groups = inner // group if inner % group == 0 else 1
        self.mix = nn.Conv2d(inner, inner, 3, padding=1, groups=groups) if images else nn.Linear(inner, inner)
        self.narrow = _linear(inner, width, images, bias=False)
        for layer in (self.widen, self.mix):
            initialize(layer, gain)
        initialize(self.narrow, 0.0)
        if not images and self.widen.bias is not None:
            # Without biases, all kinks of a network of few numbers would meet in one point, and modes stay unseen.
            nn.init.normal_(self.widen.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = F.leaky_relu(self.widen(x), SLOPE)
        y = F.leaky_relu(self.mix(y), SLOPE)
        change: Tensor = self.narrow(y)
        return x + change


class Waves(nn.Module):
    """Puts sines and cosines of learned directions beside the numbers of a vector.

    Dense layers learn slow changes first, and steep ones between narrow modes late or never.

    Arguments:
        inputs: length of the vectors, C.
        waves: number of directions, K.
        fastest: largest angular frequency at the start; the smallest is 1, and those between are evenly spaced in
            their logarithms.

    Shape:
        `(N, C)` to `(N, C + 2K)`.
    """

    def __init__(self, inputs: int, waves: int, fastest: float) -> None:
        super().__init__()
        frequencies = logspace(0.0, math.log2(fastest), waves, base=2.0)
        self.directions = nn.Parameter(randn(inputs, waves) * frequencies / math.sqrt(inputs))

    def forward(self, x: Tensor) -> Tensor:
        angles = x @ self.directions
        # The mean square of a sine is one half.
        return cat([x, math.sqrt(2) * angles.sin(), math.sqrt(2) * angles.cos()], 1)


class Resize(nn.Module):
    """Resizes images by bilinear interpolation, and changes the number of their channels by a 1×1 convolution.

    Arguments:
        inputs, outputs: numbers of channels. If they are equal, there is no convolution.
        sides: height and width of the outputs.
        enlarge: whether outputs are larger than inputs. The convolution comes where images are smaller.

    Shape:
        `(N, inputs, H, W)` to `(N, outputs, *sides)`.
    """

    def __init__(self, inputs: int, outputs: int, sides: tuple[int, int], *, enlarge: bool) -> None:
        super().__init__()
        self._sides, self._enlarge = sides, enlarge
        self.channels = None if inputs == outputs else initialize(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        if self.channels is not None and self._enlarge:
            x = self.channels(x)
        x = F.interpolate(x, self._sides, mode="bilinear", align_corners=False)
        if self.channels is not None and not self._enlarge:
            x = self.channels(x)
        return x


def initialize(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Conv2d | nn.Linear:
    """Draw the weights of a layer so that outputs are `gain` times as large as inputs, set biases to 0; return it."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def resolutions(height: int, width: int) -> list[tuple[int, int]]:
    """Return height and width of images at each resolution of a network, the smallest first.

    Each side is half of the next one, rounded up, down to 4 to 7 pixels. So images of all sizes are neither padded nor
    cropped.

    Examples:
        >>> resolutions(28, 28)
        [(7, 7), (14, 14), (28, 28)]
        >>> resolutions(48, 10)
        [(6, 5), (12, 5), (24, 5), (48, 10)]
    """
    sides = [(height, width)]
    while max(sides[-1]) >= 2 * _LEAST:
        rows, columns = sides[-1]
        sides.append((_half(rows), _half(columns)))
    return sides[::-1]


def _half(side: int) -> int:
    return side if side < 2 * _LEAST else -(-side // 2)


def _linear(inputs: int, outputs: int, images: bool, *, bias: bool = True) -> nn.Conv2d | nn.Linear:
    """Return a layer that is the same at each pixel of an image, or a dense layer of vectors."""
    return nn.Conv2d(inputs, outputs, 1, bias=bias) if images else nn.Linear(inputs, outputs, bias)
