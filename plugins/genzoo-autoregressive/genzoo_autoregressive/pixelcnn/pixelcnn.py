"""Gated PixelCNN as a distribution of images: each pixel given the ones above it and to its left."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo import DataSpec, Generator, Likelihood, MaximumLikelihood, Parts, check_condition
from genzoo_autoregressive.pixelcnn.causal import CausalNetwork
from genzoo_autoregressive.pixelcnn.drawing import Canvas
from genzoo_autoregressive.pixelcnn.levels import CategoricalLevels, Levels, LogisticMixture
from genzoo_autoregressive.pixelcnn.options import NextPixelOptions, PixelCNNOptions

_NUMBERS = 16
"""Numbers by which the network sees one value."""

_MOST_CATEGORIES = 256


class PixelHead(nn.Module):
    """The distribution of the channels of each pixel, given the pixels before it and its channels before.

    Arguments:
        levels: distribution of one value.
        channels: number of channels, C.
        width: numbers that are known about a pixel, D.
    """

    causal: Tensor

    def __init__(self, levels: Levels, channels: int, width: int) -> None:
        super().__init__()
        self.levels, self._channels = levels, channels
        self.known = nn.Linear(width, channels * width)
        self.before = nn.Linear(channels * _NUMBERS, channels * width, bias=False) if channels > 1 else None
        self.weight = nn.Parameter(torch.zeros(channels, levels.width, width))
        self.bias = nn.Parameter(levels.start().repeat(channels, 1))
        order = torch.ones(channels, channels).tril(-1)
        mask = order.repeat_interleave(width, 0).repeat_interleave(_NUMBERS, 1)
        self.register_buffer("causal", mask, persistent=False)

    def forward(self, known: Tensor, seen: Tensor) -> Tensor:
        """Return the parameters of all channels, `(..., C, width of a level)`.

        Arguments:
            known: what is known about each pixel, `(..., D)`.
            seen: its channels as the network sees them, `(..., C * _NUMBERS)`. A channel depends on earlier ones only.
        """
        inner = self.known(known.relu())
        if self.before is not None:
            inner = inner + F.linear(seen, self.before.weight * self.causal)
        inner = inner.relu()
        if self._channels == 1:
            found = F.linear(inner, self.weight[0])[..., None, :]
        else:
            found = torch.einsum("...cd,ckd->...ck", inner.unflatten(-1, (self._channels, -1)), self.weight)
        return found.to(self.bias.dtype) + self.bias


class PixelCNN(Generator, Likelihood):
    """Images on a grid of levels, one pixel after another, row by row.

    Arguments:
        network: what is known about each pixel from the ones before it.
        head: the distribution of a pixel's channels.
        channels: number of channels, C.
        given: size of a condition, 0 for none.
    """

    measures = ("mass",)

    def __init__(self, network: CausalNetwork, head: PixelHead, channels: int, given: int) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.values = nn.Embedding(head.levels.count, _NUMBERS)
        self._channels, self._given = channels, given
        with torch.no_grad():  # levels that are near each other look alike at the start
            places = torch.linspace(0, math.pi, head.levels.count)
            self.values.weight.copy_((places[:, None] * torch.arange(1, _NUMBERS + 1)).cos())

    @property
    def degrees_of_freedom(self) -> int | None:
        """None: training stops before the likelihood has a maximum."""
        return None

    def log_prob(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        return self.log_prob_each(x, condition=condition).flatten(1).sum(1)

    def log_prob_each(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Return the log-probability of each value of `x (N, C, H, W)` given the ones before it, `(N, H, W, C)`."""
        check_condition(condition, self._given)
        codes = self.codes(x)
        seen = self.seen(codes)
        known = self.network(seen.permute(0, 3, 1, 2), condition)
        return self.head.levels.log_prob(codes, self.head(known.permute(0, 2, 3, 1), seen))

    def codes(self, x: Tensor) -> Tensor:
        """Return the levels of images `x (N, C, H, W)` from 0 to 1, `(N, H, W, C)` int64."""
        last = self.head.levels.count - 1
        return (x * last).round().long().clamp(0, last).permute(0, 2, 3, 1).contiguous()

    def seen(self, codes: Tensor) -> Tensor:
        """Return codes `(..., C)` as the network sees them, `(..., C * _NUMBERS)`."""
        seen: Tensor = self.values(codes)
        return seen.flatten(-2)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        check_condition(condition, self._given)
        table, (height, width) = self.values.weight, self.network.sides
        canvas = Canvas(self.network, n, self._channels * _NUMBERS, condition)
        codes = torch.empty(n, height * width, self._channels, dtype=torch.int64, device=table.device)
        for place in range(height * width):
            known, pixel = canvas.known(), codes[:, place]
            seen = table.new_zeros(n, self._channels * _NUMBERS)
            for channel in range(self._channels):
                pixel[:, channel] = self.head.levels.sample(self.head(known, seen)[:, channel])
                seen[:, channel * _NUMBERS : (channel + 1) * _NUMBERS] = self.values(pixel[:, channel])
            canvas.put(seen)
        images = codes.mT.reshape(n, self._channels, height, width)
        return images.to(table.dtype) / (self.head.levels.count - 1)


def next_pixel(_: NextPixelOptions) -> MaximumLikelihood:
    """Build the objective, minus the mean log-probability of images in nats."""
    return MaximumLikelihood(mixed=True)


def build(config: PixelCNNOptions, data: DataSpec) -> Parts:
    """Build the untrained model for images on a grid of levels.

    Raises:
        ValueError: the pixels lie on no grid.
    """
    channels, *sides = data.event_shape
    levels = _levels(config, data)
    network = CausalNetwork(
        channels * _NUMBERS,
        (sides[0], sides[1]),
        data.condition_size,
        width=config.width,
        layers=config.layers,
        first=min(config.first, max(sides)),  # there are no more pixels to see
        dropout=config.dropout,
    )
    return Parts(PixelCNN(network, PixelHead(levels, channels, config.width), channels, data.condition_size))


def _levels(config: PixelCNNOptions, data: DataSpec) -> Levels:
    if data.quantum is None or data.bounds is None:
        raise ValueError(
            "each pixel is drawn from the levels of a grid, and these pixels have no declared step or bounds; declare "
            "quantum and bounds in the spec of the data, or use vae or diffusion"
        )
    steps = (data.bounds[1] - data.bounds[0]) / data.quantum
    if abs(steps - round(steps)) > 1e-6 * steps or steps < 1:
        raise ValueError(f"the step {data.quantum:g} does not divide the range of pixels, {data.describe()}")
    count = round(steps) + 1
    if config.likelihood == "categorical" or (config.likelihood == "auto" and count <= _MOST_CATEGORIES):
        return CategoricalLevels(count)
    return LogisticMixture(count, config.n_components)
