"""Columns of categories and counts as numbers: each value is spread over an interval of its own.

A code or count `c` becomes `c + u` for a uniform `u` between 0 and 1, and a fixed increasing map takes this to a number
`z`. If `p(z)` is a density of the numbers, then `log P(c) >= E log p(z) + log dz/du`: noise bounds the probability of
the value, and no density can profit from values that repeat.

References:
    "A note on the evaluation of generative models" (Theis, van den Oord and Bethge, 2016).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from genzoo import Feature

_RATE = 10.0
"""Factor on learned numbers here, so that they learn as much faster than the weights of networks."""

_END = 1e-6
"""Smallest and largest distribution function that becomes a normal score."""


class SpreadColumns(nn.Module):
    """Maps the columns of a table to numbers and back. Continuous columns stay as they are.

    A level of a category covers an interval of normal scores that has its probability, which is learned. A count
    becomes `(log(1 + c + u) - m) / s`, with m and s learned.

    Arguments:
        features: the columns.
    """

    def __init__(self, features: tuple[Feature, ...]) -> None:
        super().__init__()
        self._size = len(features)
        self._levels = [place for place, feature in enumerate(features) if feature.levels is not None]
        self._counts = [place for place, feature in enumerate(features) if feature.kind == "count"]
        self.shares = nn.ParameterList(torch.zeros(len(features[place].levels or ())) for place in self._levels)
        self.scales = nn.Parameter(torch.zeros(2, len(self._counts))) if self._counts else None

    @property
    def spread(self) -> bool:
        """Whether any column is spread by noise."""
        return bool(self._levels or self._counts)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return events `x (N, D)` as numbers with new noise, and the logarithms of slopes by column, `(N, D)` each."""
        if not self.spread:
            return x, torch.zeros_like(x)
        found, slopes = list(x.unbind(1)), [torch.zeros_like(x[:, 0])] * self._size
        noise = torch.rand_like(x)
        for place, shares in zip(self._levels, self.shares, strict=True):
            found[place], slopes[place] = _level_scores(x[:, place], noise[:, place], shares)
        if self.scales is not None:
            for place, (middle, width) in zip(self._counts, self.scales.unbind(1), strict=True):
                log = torch.log1p(x[:, place].clamp_min(0.0) + noise[:, place])
                found[place] = (log - _RATE * middle) * (-_RATE * width).exp()
                slopes[place] = -log - _RATE * width
        return torch.stack(found, 1), torch.stack(slopes, 1)

    def inverse(self, z: Tensor) -> Tensor:
        """Return the events that have numbers `z (N, D)`."""
        if not self.spread:
            return z
        found = list(z.unbind(1))
        for place, shares in zip(self._levels, self.shares, strict=True):
            ends = shares_of(shares).cumsum(0)[:-1]
            found[place] = torch.searchsorted(ends, torch.special.ndtr(found[place])).to(z)
        if self.scales is not None:
            for place, (middle, width) in zip(self._counts, self.scales.unbind(1), strict=True):
                log = found[place] * (_RATE * width).exp() + _RATE * middle
                found[place] = torch.expm1(log.clamp_max(_largest(z.dtype))).floor().clamp_min(0.0)
        return torch.stack(found, 1)

    def conclude(self, events: Tensor, shares: Tensor) -> Tensor:
        """Return means of numbers and most probable levels of draws, `(N, D)`.

        Arguments:
            events: draws, `(K, N, D)`.
            shares: their weights, `(K, N)`.
        """
        found = (events * shares[..., None]).sum(0)
        for place, raw in zip(self._levels, self.shares, strict=True):
            levels = torch.arange(len(raw), device=events.device)
            same = events[:, :, place, None] == levels  # (K, N, L)
            found[:, place] = (same * shares[..., None]).sum(0).argmax(-1).to(found)
        return found


def shares_of(raw: Tensor) -> Tensor:
    """Return the learned probabilities of levels, `(L,)`."""
    return (_RATE * raw).softmax(0)


def _level_scores(code: Tensor, noise: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
    """Return normal scores in the intervals of levels, and the logarithms of their slopes in the noise, `(N,)` each."""
    shares = shares_of(raw)
    level = code.long().clamp(0, len(shares) - 1)
    below = (shares.cumsum(0) - shares)[level]
    z = torch.special.ndtri((below + shares[level] * noise).clamp(_END, 1 - _END))
    return z, shares[level].log() + 0.5 * z.square() + 0.5 * math.log(2 * math.pi)


def _largest(dtype: torch.dtype) -> float:
    return math.log(torch.finfo(dtype).max) / 2
