"""Normal distributions that are cut to an interval."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genzoo_tabular.copula.rectangles import draw_interval, log_interval

_LOG_NORMALIZER = math.log(2 * math.pi) / 2

_HALVINGS, _STEPS = 11, 2
"""Halvings of the interval of deviations, and Newton steps for the center after each."""

_WIDEST = 2.0
"""Largest deviation, in widths of the interval: the density is then nearly even."""

_FARTHEST = 4.0
"""Largest deviation, in distances from the mean to the nearer end: the density then falls nearly as an exponential."""

_RATIO = 8.0
"""Largest deviation of the uncut normal, in deviations of the cut one: both limits above are reached earlier."""

_REACH = 6.0
"""Largest distance of a center from the interval, in deviations. Quantiles lose their digits farther out."""


def log_density(x: Tensor, low: Tensor, high: Tensor, center: Tensor, deviation: Tensor) -> Tensor:
    """Return the log-density at `x` of a normal that is cut to lie between `low` and `high`, all `(N,)` float64."""
    z = (x - center) / deviation
    inside = log_interval((low - center) / deviation, (high - center) / deviation)
    return -(z**2) / 2 - deviation.log() - _LOG_NORMALIZER - inside


def log_mass(k: Tensor, low: Tensor, high: Tensor, center: Tensor, deviation: Tensor) -> Tensor:
    """Return the log-probability that such a normal rounds to the whole number `k`."""
    below, above = ((k + half - center) / deviation for half in (-0.5, 0.5))
    return log_interval(below, above) - log_interval((low - center) / deviation, (high - center) / deviation)


def draw(u: Tensor, low: Tensor, high: Tensor, center: Tensor, deviation: Tensor) -> Tensor:
    """Return the quantile `u` of such a normal."""
    return center + deviation * draw_interval((low - center) / deviation, (high - center) / deviation, u)


def moments(low: Tensor, high: Tensor, center: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the variance of such a normal."""
    a, b = (low - center) / deviation, (high - center) / deviation
    inside = log_interval(a, b)
    at_a, at_b = ((-(z**2) / 2 - _LOG_NORMALIZER - inside).exp() for z in (a, b))
    shift = at_a - at_b
    ratio = 1 + a * at_a - b * at_b - shift**2
    return center + deviation * shift, deviation**2 * ratio.clamp_min(0.0)


def matching(low: Tensor, high: Tensor, mean: Tensor, variance: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """Return the centers and deviations of cut normals with these means and variances.

    They maximize the likelihood of values with these moments. If the variance is too large for any normal between `low`
    and `high`, the density is nearly even or exponential.

    Arguments:
        least: smallest deviation.
    """
    to_end = torch.minimum(mean - low, high - mean)
    smallest = torch.maximum(least, variance.sqrt())  # an uncut normal is the narrowest with its variance
    largest = torch.minimum(torch.minimum(_WIDEST * (high - low), _FARTHEST * to_end), _RATIO * smallest)
    largest = torch.maximum(largest, 1.001 * least)
    smallest = torch.minimum(smallest, largest)
    center = mean
    for _ in range(_HALVINGS):
        deviation = (smallest * largest).sqrt()
        center, found = _centered(low, high, mean, center, deviation)
        wide = found > variance
        smallest, largest = torch.where(wide, smallest, deviation), torch.where(wide, deviation, largest)
    deviation = (smallest * largest).sqrt()
    for _ in range(_STEPS):
        center, _ = _centered(low, high, mean, center, deviation)
    return center, deviation


def _centered(low: Tensor, high: Tensor, mean: Tensor, center: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Move the centers of cut normals so that they have these means; return them with the variances."""
    reach = _REACH * deviation
    for _ in range(_STEPS):
        own, variance = moments(low, high, center, deviation)
        step = (mean - own) / (variance / deviation**2).clamp_min(1e-4)
        step = torch.minimum(torch.maximum(step, -2 * deviation), 2 * deviation)
        center = torch.minimum(torch.maximum(center + step, low - reach), high + reach)
    return center, moments(low, high, center, deviation)[1]
