"""Probabilities of rectangles under a multivariate normal distribution, and draws from it inside of them.

References:
    "Simulation of Multivariate Normal Rectangle Probabilities and their Derivatives" (Hajivassiliou, McFadden and Ruud,
    1996), the method of Geweke, Hajivassiliou and Keane.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

FAR = 40.0
"""Normal score beyond which there is no probability left."""

_DEEP = 36.0
"""Normal score below which probabilities come close to the smallest numbers, and quantiles are computed otherwise."""

_NODES = 128
"""Points of the quadrature over the first of two dimensions."""


def log_interval(low: Tensor, high: Tensor) -> Tensor:
    """Return the log-probability that a standard normal lies between `low` and `high`."""
    flip = low > 0  # in the lower tail no digits are lost
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    log_low, log_high = torch.special.log_ndtr(low), torch.special.log_ndtr(high)
    inside: Tensor = log_high + torch.log1p(-(log_low - log_high).exp().clamp(max=1.0))
    return inside


def probability_below(z: Tensor) -> Tensor:
    """Return the probability that a standard normal is below `z`, with all its digits in the lower tail."""
    below: Tensor = torch.special.erfc(-z * math.sqrt(0.5)) / 2
    return below


def draw_interval(low: Tensor, high: Tensor, u: Tensor) -> Tensor:
    """Return the quantile `u` of a standard normal that is cut to lie between `low` and `high`."""
    flip = low > 0
    low, high, u = torch.where(flip, -high, low), torch.where(flip, -low, high), torch.where(flip, 1 - u, u)
    below, above = probability_below(low), probability_below(high)
    z = torch.special.ndtri((below + u * (above - below)).clamp(1e-300, 1 - 1e-16))
    deep = high < -_DEEP
    if deep.any():
        z = torch.where(deep, _draw_deep(low, high, u), z)
    z = torch.minimum(torch.maximum(z, low), high)
    return torch.where(flip, -z, z)


def _draw_deep(low: Tensor, high: Tensor, u: Tensor) -> Tensor:
    """Return quantiles far in the lower tail, of the density `-z exp(-z² / 2)`, which is nearly the normal one there.

    References:
        "Generating a Variable from the Tail of the Normal Distribution" (Marsaglia, 1964).
    """
    share = ((high - low) * (high + low) / 2).exp()
    return -(high**2 - 2 * (share + u * (1 - share)).log()).clamp_min(0.0).sqrt()


def log_rectangle(low: Tensor, high: Tensor, covariance: Tensor, draws: int = 1) -> Tensor:
    """Return the log-probability of rectangles `low` to `high`, `(N, D)`, under normals with mean 0, `(N,)`.

    It is exact in one dimension, and up to rounding of a quadrature in two. In more it is a lower bound in expectation,
    from random draws.

    Arguments:
        covariance: `(D, D)`.
        draws: number of draws.
    """
    size = low.shape[1]
    if size == 0:
        return low.new_zeros(len(low))
    factor = torch.linalg.cholesky(covariance)
    if size > 2:
        u = torch.rand(draws, len(low), size - 1, dtype=low.dtype, device=low.device)
        return _sequential(low, high, factor, u).logsumexp(0) - math.log(draws)
    points, shares = np.polynomial.legendre.leggauss(_NODES if size == 2 else 1)
    u = torch.as_tensor((points + 1) / 2, dtype=low.dtype, device=low.device)
    logs = torch.as_tensor(np.log(shares / 2), dtype=low.dtype, device=low.device)
    each = _sequential(low, high, factor, u[:, None, None].expand(-1, len(low), size - 1))
    return (each + logs[:, None]).logsumexp(0)


def _sequential(low: Tensor, high: Tensor, factor: Tensor, u: Tensor) -> Tensor:
    """Return log-weights of draws `u (S, N, D - 1)`: one dimension after the other, given those before, `(S, N)`."""
    total = low.new_zeros(u.shape[:2])
    before: list[Tensor] = []
    for place in range(low.shape[1]):
        shift = sum(factor[place, k] * z for k, z in enumerate(before))  # 0 at first, the same for all draws
        below, above = ((end[:, place] - shift) / factor[place, place] for end in (low, high))
        total = total + log_interval(below, above)
        if place < low.shape[1] - 1:
            before.append(draw_interval(below, above, u[..., place]))
    return total


def redraw(z: Tensor, low: Tensor, high: Tensor, hidden: Tensor, precision: Tensor) -> Tensor:
    """Return scores `z (N, C)` after one sweep of Gibbs sampling over the `hidden` ones, inside their intervals."""
    z = z.clone()
    for column in hidden.any(0).nonzero().flatten().tolist():
        rows = hidden[:, column].nonzero().flatten()
        deviation = precision[column, column].rsqrt()
        others = precision[column].clone()
        others[column] = 0.0
        mean = -(z[rows] @ others) * deviation**2
        below, above = ((end[rows, column] - mean) / deviation for end in (low, high))
        z[rows, column] = mean + deviation * draw_interval(below, above, torch.rand_like(mean))
    return z
