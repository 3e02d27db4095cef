"""Pixels on a grid of levels that follow the pixels around them.

Noise that is independent for each pixel looks like static, and explains little: in images, what a decoder leaves out is
alike in neighbors. Here a logistic is centered at the decoder's mean plus a weighted sum of how far neighbors deviate
from theirs. Only neighbors that come before count (left, above, and both diagonals above; of the same pixel, the
channels before), so the probability of an image is the product over its values.

References:
    "PixelVAE: A Latent Variable Model for Natural Images" (Gulrajani et al., 2016), for decoders whose pixels depend
    on each other;
    "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood" (Salimans et al., 2017), for
    channels that follow each other linearly.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo_vae.observation.logistic import (
    center_of,
    log_mass,
    logistic_noise,
    round_to_grid,
    spread_of_pixels,
)
from genzoo_vae.observation.observation import Observation
from genzoo_vae.options import SpreadName

_NEIGHBORS = ((0, -1), (-1, -1), (-1, 0), (-1, 1))
"""Rows and columns from a pixel to the neighbors that come before it."""

_REACH = 0.8
"""Upper limit of the sum of a pixel's absolute weights of neighbors.

Below 1, deviations fade out. Near 1, a pixel could copy its neighbors with any means, and the latent vector would no
longer matter.
"""


_BEYOND, _MOST = 0.5, 0.25
"""How far a center may lie outside the range, and the upper limit of a scale, both as shares of the range.

A pixel that is black in nearly all images needs a center below 0 or a small scale. If its center has to stay close to
0, or if its scale grows in the first steps, samples have specks of white until the scale has shrunk.
"""


class _Given(NamedTuple):
    """The decoder's outputs: `mean` and `log_scale (..., C, H, W)`, and `weights (..., J, C, H, W)`."""

    mean: Tensor
    log_scale: Tensor
    weights: Tensor


class NeighborLogistic(Observation):
    """Logistic distributions, rounded to a grid, with a center that follows the deviations of neighbors.

    For each value the decoder gives the logit of its mean, a scale (as `Spread` says), and J weights: one for each of
    four neighbors in the same channel, and one between -1 and 1 for each earlier channel of the same pixel. A scale s
    from `Spread` becomes 1 / (1 / s + 1 / most), which is below `most`.

    Arguments:
        event_shape: shape of an image, `(C, H, W)`.
        levels: number of levels of the grid, which goes from 0 to 1 in model space.
        learned: how scales are learned, as for `Spread`.
    """

    dependent: ClassVar[bool] = True
    order: Tensor
    earlier: Tensor

    def __init__(self, event_shape: tuple[int, ...], levels: int, learned: SpreadName) -> None:
        channels, height, width = event_shape
        super().__init__(channels * height * width)
        self._event_shape = event_shape
        self.step = 1 / (levels - 1)
        self.spread = spread_of_pixels(self.places, learned, self.step)
        self._weights = len(_NEIGHBORS) + channels - 1
        # All pixels of a front, column + 2 row = t, follow pixels of fronts before t alone. So they are drawn at once.
        fronts = [[(t - 2 * y, y) for y in range(height) if 0 <= t - 2 * y < width] for t in range(2 * height + width)]
        self._fronts = [len(front) for front in fronts if front]
        places = [y * width + x for front in fronts for x, y in front]
        self.register_buffer("order", torch.tensor(places), persistent=False)
        earlier = torch.arange(channels - 1)[:, None] < torch.arange(channels)  # (C - 1, C)
        self.register_buffer("earlier", earlier[:, :, None, None], persistent=False)

    @property
    def width(self) -> int:
        return self.places * (1 + self._weights) + self.spread.width

    def show(self, x: Tensor, missing: Tensor | None) -> Tensor:
        shown = 2 * x - 1
        return shown if missing is None else shown.masked_fill(missing, 0.0)

    def _split(self, given: Tensor) -> _Given:
        sizes = [self.places, self._weights * self.places, self.spread.width]
        mean, weights, spread = torch.split(given, sizes, -1)
        weights = weights.reshape(*given.shape[:-1], self._weights, *self._event_shape)
        around, beside = torch.split(weights, [len(_NEIGHBORS), self._weights - len(_NEIGHBORS)], -4)
        around = _REACH * around / (1 + around.abs().sum(-4, keepdim=True))
        weights = torch.cat([around, beside.tanh().masked_fill(~self.earlier, 0.0)], -4)
        log_scale = -torch.logaddexp(-self.spread(spread), spread.new_tensor(-math.log(_MOST)))
        log_scale = log_scale.expand(*log_scale.shape[:-1], self.places)
        return _Given(self._images(center_of(mean, _BEYOND)), self._images(log_scale), weights)

    def _images(self, values: Tensor) -> Tensor:
        """Return values `(..., D)` as images, `(..., C, H, W)`."""
        return values.reshape(*values.shape[:-1], *self._event_shape)

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        mean, log_scale, weights = self._split(given)
        image = self._images(x)
        deviation = image - mean
        center = mean
        for weight, (down, right) in zip(weights.unbind(-4), _NEIGHBORS, strict=False):
            center = center + weight * _shift(deviation, down, right)
        for channel, weight in enumerate(weights.unbind(-4)[len(_NEIGHBORS) :]):
            center = center + weight * deviation[..., channel, None, :, :]
        return log_mass(image, center, log_scale, self.step).flatten(-3)

    def sample(self, given: Tensor) -> Tensor:
        return self._walk(given, None, None)

    def complete(self, x: Tensor, missing: Tensor, given: Tensor) -> Tensor:
        shape = (*given.shape[:-1], self.places)
        return self._walk(given, x.expand(shape), missing.expand(shape))

    def expectation(self, given: Tensor) -> Tensor:
        """Return the means of pixels. They are exact up to the ends of the range, where deviations are cut off."""
        return center_of(given[..., : self.places], _BEYOND).clamp(0.0, 1.0)

    def _walk(self, given: Tensor, x: Tensor | None, missing: Tensor | None) -> Tensor:
        """Draw images front by front, `(..., D)`; with `x`, only the values that are `missing`."""
        channels, height, width = self._event_shape
        mean, log_scale, weights = (part.flatten(-2) for part in self._split(given.flatten(0, -2)))
        noise = logistic_noise(mean, log_scale)
        drawn = torch.empty_like(mean) if x is None else x.reshape(-1, channels, height * width).clone()
        free = None if missing is None else missing.reshape(-1, channels, height * width)
        beside = width + 2  # a row of deviations with a column of zeros at both ends, below a row of zeros
        deviation = mean.new_zeros(len(mean), channels, (height + 1) * beside)
        for places in torch.split(self.order, self._fronts):
            spots = (places // width + 1) * beside + places % width + 1
            near = torch.stack([deviation[..., spots + down * beside + right] for down, right in _NEIGHBORS], 1)
            sides = weights[..., places]  # (N, J, C, places of the front)
            center = mean[..., places] + (sides[:, : len(_NEIGHBORS)] * near).sum(1)
            for channel in range(channels):
                same = sides[:, len(_NEIGHBORS) :, channel] * deviation[:, : channels - 1, spots]
                raw = center[:, channel] + same.sum(1) + noise[:, channel, places]
                value = round_to_grid(raw, self.step)
                if free is not None:
                    value = torch.where(free[:, channel, places], value, drawn[:, channel, places])
                drawn[:, channel, places] = value
                deviation[:, channel, spots] = value - mean[:, channel, places]
        return drawn.reshape(*given.shape[:-1], self.places)


def _shift(x: Tensor, down: int, right: int) -> Tensor:
    """Return the value at `down` rows and `right` columns from each place of `x (..., H, W)`; 0 beyond the edges."""
    height, width = x.shape[-2:]
    padded = F.pad(x, (max(-right, 0), max(right, 0), -down, 0))
    return padded[..., :height, max(right, 0) : max(right, 0) + width]
