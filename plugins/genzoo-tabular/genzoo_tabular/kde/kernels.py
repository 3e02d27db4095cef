"""Kernels of one column: how probable a value is near the value of a training row."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genzoo_tabular.copula.rectangles import log_interval

_LOG_NORMALIZER = math.log(2 * math.pi) / 2


def log_normal(x: Tensor, point: Tensor, width: Tensor) -> Tensor:
    """Return the log-density of numbers, a normal around the point of deviation `width`."""
    z = (x - point).div_(width)  # the matrix of all pairs is large: no copies of it
    return z.square_().div_(-2).sub_(width.log() + _LOG_NORMALIZER)


def log_count(x: Tensor, point: Tensor, width: Tensor) -> Tensor:
    """Return the log-probability of counts, a normal around the point that is cut below -0.5 and rounded."""
    below, above = ((x + half - point) / width for half in (-0.5, 0.5))
    kept: Tensor = torch.special.log_ndtr((point + 0.5) / width)
    return log_interval(below, above) - kept


def log_level(x: Tensor, point: Tensor, width: Tensor, levels: int) -> Tensor:
    """Return the log-probability of levels: `1 - width` at the level of the point, and the rest shared by the others.

    References:
        "Multivariate Binary Discrimination by the Kernel Method" (Aitchison and Aitken, 1976).
    """
    if levels == 1:
        return torch.zeros_like(x + point)
    return torch.where(x == point, (1 - width).log(), (width / (levels - 1)).log())
