"""Values of all kinds as codes: whole numbers, each with a probability.

continuous      the number of its bin, after the transform `bins`; a density is even within a bin, and the outer
bins leave a share to exponential tails
categories      the code of the level
count           the number of its group of counts (`counts.py`); a probability is even in each
pixel           the number of its value on the grid
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from genzoo import ConfigError, DataSpec, Feature
from genzoo_autoregressive.bins import MOST_BINS, kept_rows
from genzoo_autoregressive.made.counts import ends_by_rows, first_ends

MOST_LEVELS = 256
"""Largest number of values of a pixel."""

TAIL = 2.0
"""Rate of exponential tails beyond bins. The data's share beyond a distance d is then proportional to `(s + d)^-2`."""


class Codes(nn.Module):
    """Maps the values of events to codes and back.

    Arguments:
        data: describes the events.

    Attributes:
        sizes: numbers of codes of each of D values.
        ordered: for each value, whether its codes are in an order.
        tops: number of bins of each value that have training rows, `(D,)`.
        rooms: shares of the first and the last bin that belong to tails, `(D, 2)`.
        ends: smallest counts of the codes of each of C values that are counts, and the end of the last, `(C, K + 1)`.
    """

    counted: Tensor
    counts: Tensor
    binned: Tensor
    ends: Tensor
    tops: Tensor
    rooms: Tensor

    def __init__(self, data: DataSpec) -> None:
        super().__init__()
        self._low, self._step = 0.0, 1.0
        ends = first_ends()
        if data.form.columns:
            self.sizes = tuple(_size(feature, len(ends) - 1) for feature in data.features)
            self._binned = [feature.kind == "continuous" for feature in data.features]
            self.ordered = tuple(feature.levels is None for feature in data.features)
        else:
            self._low, self._step, levels = grid_of(data)
            self.sizes, self.ordered = (levels,) * data.size, (True,) * data.size
            self._binned = [False] * data.size
        self._counted = [feature.kind == "count" and data.form.columns for feature in data.places]
        self.register_buffer("counted", torch.tensor(self._counted), persistent=False)
        self.register_buffer("binned", torch.tensor(self._binned), persistent=False)
        self._number_of_count = {place: number for number, place in enumerate(np.flatnonzero(self._counted).tolist())}
        counts = torch.tensor(list(self._number_of_count), dtype=torch.int64)
        self.register_buffer("counts", counts, persistent=False)
        self.register_buffer("ends", torch.tensor(ends, dtype=torch.int64).repeat(len(counts), 1))
        self.register_buffer("tops", torch.tensor(self.sizes))
        self.register_buffer("rooms", torch.full((len(self.sizes), 2), 0.01))

    def place_counts(self, blocks: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """Place the codes of counts by training rows.

        Arguments:
            blocks: values `(n, D)`, and masks of missing ones.
        """
        if not any(self._counted):
            return
        parts = (x if missing is None else x.masked_fill(missing, torch.nan) for x, missing in blocks)
        rows = kept_rows((part[:, self.counts].cpu().numpy() for part in parts), len(self.counts))
        ends = [ends_by_rows(column[~np.isnan(column)]) for column in rows.T]
        self.ends.copy_(torch.tensor(ends, dtype=torch.int64))

    def absent(self) -> Tensor:
        """Return which codes no value has, `(D, K)`."""
        found = torch.arange(max(self.sizes), device=self.tops.device) >= self.tops[:, None]
        if any(self._counted):
            found[self.counts, : self.ends.shape[1] - 1] = self.ends.diff() == 0
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Return the codes of values `x (N, D)`, int64, -1 for values that have none."""
        found = ((x - self._low) / self._step).round()
        inside = torch.minimum(x.clamp_min(0).floor(), self.tops - 1)
        found = torch.where(self.binned, inside, found)
        if any(self._counted):
            counts = x[:, self.counts].round().long().mT.contiguous()
            found[:, self.counts] = (torch.searchsorted(self.ends, counts, right=True) - 1).mT.to(x.dtype)
        return torch.where((found >= 0) & (found < self.tops), found, -1.0).long()

    def log_within(self, x: Tensor, code: Tensor) -> Tensor:
        """Return the log-densities of values `(N, D)` among those that have their codes, or log-probabilities."""
        counts = torch.zeros_like(x)
        if any(self._counted):
            widths = self.ends.diff().to(x.dtype)
            own = code[:, self.counts].clamp(0, widths.shape[1] - 1).mT
            counts[:, self.counts] = -widths.gather(1, own).mT.log()
        above = x - self.tops
        rooms = self.rooms.to(x.dtype)
        inside = torch.log1p(-rooms[:, 0] * (code == 0) - rooms[:, 1] * (code == self.tops - 1))
        low, high = (rooms[:, side].log() + math.log(TAIL) for side in (0, 1))
        numbers = torch.where(x < 0, low + TAIL * x, torch.where(above > 0, high - TAIL * above, inside))
        return torch.where(self.binned, numbers, counts)

    def draw(self, code: Tensor, place: int, dtype: torch.dtype) -> Tensor:
        """Draw values of value number `place` that have codes `(N,)`, `(N,)`."""
        if self._binned[place]:
            return self._drawn_in_bins(code, place, dtype)
        if self._counted[place]:
            ends = self.ends[self._number_of_count[place]]
            u = torch.rand(code.shape, device=code.device, dtype=torch.float32)
            return (ends[code] + (u * ends.diff()[code]).floor()).to(dtype)
        return code.to(dtype) * self._step + self._low

    def _drawn_in_bins(self, code: Tensor, place: int, dtype: torch.dtype) -> Tensor:
        u, v, w = torch.rand(3, len(code), device=code.device, dtype=dtype)
        away = -torch.log1p(-w) / TAIL
        low, high = self.rooms[place, 0] * (code == 0), self.rooms[place, 1] * (code == self.tops[place] - 1)
        outside = torch.where(u < low, -away, code.to(dtype) + 1 + away)
        return torch.where(u < low + high, outside, code.to(dtype) + v)

    def middle(self, draws: Tensor, shares: Tensor) -> Tensor:
        """Return medians of numbers, means of counts and pixels, and most probable levels of draws, `(N, D)`.

        Arguments:
            draws: values, `(K, N, D)`.
            shares: their weights, which sum to 1, `(K, N)`.
        """
        found = (draws * shares[..., None]).sum(0)
        for place, (size, ordered, binned) in enumerate(zip(self.sizes, self.ordered, self._binned, strict=True)):
            if binned:
                values, order = draws[:, :, place].sort(0)
                at = (shares.gather(0, order).cumsum(0) < 0.5).sum(0, keepdim=True).clamp_max(len(draws) - 1)
                found[:, place] = values.gather(0, at)[0]
            elif not ordered:
                same = draws[:, :, place, None] == torch.arange(size, device=draws.device)  # (K, N, L)
                found[:, place] = (same * shares[..., None]).sum(0).argmax(-1).to(found)
        return found


def grid_of(data: DataSpec) -> tuple[float, float, int]:
    """Return the smallest value of pixels, the step of their grid, and the number of values.

    Raises:
        ConfigError: pixels do not lie on a grid between bounds, or have too many values.
    """
    if data.features[0].levels is not None:
        return 0.0, 1.0, len(data.features[0].levels)
    if data.quantum is not None and data.bounds is not None:
        levels = round((data.bounds[1] - data.bounds[0]) / data.quantum) + 1
        if levels <= MOST_LEVELS:
            return data.bounds[0], data.quantum, levels
    raise ConfigError(
        f"Model 'made' needs {data.form.plural} whose values lie on a grid between two bounds, at most {MOST_LEVELS} "
        f"of them, such as 0 to 255. Use a model of other {data.form.plural}, such as vae."
    )


def _size(feature: Feature, counts: int) -> int:
    if feature.levels is not None:
        return len(feature.levels)
    return counts if feature.kind == "count" else MOST_BINS
