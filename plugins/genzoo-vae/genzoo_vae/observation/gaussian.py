"""Places of continuous values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genzoo_vae.observation.observation import Observation
from genzoo_vae.observation.spread import Spread
from genzoo_vae.options import SpreadName

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)

_ABOVE = 2.0
"""Training starts from deviations at least so many times the least."""


class GaussianObservation(Observation):
    """Normal with the mean that the decoder says and a learned deviation, whose least keeps the density finite."""

    def __init__(self, places: int, learned: SpreadName, first: float, least: float) -> None:
        super().__init__(places)
        self.spread = Spread(places, learned, max(first, _ABOVE * least), least)

    @property
    def width(self) -> int:
        return self.places + self.spread.width

    def _split(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Means `(..., D)` and log-deviations."""
        return given[..., : self.places], self.spread(given[..., self.places :])

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        mean, log_scale = self._split(given)
        return -0.5 * ((x - mean) * (-log_scale).exp()).square() - (log_scale + _HALF_LOG_TWO_PI)

    def sample(self, given: Tensor) -> Tensor:
        mean, log_scale = self._split(given)
        return mean + log_scale.exp() * torch.randn_like(mean)

    def expectation(self, given: Tensor) -> Tensor:
        return given[..., : self.places]
