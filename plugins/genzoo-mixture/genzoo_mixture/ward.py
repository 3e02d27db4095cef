"""Ward's hierarchical clustering, to start EM from.

References:
    "Hierarchical Grouping to Optimize an Objective Function" (Ward, 1963).
    "Multivariate Data Analysis" (Murtagh, 1985), for the chain of nearest neighbors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Numbers = npt.NDArray[np.float64]


def ward(points: Tensor, weight: Tensor, count: int) -> Tensor:
    """Merge points until `count` clusters remain, each time so that the sum of squares within clusters grows least.

    It takes O(n²) time and memory. A chain of nearest neighbors finds all merges, and the `n - count` cheapest are
    made: Ward's distance never falls along the hierarchy, so the merges are in its order.

    Arguments:
        points: the points, `(n, D)`.
        weight: their weights, `(n,)`, positive.
        count: number of clusters; with fewer points, each is a cluster.

    Returns:
        The cluster of each point, `(n,)`, from 0.
    """
    merges = sorted(_merges(points, weight), key=lambda merge: merge[0])
    parent = list(range(len(points)))
    for _, a, b in merges[: max(0, len(points) - count)]:
        parent[_root(parent, a)] = _root(parent, b)
    roots = torch.tensor([_root(parent, i) for i in range(len(points))], device=points.device)
    found: Tensor = torch.unique(roots, return_inverse=True)[1]
    return found


def _merges(points: Tensor, weight: Tensor) -> list[tuple[float, int, int]]:
    """Return all merges: the growth of the sum of squares, and a point of each of the two clusters."""
    size = weight.cpu().numpy().copy()  # small steps, one after another, which NumPy takes faster
    squares = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square().cpu().numpy()
    distance = squares * (size[:, None] * size / (size[:, None] + size))
    np.fill_diagonal(distance, np.inf)
    alive, chain, found = set(range(len(points))), list[int](), list[tuple[float, int, int]]()
    while len(alive) > 1:
        if not chain:
            chain.append(next(iter(alive)))
        near = distance[chain[-1]]
        best = int(near.argmin())
        if len(chain) > 1 and near[chain[-2]] <= near[best]:
            a, b = chain.pop(), chain.pop()
            found.append((float(near[b]), a, b))
            _join(distance, size, a, b)
            alive.remove(a)
        else:
            chain.append(best)
    return found


def _join(distance: Numbers, size: Numbers, a: int, b: int) -> None:
    """Merge cluster `a` into `b`, by the formula of Lance and Williams."""
    whole = size + (size[a] + size[b])
    row = ((size + size[a]) * distance[a] + (size + size[b]) * distance[b] - size * distance[a, b]) / whole
    row[a] = row[b] = np.inf
    row[np.isinf(distance[b])] = np.inf
    distance[b] = distance[:, b] = row
    distance[a] = distance[:, a] = np.inf
    size[b] += size[a]


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = i = parent[parent[i]]
    return i
