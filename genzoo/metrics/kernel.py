"""Kernel distance and MMD: squared maximum mean discrepancies under two kernels.

References:
    "Demystifying MMD GANs" (Bińkowski et al., 2018), which names the first KID;
    "A Kernel Two-Sample Test" (Gretton et al., 2012).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.metrics.discrepancy import discrepancy
from genzoo.metrics.metric import Direction, Given, Metric, Score, feature_pair

_LEAST = 4
_FOR_MEDIAN = 1_000
"""Real events among which distances are taken for a bandwidth."""


class KernelDistance(Metric):
    """Unbiased, with the polynomial kernel `(x·y / F + 1)³`."""

    name = "kernel-distance"
    direction: Direction = "lower"

    def score(self, given: Given) -> Score:
        real, samples = feature_pair(given, _LEAST)
        value, error = discrepancy(_polynomial, real, samples)
        return Score(self.name, value, self.direction, error, {"kernel": "(x·y/F + 1)³, unbiased"})


class MaximumMeanDiscrepancy(Metric):
    """Unbiased, with a Gaussian kernel as wide as the median distance of real events."""

    name = "mmd"
    direction: Direction = "lower"

    def score(self, given: Given) -> Score:
        real, samples = feature_pair(given, _LEAST)
        bandwidth = median_distance(real)
        centre = real.mean(axis=0)
        value, error = discrepancy(_gaussian, (real - centre) / bandwidth, (samples - centre) / bandwidth)
        protocol = {"kernel": "Gaussian, unbiased", "bandwidth": bandwidth, "bandwidth_rule": "median distance"}
        return Score(self.name, value, self.direction, error, protocol)


def _polynomial(x: Tensor, y: Tensor) -> Tensor:
    inner = torch.addmm(torch.ones(len(y), dtype=y.dtype), x, y.T, alpha=1 / x.shape[1])
    return inner.square().mul_(inner)


def _gaussian(x: Tensor, y: Tensor) -> Tensor:
    """Of events in units of the bandwidth."""
    own, theirs = x.square().sum(dim=1, keepdim=True) / 2, y.square().sum(dim=1) / 2
    return torch.addmm(-theirs, x, y.T).sub_(own).clamp_(max=0).exp_()


def median_distance(real: Features) -> float:
    """The median distance of pairs of real events, or of evenly spaced ones of many.

    Raises:
        DataError: it is 0.
    """
    chosen = real[np.linspace(0, len(real) - 1, min(len(real), _FOR_MEDIAN)).astype(np.int64)]
    found = float(np.median(pdist(chosen)))
    if not found > 0:
        raise DataError("Most real events have the same features, so there is no distance to scale a kernel by.")
    return found


kernel_distance = KernelDistance()
mmd = MaximumMeanDiscrepancy()
