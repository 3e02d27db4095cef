"""Hierarchies of clusters, to start EM from: Ward's, and the one of normal distributions.

References:
    "Hierarchical Grouping to Optimize an Objective Function" (Ward, 1963).
    "Multivariate Data Analysis" (Murtagh, 1985), for the chain of nearest neighbors.
    "Algorithms for Model-Based Gaussian Hierarchical Clustering" (Fraley, 1998).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Numbers = npt.NDArray[np.float64]

Merges = Sequence[tuple[int, int]]
"""Pairs of points whose clusters merge, one after another."""

_REMEMBERED = 16
"""Number of hierarchies that are kept."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Merges of points into ever fewer clusters.

    Arguments:
        size: number of points.
        merges: the merges, in their order.
    """

    size: int
    merges: Merges

    def cut(self, count: int) -> Tensor:
        """Return the cluster of each point, `(n,)`, from 0, if `count` are left; with fewer points, each is one."""
        parent = list(range(self.size))
        for a, b in self.merges[: max(0, self.size - count)]:
            parent[_root(parent, a)] = _root(parent, b)
        roots = torch.tensor([_root(parent, i) for i in range(self.size)])
        found: Tensor = torch.unique(roots, return_inverse=True)[1]
        return found


class Hierarchies:
    """The hierarchies of the last points, so that mixtures of the same events share them.

    A comparison fits the same events with many numbers of components and forms of covariances.

    Arguments:
        merge: returns all merges of points `(n, D)` with positive weights `(n,)`.
    """

    def __init__(self, merge: Callable[[Numbers, Numbers], Merges]) -> None:
        self._merge = merge
        self._kept: OrderedDict[bytes, Hierarchy] = OrderedDict()

    def of(self, points: Tensor, weight: Tensor) -> Hierarchy:
        """Return the hierarchy of points `(n, D)` with positive weights `(n,)`."""
        x, w = points.cpu().numpy(), weight.cpu().numpy()
        key = hashlib.sha256(np.column_stack([w, x]).tobytes() + str(x.shape).encode()).digest()
        found = self._kept.pop(key, None)
        self._kept[key] = Hierarchy(len(x), self._merge(x, w)) if found is None else found
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return self._kept[key]


def ward(points: Numbers, weight: Numbers) -> Merges:
    """Merge clusters, each time so that the sum of squares within clusters grows least.

    It takes O(n²) time and memory. A chain of nearest neighbors finds all merges. Ward's distance never falls along
    the hierarchy, so their order is its order.

    Arguments:
        points: the points, `(n, D)`.
        weight: their weights, `(n,)`, positive.

    Returns:
        A point of each of the two clusters, for all merges.
    """
    size = weight.copy()
    distance = _squares(points) * (size[:, None] * size / (size[:, None] + size))
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
    return [(a, b) for _, a, b in sorted(found, key=lambda merge: merge[0])]


def _squares(points: Numbers) -> Numbers:
    """Return the squared distances of all points, `(n, n)`."""
    x = torch.as_tensor(points)
    return np.asarray(torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square())


def _join(distance: Numbers, size: Numbers, a: int, b: int) -> None:
    """Merge cluster `a` into `b`, by the formula of Lance and Williams."""
    whole = size + (size[a] + size[b])
    row = ((size + size[a]) * distance[a] + (size + size[b]) * distance[b] - size * distance[a, b]) / whole
    row[a] = row[b] = np.inf
    row[np.isinf(distance[b])] = np.inf
    distance[b] = distance[:, b] = row
    distance[a] = distance[:, a] = np.inf
    size[b] += size[a]


def normal(points: Numbers, weight: Numbers) -> Merges:
    """Merge clusters, each time so that the likelihood of normal distributions with own covariances falls least.

    A cluster of weight w and scatter W counts w log(|W / w| + (tr W + a) / w), where a is the variance of all points.
    The second term is for clusters that are flat, as all are at first. Equal points merge before all others.

    Arguments, and returns: as `ward`. It takes O(n² D³) time and O(n² + n D²) memory.
    """
    clusters = _Clusters(points, weight)
    found = list(_copies(points))
    for b, a in found:
        clusters.merge(a, b)
    cost = clusters.all_pairs()
    for b, _ in found:
        cost[b] = cost[:, b] = np.inf
    for _ in range(len(points) - 1 - len(found)):
        a, b = divmod(int(cost.argmin()), len(cost))
        found.append((b, a))
        clusters.merge(a, b)
        cost[b] = cost[:, b] = np.inf
        cost[a] = cost[:, a] = clusters.costs(a, np.isfinite(cost[a]))
    return found


def _copies(points: Numbers) -> Iterator[tuple[int, int]]:
    """Yield each point that equals an earlier one, and the first of these."""
    first: dict[bytes, int] = {}
    for number, point in enumerate(points + 0.0):  # no negative zeros
        before = first.setdefault(point.tobytes(), number)
        if before != number:
            yield number, before


class _Clusters:
    """The clusters of `normal`, each at the place of one of its points."""

    def __init__(self, points: Numbers, weight: Numbers) -> None:
        n, columns = points.shape
        self.weight = weight / weight.mean()
        self.mean = points.copy()
        self.scatter = np.zeros((n, columns, columns))
        self.count = np.ones(n)
        around = points - np.average(points, axis=0, weights=weight)
        self.added = max(float(self.weight @ (around**2).sum(1)) / (n * columns), np.finfo(float).eps)
        self.term = self._terms(self.weight, np.zeros(n), np.zeros(n))

    def _terms(self, weight: Numbers, trace: Numbers, determinant: Numbers) -> Numbers:
        return np.asarray(weight * np.log((trace + self.added) / weight + determinant))

    def all_pairs(self) -> Numbers:
        """Return the cost of merging any two clusters of equal points, `(n, n)`; infinite on the diagonal."""
        weight = self.weight[:, None] + self.weight
        trace = self.weight[:, None] * self.weight / weight * _squares(self.mean)
        determinant = trace / weight if self.mean.shape[1] == 1 else np.zeros_like(trace)
        cost = self._terms(weight, trace, determinant) - self.term[:, None] - self.term
        np.fill_diagonal(cost, np.inf)
        return cost

    def merge(self, a: int, b: int) -> None:
        """Merge cluster `b` into `a`."""
        weight, mean, scatter = self._joined(a, np.array([b]))
        self.weight[a], self.mean[a], self.scatter[a] = weight[0], mean[0], scatter[0]
        self.count[a] += self.count[b]
        self.term[a] = self._score(weight, scatter, self.count[a : a + 1])[0]

    def costs(self, a: int, others: npt.NDArray[np.bool_]) -> Numbers:
        """Return the cost of merging cluster `a` with each of the others, `(n,)`; infinite for the rest."""
        cost = np.full(len(self.mean), np.inf)
        chosen = others.nonzero()[0]
        weight, _, scatter = self._joined(a, chosen)
        count = self.count[a] + self.count[chosen]
        cost[chosen] = self._score(weight, scatter, count) - self.term[a] - self.term[chosen]
        return cost

    def _joined(self, a: int, others: npt.NDArray[np.intp]) -> tuple[Numbers, Numbers, Numbers]:
        """Return the weight, the mean and the scatter of cluster `a` with each of the others."""
        weight = self.weight[a] + self.weight[others]
        gap = self.mean[others] - self.mean[a]
        mean = self.mean[a] + (self.weight[others] / weight)[:, None] * gap
        between = (self.weight[a] * self.weight[others] / weight)[:, None, None] * gap[:, :, None] * gap[:, None, :]
        return weight, mean, self.scatter[a] + self.scatter[others] + between

    def _score(self, weight: Numbers, scatter: Numbers, count: Numbers) -> Numbers:
        determinant = np.zeros(len(weight))
        spread = count > scatter.shape[-1]  # fewer points lie in a plane
        determinant[spread] = np.linalg.det(scatter[spread] / weight[spread, None, None]).clip(0)
        return self._terms(weight, np.trace(scatter, axis1=1, axis2=2), determinant)


def _root(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = i = parent[parent[i]]
    return i
