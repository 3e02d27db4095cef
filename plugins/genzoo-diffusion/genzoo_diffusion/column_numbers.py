"""Values of all kinds as numbers of similar variance, and back.

    continuous      as they are
    binary          one number, below 0 and above
    categorical     one number for each level, high for its own
    count           the logarithm of the count with uniform noise, log(1 + c + u), standardized

References:
    "Analog Bits: Generating Discrete Data using Diffusion Models with Self-Conditioning" (Chen et al., 2023);
    "A note on the evaluation of generative models" (Theis, van den Oord and Bethge, 2016), for noise in cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo import Feature

SCALE = 0.4
"""Deviation of the numbers of a category whose levels are equally frequent.

At a deviation of 1, categories would show through more noise than the details of continuous columns do, and few of the
random times while training would serve both.
"""

_START = (1.0, 0.6)
"""Mean and deviation of the logarithms of counts until training measures them."""

_LEAST = 1e-12
"""Smallest variance of the logarithms of counts."""

_LARGEST = 30.0
"""Largest logarithm of a count in samples."""


class ColumnNumbers(nn.Module):
    """Maps rows `x (N, C)` to numbers `z (N, E)` and back.

    Arguments:
        features: the columns. With none, events of any shape stay as they are.

    Attributes:
        width: E.
        levels: number of levels of each column, 0 for numbers.
        sizes: how many numbers each column has.
    """

    scales: Tensor | None

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        self.levels = [len(feature.levels or ()) for feature in features]
        self._counts = [place for place, feature in enumerate(features) if feature.kind == "count"]
        self.sizes = [levels if levels > 2 else 1 for levels in self.levels]
        self.width = sum(self.sizes)
        start = torch.tensor(_START)[:, None].repeat(1, len(self._counts))
        self.register_buffer("scales", start if self._counts else None)

    @property
    def plain(self) -> bool:
        """Whether numbers are the values themselves."""
        return not (any(self.levels) or self._counts)

    def forward(self, x: Tensor) -> Tensor:
        """Return events as numbers, counts with new noise."""
        if self.plain:
            return x
        found = [_to_numbers(part, levels) for part, levels in zip(x.unbind(1), self.levels, strict=True)]
        for place, shift, scale in self._scaled():
            log = torch.log1p(x[:, place] + torch.rand_like(x[:, place]))
            found[place] = ((log - shift) / scale)[:, None]
        return torch.cat(found, 1)

    def inverse(self, z: Tensor) -> Tensor:
        """Return the events that have these numbers, or are the nearest to them."""
        if self.plain:
            return z
        parts = torch.split(z, self.sizes, 1)
        found = [_to_values(part, levels) for part, levels in zip(parts, self.levels, strict=True)]
        for place, shift, scale in self._scaled():
            log = found[place] * scale + shift
            found[place] = torch.expm1(log.clamp(0.0, _LARGEST)).floor()
        return torch.stack(found, 1)

    def measure(self, blocks: Iterable[Tensor]) -> None:
        """Measure the mean and the deviation of the logarithms of counts on blocks of events `(N, C)`."""
        if self.scales is None:
            return
        sums = torch.zeros(3, len(self._counts), dtype=torch.float64)
        for x in blocks:
            middle = 1.5 + x[:, self._counts].double().cpu()
            noise = middle.square().reciprocal() / 12  # variance that the noise in a cell gives to the logarithm
            log = middle.log() - noise / 2  # to second order, the mean with this noise
            sums += torch.stack([torch.ones_like(log), log, log.square() + noise]).sum(1)
        mean, square = sums[1:] / sums[0]
        self.scales.copy_(torch.stack([mean, (square - mean.square()).clamp_min(_LEAST).sqrt()]))

    def _scaled(self) -> list[tuple[int, Tensor, Tensor]]:
        """Return place, mean and deviation of each count."""
        if self.scales is None:
            return []
        means, deviations = self.scales.unbind(0)
        return [(place, means[number], deviations[number]) for number, place in enumerate(self._counts)]


def gap(levels: int) -> float:
    """Return how much higher the number of a category's own level is than the numbers of the others."""
    return SCALE * levels / math.sqrt(levels - 1)


def _to_numbers(x: Tensor, levels: int) -> Tensor:
    """Return values `(N,)` of one column as `(N, E)`."""
    if levels == 0:
        return x[:, None]
    if levels <= 2:
        return SCALE * (2 * x[:, None] - 1)
    hot = F.one_hot(x.long().clamp(0, levels - 1), levels).to(x.dtype)
    return (hot - 1 / levels) * gap(levels)


def _to_values(z: Tensor, levels: int) -> Tensor:
    """Return numbers `(N, E)` of one column as values `(N,)`."""
    if levels == 0:
        return z[:, 0]
    if levels <= 2:
        return (z[:, 0] > 0).to(z.dtype) * (levels - 1)
    return z.argmax(1).to(z.dtype)
