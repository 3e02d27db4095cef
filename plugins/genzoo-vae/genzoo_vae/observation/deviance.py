"""The two parts of a probability of counts, each computed without taking large numbers from each other.

References:
    "Fast and Accurate Computation of Binomial Probabilities" (Loader, 2000).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LARGE = 16.0
"""From here on four terms of Stirling's series are exact to 1e-13."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def stirling_error(x: Tensor) -> Tensor:
    """`log x!` less Stirling's approximation of it, for `x > 0`, whole or not."""
    small, large = x.clamp_max(_LARGE), x.clamp_min(_LARGE)
    exact = torch.lgamma(small + 1) - (small + 0.5) * small.log() + small - _HALF_LOG_TWO_PI
    square = large.square().reciprocal()
    series = (1 / 12 - (1 / 360 - (1 / 1260 - square / 1680) * square) * square) / large
    return torch.where(x < _LARGE, exact, series)


def deviance(x: Tensor, log_mean: Tensor) -> Tensor:
    """`x log(x / mean) + mean - x`, for `x > 0`: half what `x` deviates from a Poisson mean."""
    ratio = log_mean - x.log()
    return x * (torch.expm1(ratio) - ratio)
