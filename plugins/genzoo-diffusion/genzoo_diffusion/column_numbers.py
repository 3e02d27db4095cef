"""Values of all kinds as numbers of similar variance, and back.

    continuous      as they are
    binary          one number, below 0 and above
    categorical     one number for each level, high for its own
    count           the logarithm of the count with uniform noise, log(1 + c + u), shifted and scaled

References:
    "Analog Bits: Generating Discrete Data using Diffusion Models with Self-Conditioning" (Chen et al., 2023);
    "A note on the evaluation of generative models" (Theis, van den Oord and Bethge, 2016), for noise in cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo import Feature

SCALE = 0.4
"""Deviation of the numbers of a category whose levels are equally frequent.

At a deviation of 1, categories would show through more noise than the details of continuous columns do, and few of the
random times while training would serve both.
"""

_RATE = 10.0
"""Factor on the learned shift and scale, so that they learn as much faster than the weights of networks."""

_START = (1.0, -0.5)
"""Shift, and logarithm of the scale, of the logarithms of counts when training starts."""

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

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        self.levels = [len(feature.levels or ()) for feature in features]
        self._counts = [place for place, feature in enumerate(features) if feature.kind == "count"]
        self.sizes = [levels if levels > 2 else 1 for levels in self.levels]
        self.width = sum(self.sizes)
        start = torch.tensor(_START)[:, None].expand(2, len(self._counts)) / _RATE
        self.scales = nn.Parameter(start.clone()) if self._counts else None

    @property
    def plain(self) -> bool:
        """Whether numbers are the values themselves."""
        return not (any(self.levels) or self._counts)

    def forward(self, x: Tensor) -> Tensor:
        """Return events as numbers, counts with new noise. No gradient reaches the scales of counts."""
        if self.plain:
            return x
        found = [_to_numbers(part, levels) for part, levels in zip(x.unbind(1), self.levels, strict=True)]
        for place, shift, scale in self._scaled():
            log = torch.log1p(x[:, place] + torch.rand_like(x[:, place]))
            found[place] = (((log - shift) / scale).detach())[:, None]
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

    def scale_loss(self, x: Tensor) -> Tensor:
        """Return a loss whose minimum is at the mean and the deviation of the logarithms of counts, `()`."""
        loss = x.new_zeros(())
        for place, shift, scale in self._scaled():
            log = torch.log1p(x[:, place] + 0.5)
            loss = loss + (0.5 * ((log - shift) / scale).square() + scale.log()).mean()
        return loss

    def _scaled(self) -> list[tuple[int, Tensor, Tensor]]:
        """Return place, shift and scale of each count."""
        if self.scales is None:
            return []
        shifts, logs = (_RATE * self.scales).unbind(0)
        return [(place, shifts[n], logs[n].clamp(-5.0, 5.0).exp()) for n, place in enumerate(self._counts)]


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
