"""Clusters of points, to start EM from.

References:
    "Improved initialisation of model-based clustering using Gaussian hierarchical partitions" (Scrucca and Raftery,
    2015).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from genzoo_mixture.hierarchy import Hierarchies, normal, ward
from genzoo_mixture.kmeans import distances, draw, lloyd, seeds, take
from genzoo_mixture.points import Points, principal_axes

LAST_OF_WARD = 3
"""Number of the last start from Ward's hierarchy."""

_WARDS = (0, 2, 1, 2)
"""The views of the points whose clusters in Ward's hierarchy are starts, in this order."""

_LEAVES = 500
"""Largest number of points of a hierarchy."""

_LONGEST = 2e9
"""Roughly how many multiplications the hierarchy of normal distributions may take."""

_LLOYD = 10
"""Number of k-means iterations of a start."""

_WARD, _NORMAL = Hierarchies(ward), Hierarchies(normal)


def find_clusters(points: Points, k: int, count: int) -> Iterator[Tensor]:
    """Yield `k` clusters of the points in `count` ways: the cluster of each point, `(n,)`; -1 means none.

    They are found by Ward's hierarchy, by k-means, around seeds of k-means++ and around random points.
    """
    views, weight = points.views(), points.weight
    some = _leaves(weight)
    for view in _WARDS:
        yield _placed(_WARD.of(views[view, some], weight[some]).cut(k), some, weight)
    number = torch.arange(count - len(_WARDS))
    for way, place in enumerate((_centers_of_means, seeds, _centers_at_points)):
        if len(chosen := number[number // 3 % 3 == way] % 3):
            x = views[chosen]
            yield from distances(x, place(x, weight, k)).argmin(-1)


def find_normal_clusters(points: Points, k: int) -> Iterator[Tensor]:
    """Yield the clusters that mclust starts from, as `find_clusters` does; none if that takes too long.

    They are clusters in the hierarchy of normal distributions, of points whose principal components are divided by the
    root of their singular value.
    """
    weight = points.weight
    some = _leaves(weight)
    if len(some) ** 2 * points.sample.shape[1] ** 3 > _LONGEST:
        return
    own = weight[some] / weight[some].mean()
    turned, deviations = principal_axes(_standardized(points.sample[some], own), own)
    roots = (deviations * len(some) ** 0.5).sqrt()
    yield _placed(_NORMAL.of(turned / roots, own).cut(k), some, weight)


def _standardized(x: Tensor, weight: Tensor) -> Tensor:
    """Return points `(n, D)` with columns centered and, if they vary, scaled to a deviation of 1."""
    centered = x - (weight @ x) / weight.sum()
    deviation = ((weight @ centered.square()) / (weight.sum() - weight.mean())).sqrt()
    deviation = torch.where(deviation > 0, deviation, 1.0)
    return centered / deviation


def _leaves(weight: Tensor) -> Tensor:
    """Draw the points of a hierarchy; return their indices in order, as the last points may be the same."""
    return draw((weight > 0).double(), _LEAVES).sort().values


def _placed(labels: Tensor, some: Tensor, weight: Tensor) -> Tensor:
    """Return labels of all points, `(n,)`, given the labels of some; -1 for the others."""
    placed = torch.full((len(weight),), -1, device=weight.device)
    placed[some] = labels.to(weight.device)
    return placed


def _centers_of_means(x: Tensor, weight: Tensor, count: int) -> Tensor:
    return lloyd(x, weight, seeds(x, weight, count), _LLOYD)


def _centers_at_points(x: Tensor, weight: Tensor, count: int) -> Tensor:
    return take(x, draw(weight.expand(x.shape[:-1]), count))
