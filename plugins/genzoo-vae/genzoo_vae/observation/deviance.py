"""The two parts of a log-probability of counts, accurate for large counts.

Written out, log p(x) of a Poisson is x log m - m - log x!, whose terms grow with x and nearly cancel. Loader's form is
-stirling_error(x) - deviance(x, m) - log(2 pi x) / 2, whose terms stay small near the mean m.

References:
    "Fast and Accurate Computation of Binomial Probabilities" (Loader, 2000).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LARGE = 16.0
"""From here on, four terms of Stirling's series are accurate to 1e-13."""

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def stirling_error(x: Tensor) -> Tensor:
    """Compute log x! - ((x + 1/2) log x - x + log(2 pi) / 2), the error of Stirling's formula, for any x > 0."""
    small, large = x.clamp_max(_LARGE), x.clamp_min(_LARGE)
    exact = torch.lgamma(small + 1) - (small + 0.5) * small.log() + small - _HALF_LOG_TWO_PI
    square = large.square().reciprocal()
    series = (1 / 12 - (1 / 360 - (1 / 1260 - square / 1680) * square) * square) / large
    return torch.where(x < _LARGE, exact, series)


def deviance(x: Tensor, log_mean: Tensor) -> Tensor:
    """Compute x log(x / m) + m - x for x > 0 and a mean m: half the deviance of a Poisson count."""
    ratio = log_mean - x.log()
    # With r = log(m / x) it is x (exp(r) - 1 - r), in which expm1 keeps the digits near x = m.
    return x * (torch.expm1(ratio) - ratio)
