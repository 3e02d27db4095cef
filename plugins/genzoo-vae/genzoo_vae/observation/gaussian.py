"""Continuous values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genzoo_vae.observation.observation import Observation
from genzoo_vae.observation.spread import Spread
from genzoo_vae.options import SpreadName

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

_NEAR = 0.5 * math.log(2.0)
"""How far above the lower limit a log-deviation still depends on it: up to twice the smallest variance."""

_ABOVE = 2.0
"""Smallest ratio of the first standard deviation to the least one."""


class GaussianObservation(Observation):
    """Independent normals. The decoder gives the means; `Spread` the standard deviations.

    Deviations have a lower limit: with none, the density of values that the decoder can reproduce exactly, such as a
    constant column, would grow forever.

    Arguments:
        places: D.
        learned: how deviations are learned, as for `Spread`.
        first: standard deviation when training starts.
        least: lower limit of the standard deviations.
    """

    def __init__(self, places: int, learned: SpreadName, first: float, least: float) -> None:
        super().__init__(places)
        self.spread = Spread(places, learned, max(first, _ABOVE * least), least)

    @property
    def width(self) -> int:
        return self.places + self.spread.width

    def _split(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Split the decoder's outputs into means `(..., D)` and log-deviations."""
        return given[..., : self.places], self.spread(given[..., self.places :])

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        mean, log_scale = self._split(given)
        return -0.5 * ((x - mean) * (-log_scale).exp()).square() - (log_scale + _HALF_LOG_TWO_PI)

    def narrow(self, given: Tensor) -> Tensor:
        _, log_scale = self._split(given)
        return (log_scale <= self.spread.log_least + _NEAR).expand(len(given), self.places)

    def sample(self, given: Tensor) -> Tensor:
        mean, log_scale = self._split(given)
        return mean + log_scale.exp() * torch.randn_like(mean)

    def expectation(self, given: Tensor) -> Tensor:
        return given[..., : self.places]
