"""Degrees of freedom: their likeliest values, and the constants of densities that depend on them."""

from __future__ import annotations

import torch
from torch import Tensor

FEWEST, MOST = 0.5, 1e4
"""Bounds of estimated degrees of freedom. At the upper one, a t distribution is a normal for all purposes."""

_STEPS = 8
"""Steps of Newton's method; it converges quadratically from a start that is off by a few percent."""


def likeliest(gap: Tensor) -> Tensor:
    """Return the degrees of freedom nu that solve log(nu / 2) - digamma(nu / 2) = gap, within their bounds.

    This is the likelihood equation of the shape of a gamma distribution, and the left side falls from infinity to 0.

    Arguments:
        gap: log of the mean precision of events, minus the mean of their log; positive, any shape, float64.

    References:
        "Estimating a Gamma distribution" (Minka, 2002), for the start and the steps.
    """
    gap = gap.clamp_min(torch.finfo(gap.dtype).eps)
    half = (3 - gap + ((gap - 3).square() + 24 * gap).sqrt()) / (12 * gap)
    for _ in range(_STEPS):
        error = half.log() - torch.digamma(half) - gap
        slope = 1 - half * torch.polygamma(1, half)  # half times the derivative of the left side; negative
        half = half / (1 + error / slope).clamp(0.5, 2.0)
    return (2 * half).clamp(FEWEST, MOST)


def propose(df: Tensor, slope: Tensor, columns: int) -> Tensor:
    """Return degrees of freedom after a step of Fisher scoring in 1 / nu, within their bounds.

    The step is far longer than one of EM, and nearly exact if the other parameters have converged.

    Arguments:
        df: the degrees of freedom nu, `(m,)` float64.
        slope: mean derivative of the log-likelihood of an event by nu, `(m,)`.
        columns: number of columns d.

    References:
        "Robust Statistical Modeling Using the t Distribution" (Lange, Little and Taylor, 1989), for the information.
    """
    d = columns
    digamma = torch.polygamma(1, (df + d) / 2) - torch.polygamma(1, df / 2)
    information = -digamma / 4 - 1 / (2 * df) + 1 / (df + d) - (df + 2) / (2 * df * (df + d + 2))
    inverse = 1 / df - slope / (df.square() * information.clamp_min(torch.finfo(df.dtype).tiny))
    return 1 / inverse.clamp(1 / MOST, 1 / FEWEST)


def log_constants(df: Tensor, most: int) -> Tensor:
    """Return log Gamma((nu + d) / 2) - log Gamma(nu / 2) - d / 2 log(nu / 2) for d = 0 .. `most`, `(K, most + 1)`.

    Arguments:
        df: degrees of freedom nu, `(K,)` float64.
    """
    half = df[:, None] / 2
    d = torch.arange(most + 1, dtype=df.dtype, device=df.device)
    return torch.lgamma(half + d / 2) - torch.lgamma(half) - d / 2 * half.log()


def log_means(df: Tensor, most: int) -> Tensor:
    """Return digamma((nu + d) / 2) for d = 0 .. `most`, `(K, most + 1)`; see `log_constants`."""
    d = torch.arange(most + 1, dtype=df.dtype, device=df.device)
    return torch.digamma((df[:, None] + d) / 2)
