"""k-means, to start EM from."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

_MOST = 100
"""Largest number of iterations."""


def distances(x: Tensor, centers: Tensor) -> Tensor:
    """Return the squared distance of every point `(n, D)` from every center `(K, D)`, `(n, K)`."""
    return torch.cdist(x, centers, compute_mode="donot_use_mm_for_euclid_dist").square()


def draw(weight: Tensor, count: int) -> Tensor:
    """Draw `count` different indices in proportion to `weight (n,)`; fewer if fewer weights are positive."""
    return torch.multinomial(weight, min(count, int(weight.count_nonzero())))


def seeds(x: Tensor, weight: Tensor, count: int) -> Tensor:
    """Choose centers by k-means++: each with probability proportional to the squared distance to the nearest so far."""
    centers = x[draw(weight, 1)]
    nearest = distances(x, centers)[:, 0]
    for _ in range(count - 1):
        far = weight * nearest
        chosen = x[draw(far if far.sum() > 0 else weight, 1)]
        centers = torch.cat([centers, chosen])
        nearest = torch.minimum(nearest, distances(x, chosen)[:, 0])
    return centers


def lloyd(x: Tensor, weight: Tensor, centers: Tensor, most: int = _MOST) -> Tensor:
    """Run k-means (Lloyd's algorithm) from some centers until no label changes, at most `most` times."""
    labels = torch.full((len(x),), -1, device=x.device)
    for _ in range(most):
        new = distances(x, centers).argmin(1)
        if torch.equal(new, labels):
            break
        labels = new
        # A matrix product, as index_add_ adds in a random order on a GPU.
        share = one_hot(labels, len(centers)).to(x.dtype) * weight[:, None]
        counts, sums = share.sum(0), share.T @ x
        centers = torch.where(counts[:, None] > 0, sums / counts[:, None], centers)
    return centers
