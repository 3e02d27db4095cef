"""Trees of scikit-learn, cut back so that every leaf has enough real rows, as flat tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class FlatTrees:
    """Trees one after the other.

    Arguments:
        roots: number of the first node of each, `(B,)`.
        nodes: column, and the nodes below and above the threshold; -1 and the number of the leaf for a leaf, `(M, 3)`.
        thresholds: `(M,)`.
        low, high: ends of the interval of each leaf along each column, `(L, C)`.
        tree: number of the tree of each leaf, `(L,)`.
    """

    roots: Tensor
    nodes: Tensor
    thresholds: Tensor
    low: Tensor
    high: Tensor
    tree: Tensor


def flat_trees(forest: RandomForestClassifier, real: Array, least: int, whole: Array, edge: float) -> FlatTrees:
    """Return the trees of a forest, without divisions that leave fewer than `least` real rows on one side.

    Arguments:
        real: real rows, `(N, C)`.
        whole: which columns hold whole numbers; their thresholds are put half-way between two, `(C,)` bool.
        edge: where intervals without an end are taken to end.
    """
    parts = [_Part.of(each.tree_, real, least, whole, edge) for each in forest.estimators_]
    nodes, leaves = (np.cumsum([0, *(len(getattr(part, name)) for part in parts)]) for name in ("nodes", "low"))
    shifted = [part.shifted(nodes[i], leaves[i]) for i, part in enumerate(parts)]
    return FlatTrees(
        torch.as_tensor(nodes[:-1]),
        torch.as_tensor(np.concatenate(shifted)),
        torch.as_tensor(np.concatenate([part.thresholds for part in parts])),
        torch.as_tensor(np.concatenate([part.low for part in parts])),
        torch.as_tensor(np.concatenate([part.high for part in parts])),
        torch.arange(len(parts)).repeat_interleave(torch.as_tensor(np.diff(leaves))),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """One tree; fields as in `FlatTrees`, with numbers of its own."""

    nodes: Array
    thresholds: Array
    low: Array
    high: Array

    @staticmethod
    def of(tree: Any, real: Array, least: int, whole: Array, edge: float) -> _Part:
        count = np.asarray(tree.decision_path(real.astype(np.float32)).sum(0)).ravel()
        left, right, column = tree.children_left, tree.children_right, tree.feature
        nodes: list[tuple[int, int, int]] = []
        thresholds: list[float] = []
        low: list[Array] = []
        high: list[Array] = []
        # Nodes wait with the ends of their interval; those added later have larger numbers than their parents.
        waiting = [(0, np.full(real.shape[1], -edge), np.full(real.shape[1], edge))]
        for node, below, above in waiting:
            # Few real rows on one side, mostly none, are no leaf: the other side stands for both.
            while left[node] >= 0 and min(count[left[node]], count[right[node]]) < least:
                node = left[node] if count[left[node]] >= count[right[node]] else right[node]
            if left[node] < 0:
                nodes.append((-1, len(low), 0))
                thresholds.append(0.0)
                low.append(below)
                high.append(above)
                continue
            place = column[node]
            value = np.floor(tree.threshold[node]) + 0.5 if whole[place] else float(np.float32(tree.threshold[node]))
            nodes.append((place, len(waiting), len(waiting) + 1))
            thresholds.append(value)
            waiting.append((left[node], below, np.where(np.arange(len(above)) == place, value, above)))
            waiting.append((right[node], np.where(np.arange(len(below)) == place, value, below), above))
        return _Part(np.array(nodes), np.array(thresholds), np.array(low), np.array(high))

    def shifted(self, nodes: int, leaves: int) -> Array:
        """Return the nodes with other first numbers of nodes and of leaves."""
        leaf = self.nodes[:, :1] < 0
        inner = self.nodes + np.array([0, nodes, nodes])
        return np.asarray(np.where(leaf, self.nodes + np.array([0, leaves, 0]), inner))
