"""The scale of a distribution of location and scale."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo_vae.options import SpreadName


class Spread(nn.Module):
    """The logarithms of scales that never fall below a least one.

    Arguments:
        places: D.
        learned: one scale for all places, one for each, or by the decoder for each.
        first: the scale that training starts from.
        least: what all scales are above.
    """

    def __init__(self, places: int, learned: SpreadName, first: float, least: float) -> None:
        super().__init__()
        self._log_least = math.log(least)
        self._start = math.log(math.expm1(math.log(first / least)))  # softplus gives log(first / least) there
        self.width = places if learned == "network" else 0
        free = {"shared": 1, "place": places, "network": 0}[learned]
        self.raw = nn.Parameter(torch.zeros(free)) if free else None

    def forward(self, given: Tensor) -> Tensor:
        """Log-scales `(..., D)`, `(D,)` or `(1,)`; `given (..., width)` is what the decoder says of them."""
        return F.softplus((given if self.raw is None else self.raw) + self._start) + self._log_least
