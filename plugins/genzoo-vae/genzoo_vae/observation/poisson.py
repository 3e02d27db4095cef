"""Counts with a variance equal to the mean."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genzoo_vae.observation.deviance import deviance, stirling_error
from genzoo_vae.observation.observation import Observation

LARGEST_LOG_MEAN = 25.0
"""Largest logarithm of a mean; larger outputs of the decoder are reduced to it."""


class Poisson(Observation):
    """Independent Poisson distributions. The decoder gives the logarithms of their means."""

    @property
    def width(self) -> int:
        return self.places

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        return x.log1p()

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        log_mean = given.clamp_max(LARGEST_LOG_MEAN)
        positive = x.clamp_min(1.0)  # x = 0 has the closed form -m, and no logarithm there
        above = -stirling_error(positive) - deviance(positive, log_mean) - 0.5 * (positive * 2 * math.pi).log()
        return torch.where(x > 0, above, -log_mean.exp())

    def sample(self, given: Tensor) -> Tensor:
        return torch.poisson(self.expectation(given))

    def expectation(self, given: Tensor) -> Tensor:
        return given.clamp_max(LARGEST_LOG_MEAN).exp()
