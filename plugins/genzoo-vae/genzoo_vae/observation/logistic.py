"""Pixels on a grid of grayscale levels.

References:
    "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood" (Salimans et al., 2017).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo_vae.observation.observation import Observation
from genzoo_vae.observation.spread import Spread
from genzoo_vae.options import SpreadName

_FIRST = 0.1
"""Scale when training starts, as a share of the pixels' range."""

_BEYOND = 0.1
"""How far a center may lie outside the range, as a share of the range."""

_LEAST = 1 / 32
"""Smallest scale, in steps of the grid. A logistic centered on a level then has all but 2e-7 of its mass there."""


_TINY = 1e-30
"""Width of a cell, in scales, below which the density is flat in it."""


def center_of(logits: Tensor, beyond: float = _BEYOND) -> Tensor:
    """Convert logits to centers, which may lie outside [0, 1] by less than `beyond`."""
    return (1 + 2 * beyond) * logits.sigmoid() - beyond


def spread_of_pixels(places: int, learned: SpreadName, step: float) -> Spread:
    """Return the scales of logistics on a grid with distances of `step`."""
    return Spread(places, learned, max(_FIRST, step), _LEAST * step)


def log_mass(x: Tensor, center: Tensor, log_scale: Tensor, step: float) -> Tensor:
    """Compute the log-probability that a logistic falls into the cell of each level of `x`, in nats.

    Arguments:
        x: levels from 0 to 1, in distances of `step`. The first and the last cell also get the tails.
        center, log_scale: of the logistics; they broadcast to the shape of `x`.
        step: width of a cell.
    """
    inverse = (-log_scale).exp()
    half = 0.5 * step * inverse
    distance = (x - center) * inverse
    # With sigmoid s and the edges a < b of a cell, s(b) - s(a) = s(b) s(-a) (1 - exp(a - b)). The left side cancels in
    # the tails; the logarithms of the three factors on the right do not.
    below = F.logsigmoid(distance + half)
    above = F.logsigmoid(half - distance)
    # log(1 - exp(-2 half)) = log(2 half) + log((1 - exp(-2 half)) / (2 half)). Taken apart, both stay finite if a
    # network that starts to diverge gives a scale that is far too large, and training can go on.
    ratio = -torch.expm1(-2 * half) / (2 * half).clamp_min(_TINY)
    within = math.log(step) - log_scale + torch.where(half > _TINY, ratio, 1.0).log()
    first, last = x < 0.5 * step, x > 1 - 0.5 * step
    ends = first | last
    return below.masked_fill(last, 0.0) + above.masked_fill(first, 0.0) + within.masked_fill(ends, 0.0)


def logistic_noise(like: Tensor, log_scale: Tensor) -> Tensor:
    """Draw from logistics around 0, in the shape of `like`."""
    return log_scale.exp() * torch.rand_like(like).logit()  # logit is the inverse of the logistic's CDF


def round_to_grid(x: Tensor, step: float) -> Tensor:
    """Round to the nearest level from 0 to 1, in distances of `step`."""
    return ((x / step).round() * step).clamp(0.0, 1.0)


class DiscretizedLogistic(Observation):
    """Independent logistic distributions, rounded to a grid: a level has the mass of the cell around it.

    The first and the last cell also get the tails. The decoder gives the logits of the centers, which may lie slightly
    outside the range; `Spread` gives the scales.

    Arguments:
        places: D.
        levels: number of levels of the grid, which goes from 0 to 1 in model space.
        learned: how scales are learned, as for `Spread`.
    """

    def __init__(self, places: int, levels: int, learned: SpreadName) -> None:
        super().__init__(places)
        self.step = 1 / (levels - 1)
        self.spread = spread_of_pixels(places, learned, self.step)

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        shown = 2 * x - 1
        return shown if missing is None else shown.masked_fill(missing, 0.0)

    @property
    def width(self) -> int:
        return self.places + self.spread.width

    def _split(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Split the decoder's outputs into centers `(..., D)` and log-scales."""
        return center_of(given[..., : self.places]), self.spread(given[..., self.places :])

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        return log_mass(x, *self._split(given), self.step)

    def sample(self, given: Tensor) -> Tensor:
        center, log_scale = self._split(given)
        return round_to_grid(center + logistic_noise(center, log_scale), self.step)

    def expectation(self, given: Tensor) -> Tensor:
        """Return the mean of the logistic clipped to [0, 1]."""
        center, log_scale = self._split(given)
        # The integral of P(X > t) over t in [0, 1], and softplus is the integral of the sigmoid.
        distance = center * (-log_scale).exp()
        return log_scale.exp() * (F.softplus(distance) - F.softplus(distance - (-log_scale).exp()))
