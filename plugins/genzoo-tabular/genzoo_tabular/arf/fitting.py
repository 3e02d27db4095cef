"""Fit an adversarial random forest."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier

from genzoo_tabular.arf.leaves import fill_leaves
from genzoo_tabular.arf.model import DEEPEST, EDGE, LeafMixture
from genzoo_tabular.arf.options import GrowingOptions
from genzoo_tabular.arf.trees import FlatTrees, flat_trees
from genzoo_tabular.rows import TrainingRows

Array = np.ndarray[Any, np.dtype[Any]]

_LEAF_ROWS, _MOST_LEAVES = 5, 2000
"""Usual number of rows in a leaf, and the number of leaves of a tree from which on it grows."""


def fit(forest: LeafMixture, rows: TrainingRows, options: GrowingOptions) -> dict[str, Any]:
    """Fit a forest to rows, in place, and return facts for the record of the run.

    Forests learn to classify real and synthetic rows, which are drawn from the model of the forest before; at
    first, from independent columns. They end if the next forest cannot distinguish them.
    """
    rng = np.random.default_rng(int(torch.randint(2**31, (1,))))
    order_levels(forest, rows)
    ranked = forest.ranked(rows.x)
    share = (rows.weights / rows.weights.sum()).numpy()
    missing = rows.missing.numpy()
    x = _filled(ranked.numpy(), missing, share, rng)
    synthetic, accuracies = _independent(x, share, rng), []
    found: FlatTrees | None = None
    least = options.leaf_rows or max(_LEAF_ROWS, len(x) // _MOST_LEAVES)
    for _ in range(options.rounds):
        grown, accuracy = _grown(x, synthetic, share, forest.trees, least, rng)
        accuracies.append(accuracy)
        if found is not None and accuracy <= 0.5:
            break
        found = flat_trees(grown, x, least, _whole(forest), EDGE)
        fill_leaves(forest, found, torch.as_tensor(x), rows.missing, rows.weights, options.prior_rows)
        x = _completed(forest, x, rows)
        if accuracy <= 0.5:
            break
        synthetic = _on_values(forest.ranked(forest.sample(len(x))).numpy(), x)
    assert found is not None
    if missing.any():  # leaves of rows as they are drawn given the last forest
        fill_leaves(forest, found, torch.as_tensor(x), rows.missing, rows.weights, options.prior_rows)
    return {"forests": len(accuracies), "accuracy": accuracies[-1], "leaves": len(forest.log_weights)}


def _whole(forest: LeafMixture) -> Array:
    """Return which columns hold counts or ranks, `(C,)`."""
    return np.array([feature.kind != "continuous" for feature in forest.features])


def order_levels(forest: LeafMixture, rows: TrainingRows) -> None:
    """Order the levels of each column along the first principal component of all columns.

    Trees divide levels in this order.
    """
    if not forest.named:
        return
    parts = []
    for column, feature in enumerate(forest.features):
        seen = ~rows.missing[:, column]
        values = rows.x[:, column]
        levels = len(feature.levels or ())
        part = torch.nn.functional.one_hot(values.long(), levels).double() if levels else values[:, None]
        part = (part - part[seen].mean(0)) / part[seen].std(0).clamp_min(1e-6) / max(levels, 1) ** 0.5
        parts.append(part.masked_fill(~seen[:, None], 0.0))
    coded = torch.cat(parts, 1)
    _, vectors = torch.linalg.eigh(coded.mT @ (rows.weights[:, None] * coded))
    score = coded @ (vectors[:, -1] * vectors[:, -1].sum().sign())
    for place, column in enumerate(forest.named):
        seen = ~rows.missing[:, column]
        code, weight = rows.x[seen, column].long(), rows.weights[seen]
        size = len(forest.features[column].levels or ())
        total, mass = (
            torch.zeros(size, dtype=torch.float64).index_add_(0, code, part) for part in (weight * score[seen], weight)
        )
        forest.ranks[forest.slices[place]] = (total / mass.clamp_min(1e-12)).argsort().argsort()


def _filled(x: Array, missing: Array, share: Array, rng: np.random.Generator) -> Array:
    """Return rows with missing values drawn from the observed ones of their column."""
    x = x.copy()
    for column in np.flatnonzero(missing.any(0)):
        gone = missing[:, column]
        known = np.flatnonzero(~gone)
        p = share[known] / share[known].sum()
        x[gone, column] = x[rng.choice(known, gone.sum(), p=p), column]
    return x


def _completed(forest: LeafMixture, x: Array, rows: TrainingRows) -> Array:
    """Return rows with missing values drawn given the observed ones."""
    if not rows.missing.any():
        return x
    return forest.ranked(forest.impute(rows.x, rows.missing, draw=True)).numpy()


def _independent(x: Array, share: Array, rng: np.random.Generator) -> Array:
    """Return as many rows with independent columns."""
    return np.stack([column[rng.choice(len(x), len(x), p=share)] for column in x.T], 1)


def _on_values(drawn: Array, x: Array) -> Array:
    """Return drawn rows with each number moved to the nearest one in the column, so that rounding is no sign."""
    values = [np.unique(column) for column in x.T]
    pairs = zip(values, drawn.T, strict=True)
    return np.stack([known[np.searchsorted((known[1:] + known[:-1]) / 2, column)] for known, column in pairs], 1)


def _grown(
    x: Array, synthetic: Array, share: Array, trees: int, least: int, rng: np.random.Generator
) -> tuple[RandomForestClassifier, float]:
    """Return a forest that classifies real and synthetic rows, and its accuracy on rows that a tree has not seen."""
    forest = RandomForestClassifier(
        trees,
        min_samples_leaf=least,
        max_depth=DEEPEST,
        oob_score=trees > 1,
        random_state=int(rng.integers(2**31)),
    )
    weights = np.tile(share * len(x), 2)
    label = np.repeat([1, 0], [len(x), len(synthetic)])
    with warnings.catch_warnings():  # a few rows are in the sample of every tree
        warnings.simplefilter("ignore", UserWarning)
        forest.fit(np.concatenate([x, synthetic]), label, weights)
    if trees == 1:
        return forest, 1.0
    votes = forest.oob_decision_function_[:, 1]
    right = np.where(np.isnan(votes), 0.5, (votes > 0.5) == label)
    return forest, float(np.average(right, weights=weights))
