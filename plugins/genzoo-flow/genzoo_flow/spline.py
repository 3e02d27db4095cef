"""Monotonic rational-quadratic splines with linear tails.

Between knots `(a_k, b_k)` the map is a ratio of two quadratic polynomials, which increases and has the chosen slopes at
the knots. Outside of `[-B, B]` it is the identity. Its inverse solves a quadratic equation.

References:
    "Neural Spline Flows" (Durkan, Bekasov, Murray and Papamakarios, 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BOUND = 5.0
"""The map is the identity further from 0 than B."""

_LEAST = 0.02
"""Smallest width and height of a bin, as a share of what even bins would have, and smallest slope at a knot.

Steeper or flatter pieces would lose digits of float32 in the inverse.
"""

_ONE = 0.5413248546129181
"""What softplus maps to 1."""


def spline_size(bins: int) -> int:
    """Return how many unconstrained numbers make a spline: widths, heights, and slopes at inner knots."""
    return 3 * bins - 1


def knots_of(raw: Tensor, bins: int) -> Tensor:
    """Return the a, b and slopes of the knots that unconstrained numbers `raw (..., 3 K - 1)` make, `(..., 3, K + 1)`.

    Zeros make the identity.
    """
    sides = raw[..., : 2 * bins].unflatten(-1, (2, bins))
    sides = (sides - sides.detach().amax(-1, keepdim=True)).exp()  # torch's softmax of so few numbers is slow
    sides = (2 * BOUND) * (_LEAST / bins + ((1 - _LEAST) / sides.sum(-1, keepdim=True)) * sides)
    inner = sides[..., :-1].cumsum(-1) - BOUND
    knots = F.pad(F.pad(inner, (1, 0), value=-BOUND), (0, 1), value=BOUND)  # (..., 2, K + 1)
    slopes = F.pad(_LEAST + (1 - _LEAST) * F.softplus(raw[..., 2 * bins :] + _ONE), (1, 1), value=1.0)
    return torch.cat([knots, slopes.unsqueeze(-2)], -2)


def forward(x: Tensor, knots: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images of `x (...)`, and the logarithms of the slopes there."""
    inside = x.clamp(-BOUND, BOUND)
    (a, b, low), (width, height, high) = _piece(inside, knots, 0)
    mean = height / width
    t = ((inside - a) / width).clamp(0.0, 1.0)
    rest = t * (1 - t)
    below = mean + (low + high - 2 * mean) * rest
    y = b + height * (mean * t * t + low * rest) / below
    slope = mean * mean * (high * t * t + 2 * mean * rest + low * (1 - t) * (1 - t)) / (below * below)
    return y + (x - inside), torch.where(x == inside, slope.log(), torch.zeros_like(slope))


def inverse(y: Tensor, knots: Tensor) -> Tensor:
    """Return what `forward` maps to `y (...)`."""
    inside = y.clamp(-BOUND, BOUND)
    (a, b, low), (width, height, high) = _piece(inside, knots, 1)
    mean, up = height / width, inside - b
    bend = up * (low + high - 2 * mean)
    one, two, three = height * (mean - low) + bend, height * low - bend, -mean * up
    root = (two * two - 4 * one * three).clamp_min(0.0).sqrt()
    t = (2 * three / (-two - root)).clamp(0.0, 1.0)
    return a + t * width + (y - inside)


def _piece(x: Tensor, knots: Tensor, row: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return a, b and slope at the lower end of the piece that `x (...)` lies on; its width and height, and upper slope.

    Arguments:
        row: 0 for an x, 1 for a y.
    """
    inner = knots[..., row, 1:-1]
    place = (x.detach().unsqueeze(-1) >= inner.detach()).sum(-1)[..., None, None].expand(*x.shape, 3, 1)
    lower = knots.gather(-1, place).squeeze(-1)
    upper = knots.gather(-1, place + 1).squeeze(-1)
    (a, b, low), (right, top, high) = lower.unbind(-1), upper.unbind(-1)
    return (a, b, low), (right - a, top - b, high)
