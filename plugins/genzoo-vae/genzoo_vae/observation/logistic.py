"""Pixels on a grid of grey levels.

References:
    "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood" (Salimans et al., 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo_vae.observation.observation import Observation
from genzoo_vae.observation.spread import Spread
from genzoo_vae.options import SpreadName

_FIRST = 0.1
"""The scale that training starts from, in ranges of the pixels."""

_BEYOND = 0.1
"""How far a centre may lie beyond the ends, in ranges of the pixels."""

_LEAST = 1 / 32
"""The least scale in steps of the grid; a level has all but 1e-7 of the mass of its cell then."""


class DiscretizedLogistic(Observation):
    """The mass of a logistic in the cell around each level; the first and last cell have the tails.

    The decoder says the logit of the centre, which may lie a little beyond the ends of the range.

    Arguments:
        levels: of the grid from 0 to 1 in model space.
    """

    def __init__(self, places: int, levels: int, learned: SpreadName) -> None:
        super().__init__(places)
        self.step = 1 / (levels - 1)
        self.spread = Spread(places, learned, max(_FIRST, self.step), _LEAST * self.step)

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        shown = 2 * x - 1
        return shown if missing is None else shown.masked_fill(missing, 0.0)

    @property
    def width(self) -> int:
        return self.places + self.spread.width

    def _split(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Centres `(..., D)` and log-scales."""
        center = (1 + 2 * _BEYOND) * given[..., : self.places].sigmoid() - _BEYOND
        return center, self.spread(given[..., self.places :])

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        center, log_scale = self._split(given)
        inverse = (-log_scale).exp()
        half = 0.5 * self.step * inverse
        distance = (x - center) * inverse
        # With sigmoid s and edges a < b: s(b) - s(a) = s(b) s(-a) (1 - exp(a - b)), of which no factor cancels.
        below = F.logsigmoid(distance + half)
        above = F.logsigmoid(half - distance)
        within = (-torch.expm1(-2 * half)).log()
        first, last = x < 0.5 * self.step, x > 1 - 0.5 * self.step
        ends = first | last
        return below.masked_fill(last, 0.0) + above.masked_fill(first, 0.0) + within.masked_fill(ends, 0.0)

    def sample(self, given: Tensor) -> Tensor:
        center, log_scale = self._split(given)
        x = center + log_scale.exp() * torch.rand_like(center).logit()
        return ((x / self.step).round() * self.step).clamp(0.0, 1.0)

    def expectation(self, given: Tensor) -> Tensor:
        """The mean of the logistic, what lies beyond the ends being moved there."""
        center, log_scale = self._split(given)
        distance = center * (-log_scale).exp()
        return log_scale.exp() * (F.softplus(distance) - F.softplus(distance - (-log_scale).exp()))
