"""Scales of Gaussian and logistic distributions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo_vae.options import SpreadName


class Spread(nn.Module):
    """Learned log-scales with a lower limit: log(scale) = softplus(raw + start) + log(least).

    Arguments:
        places: D.
        learned: `shared`, one scale for all values; `place`, one for each; or `network`, one for each from the decoder.
        first: scale when training starts, with raw = 0.
        least: lower limit of the scales.
    """

    def __init__(self, places: int, learned: SpreadName, first: float, least: float) -> None:
        super().__init__()
        self.log_least = math.log(least)
        self._start = math.log(math.expm1(math.log(first / least)))  # softplus(start) = log(first / least)
        self.width = places if learned == "network" else 0
        free = {"shared": 1, "place": places, "network": 0}[learned]
        self.raw = nn.Parameter(torch.zeros(free)) if free else None

    def forward(self, given: Tensor) -> Tensor:
        """Return log-scales, `(..., D)`, `(D,)` or `(1,)`, from the decoder's outputs `given (..., width)`."""
        return F.softplus((given if self.raw is None else self.raw) + self._start) + self.log_least
