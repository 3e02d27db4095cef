"""Counts with a variance larger than the mean."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.distributions import Gamma
from torch.nn import functional as F

from genzoo_vae.observation.deviance import deviance, stirling_error
from genzoo_vae.observation.observation import Observation
from genzoo_vae.observation.poisson import LARGEST_LOG_MEAN

_FIRST = math.log(10.0)
_RANGE = (-12.0, 16.0)
"""Range of the logarithm of a shape. At its upper end the distribution is practically Poisson."""


class NegativeBinomial(Observation):
    """Independent negative binomials: Poisson counts whose rates are gamma distributed.

    With mean m and shape r the variance is m + m² / r. The decoder gives log m; r is learned for each column.

    Arguments:
        places: D.
    """

    def __init__(self, places: int) -> None:
        super().__init__(places)
        self.log_shape = nn.Parameter(torch.full((places,), _FIRST))

    @property
    def width(self) -> int:
        return self.places

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        return x.log1p()

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        log_mean = given.clamp_max(LARGEST_LOG_MEAN)
        log_shape = self.log_shape.clamp(*_RANGE)
        shape = log_shape.exp()
        # p(x) = Gamma(x + r) / (Gamma(r) x!) stop^r go^x with stop = r / (r + m), go = m / (r + m), in Loader's form of
        # small terms; see `genzoo_vae.observation.deviance`.
        log_stop, log_go = -F.softplus(log_mean - log_shape), -F.softplus(log_shape - log_mean)
        positive = x.clamp_min(1.0)  # x = 0 has the closed form r log(stop), and no logarithm there
        total = positive + shape
        log_total = total.log()
        errors = stirling_error(total) - stirling_error(shape) - stirling_error(positive)
        deviances = deviance(shape, log_total + log_stop) + deviance(positive, log_total + log_go)
        rest = 0.5 * (log_shape - log_total - (positive * 2 * math.pi).log())
        return torch.where(x > 0, errors - deviances + rest, shape * log_stop)

    def sample(self, given: Tensor) -> Tensor:
        mean = self.expectation(given)
        shape = self.log_shape.clamp(*_RANGE).exp().expand_as(mean)
        rate: Tensor = Gamma(shape, shape / mean.clamp_min(1e-12), validate_args=False).sample()
        return torch.poisson(rate)

    def expectation(self, given: Tensor) -> Tensor:
        return given.clamp_max(LARGEST_LOG_MEAN).exp()
