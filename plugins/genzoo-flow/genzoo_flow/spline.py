"""Monotonic rational-quadratic splines with linear tails.

Between knots `(a_k, b_k)` the map is a ratio of two quadratic polynomials, which increases and has the chosen slopes at
the knots. Outside of `[-B, B]` it is the identity. Its inverse solves a quadratic equation.

References:
    "Neural Spline Flows" (Durkan, Bekasov, Murray and Papamakarios, 2019).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

BOUND = 5.0
"""The map is the identity further from 0 than B."""

_LEAST = 0.1
"""Smallest width and height of a bin, as a share of the mean of all bins, and smallest slope at a knot.

Steeper or flatter pieces would lose digits of float32 in the inverse.
"""

_ONE = 0.5413248546129181
"""What softplus maps to 1."""


class Splines(NamedTuple):
    """Splines by their pieces.

    Arguments:
        sides: widths and heights of pieces, `(..., 2, K)`.
        ends: their upper ends, `(..., 2, K)`.
        raw_slopes: unconstrained slopes at the knots, 0 for a slope of 1, `(..., K + 1)`.
    """

    sides: Tensor
    ends: Tensor
    raw_slopes: Tensor


def spline_size(bins: int) -> int:
    """Return how many unconstrained numbers make a spline: widths, heights, and slopes at inner knots."""
    return 3 * bins - 1


def splines_of(raw: Tensor, bins: int) -> Splines:
    """Return the splines that unconstrained numbers `raw (..., 3 K - 1)` make; zeros make the identity."""
    sides = raw[..., : 2 * bins].reshape(*raw.shape[:-1], 2, bins)
    sides = (sides - sides.detach().amax(-1, keepdim=True)).exp()  # torch's softmax of so few numbers is slow
    sides = 2 * BOUND * _LEAST / bins + (2 * BOUND * (1 - _LEAST) / sides.sum(-1, keepdim=True)) * sides
    return Splines(sides, sides.cumsum(-1) - BOUND, F.pad(raw[..., 2 * bins :], (1, 1)))


def forward(x: Tensor, splines: Splines) -> tuple[Tensor, Tensor]:
    """Return the images of `x (...)`, and the logarithms of the slopes there."""
    inside = x.clamp(-BOUND, BOUND)
    a, b, width, height, low, high = _piece(inside, splines, 0)
    up, slope = _ratio(((inside - a) / width).clamp(0.0, 1.0), height, height / width, low, high)
    return b + up + (x - inside), slope.log()


def inverse(y: Tensor, splines: Splines) -> Tensor:
    """Return what `forward` maps to `y (...)`."""
    inside = y.clamp(-BOUND, BOUND)
    a, b, width, height, low, high = _piece(inside, splines, 1)
    mean, up = height / width, inside - b
    bend = up * (low + high - 2 * mean)
    one, two, three = height * (mean - low) + bend, height * low - bend, -mean * up
    root = (two * two - 4 * one * three).clamp_min(0.0).sqrt()
    t = (2 * three / (-two - root)).clamp(0.0, 1.0)
    found, slope = _ratio(t, height, mean, low, high)
    t = (t + (up - found) / (width * slope)).clamp(0.0, 1.0)  # a step of Newton's method: the formula cancels digits
    return a + t * width + (y - inside)


def _ratio(t: Tensor, height: Tensor, mean: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far a piece has risen at its share `t` of the width, and the slope there.

    Arguments:
        height, mean: of the whole piece; the mean slope is height by width.
        low, high: slopes at its ends.
    """
    rest = t * (1 - t)
    below = mean + (low + high - 2 * mean) * rest
    up = height * (mean * t * t + low * rest) / below
    slope = (mean / below).square() * (high * t * t + 2 * mean * rest + low * (1 - t) * (1 - t))
    return up, slope


def _piece(x: Tensor, splines: Splines, row: int) -> tuple[Tensor, ...]:
    """Return a and b of the lower end of the piece of `x (...)`, its width and height, and slopes at both ends.

    Arguments:
        row: 0 for an x, 1 for a y.
    """
    place = (x.detach().unsqueeze(-1) >= splines.ends[..., row, :-1].detach()).sum(-1, keepdim=True)
    both = place.unsqueeze(-1).expand(*x.shape, 2, 1)
    sides, ends = splines.sides.gather(-1, both).squeeze(-1), splines.ends.gather(-1, both).squeeze(-1)
    raw = splines.raw_slopes.gather(-1, torch.cat([place, place + 1], -1))
    slopes = _LEAST + (1 - _LEAST) * F.softplus(raw + _ONE)
    return *(ends - sides).unbind(-1), *sides.unbind(-1), *slopes.unbind(-1)
