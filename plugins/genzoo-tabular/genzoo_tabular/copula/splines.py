"""Increasing cubic splines, as maps of columns to standard normals, with straight lines beyond the last knots."""

from __future__ import annotations

import torch
from torch import Tensor

_BISECTIONS, _NEWTON = 20, 3
"""Bisections of an interval, and steps of Newton's method after them, which leave rounding errors alone."""


def increasing_slopes(x: Tensor, y: Tensor) -> Tensor:
    """Return slopes at knots with which a cubic spline through increasing `x` and `y`, `(..., K)`, increases.

    References:
        "A Method for Constructing Local Monotone Piecewise Cubic Interpolants" (Fritsch and Butland, 1984).
    """
    step = x.diff(dim=-1)
    secant = y.diff(dim=-1) / step
    before, after = step[..., :-1], step[..., 1:]
    share = (before + 2 * after) / (3 * (before + after))
    inner = 1 / (share / secant[..., :-1] + (1 - share) / secant[..., 1:])
    return torch.cat([secant[..., :1], inner, secant[..., -1:]], -1)


def evaluate(x: Tensor, knots: Tensor, values: Tensor, slopes: Tensor, straight: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and slopes of splines at `x (N, C)`, both `(N, C)`.

    Arguments:
        knots, values, slopes: one spline for each column, `(C, K)`; the first two increase.
        straight: mask of knots at which a straight piece begins, `(C, K)`.
    """
    place, left, step = interval(x, knots)
    t = ((x - left) / step).clamp(0, 1)
    y0, y1, d0, d1 = (at(part, place + more) for part in (values, slopes) for more in (0, 1))
    rise = y1 - y0
    # A cubic in t with these ends and slopes: y0 + t d0 h + t² (3 rise − (2 d0 + d1) h) + t³ ((d0 + d1) h − 2 rise).
    square, cube = 3 * rise - (2 * d0 + d1) * step, (d0 + d1) * step - 2 * rise
    inside = y0 + t * (d0 * step + t * (square + t * cube))
    slope = d0 + t * (2 * square + 3 * t * cube) / step
    on_line = at(straight, place)
    inside, slope = torch.where(on_line, y0 + t * rise, inside), torch.where(on_line, rise / step, slope)
    beyond = torch.minimum(x - knots[:, 0], torch.zeros_like(x)) * slopes[:, 0]
    beyond = beyond + torch.maximum(x - knots[:, -1], torch.zeros_like(x)) * slopes[:, -1]
    return inside + beyond, slope


def invert(y: Tensor, knots: Tensor, values: Tensor, slopes: Tensor, straight: Tensor) -> Tensor:
    """Return where the splines have the values `y (N, C)`, `(N, C)`; other arguments as for `evaluate`."""
    place, _, _ = interval(y, values)
    low, high = at(knots, place), at(knots, place + 1)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        below = evaluate(middle, knots, values, slopes, straight)[0] < y
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    x = (low + high) / 2
    for _ in range(_NEWTON):
        found, slope = evaluate(x, knots, values, slopes, straight)
        x = torch.minimum(torch.maximum(x - (found - y) / slope, low), high)
    x = torch.where(y < values[:, 0], knots[:, 0] + (y - values[:, 0]) / slopes[:, 0], x)
    return torch.where(y > values[:, -1], knots[:, -1] + (y - values[:, -1]) / slopes[:, -1], x)


def interval(x: Tensor, knots: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the number, left end and width of the interval of `x (N, C)` among `knots (C, K)`."""
    place = torch.searchsorted(knots, x.mT.contiguous(), right=True).mT.clamp(1, knots.shape[1] - 1) - 1
    left = at(knots, place)
    return place, left, at(knots, place + 1) - left


def at(table: Tensor, place: Tensor) -> Tensor:
    """Return the entries `place (N, C)` of `table (C, K)`."""
    return table.mT.gather(0, place)
