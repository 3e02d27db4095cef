"""k-means, to start EM from. Many sets of points are clustered at once: any dimensions may lead."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

_MOST = 100
"""Largest number of iterations."""


def distances(x: Tensor, centers: Tensor) -> Tensor:
    """Return the squared distance of every point `(..., n, D)` from every center `(..., K, D)`, `(..., n, K)`."""
    return torch.cdist(x, centers, compute_mode="donot_use_mm_for_euclid_dist").square()


def draw(weight: Tensor, count: int) -> Tensor:
    """Draw `count` different indices in proportion to `weight (..., n)`; fewer if fewer weights are positive."""
    return torch.multinomial(weight, min(count, int(weight.count_nonzero(-1).amin())))


def take(x: Tensor, chosen: Tensor) -> Tensor:
    """Return the points `x (..., n, D)` at indices `chosen (..., K)`, `(..., K, D)`."""
    return x.gather(-2, chosen[..., None].expand(*chosen.shape, x.shape[-1]))


def seeds(x: Tensor, weight: Tensor, count: int) -> Tensor:
    """Choose centers by k-means++: each with probability proportional to the squared distance to the nearest so far."""
    weight = weight.expand(x.shape[:-1])
    centers = take(x, draw(weight, 1))
    nearest = distances(x, centers)[..., 0]
    for _ in range(count - 1):
        far = weight * nearest
        far = torch.where(far.sum(-1, keepdim=True) > 0, far, weight)
        chosen = take(x, torch.multinomial(far, 1))
        centers = torch.cat([centers, chosen], -2)
        nearest = torch.minimum(nearest, distances(x, chosen)[..., 0])
    return centers


def lloyd(x: Tensor, weight: Tensor, centers: Tensor, most: int = _MOST) -> Tensor:
    """Run k-means (Lloyd's algorithm) from some centers until no label changes, at most `most` times."""
    labels = torch.full(x.shape[:-1], -1, device=x.device)
    for _ in range(most):
        new = distances(x, centers).argmin(-1)
        if torch.equal(new, labels):
            break
        labels = new
        # A matrix product, as index_add_ adds in a random order on a GPU.
        share = one_hot(labels, centers.shape[-2]).to(x.dtype) * weight[..., None]
        counts, sums = share.sum(-2)[..., None], share.mT @ x
        centers = torch.where(counts > 0, sums / counts, centers)
    return centers
