"""Fit the smoothed quantiles of a column: a spline from its values to standard normal scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genzoo_tabular.copula.cells import cells
from genzoo_tabular.copula.splines import evaluate, increasing_slopes

Array = np.ndarray[Any, np.dtype[Any]]

KNOTS = 65
"""Knots of each spline."""

_WIDTHS = (0.1, 0.2, 0.3, 0.5, 0.8)
"""Widths of the kernel that smooths quantiles, in standard normal scores."""

_USUAL, _FOLDS, _MOST = 0.3, 5, 4_000
"""Width for few rows; folds that choose a width, and the largest number of rows that they use."""

_FEW = 10

_HEAP, _STANDS_OUT, _MOST_HEAPS = 0.02, 8.0, 16
"""Least share of a value that is kept as a step, how much more it has than its neighbors, and the number of steps."""

_LEAST_SHARE = 1e-9
"""Share of all weight below which values at an end do not count."""

_TAIL, _TAIL_POINTS = 1.0, 4
"""Width of a tail in normal scores, and the least number of quantiles in it."""

_KERNEL = np.linspace(-3, 3, 61)

_WEIGHTS = np.exp(-(_KERNEL**2) / 2) / np.exp(-(_KERNEL**2) / 2).sum()


@dataclass(frozen=True, slots=True)
class Curve:
    """An increasing map of values to normal scores, by its knots. On a step it is straight: values spread evenly there.

    Arguments:
        knots: values, `(KNOTS,)`.
        scores: their normal scores.
        shared: the value that many rows share, if a step begins at the knot, and 0 if none does.
        steps: 1 if a step begins at the knot, else 0.
    """

    knots: Array
    scores: Array
    shared: Array
    steps: Array


def fit_quantiles(x: Array, weights: Array, smallest: float) -> Curve:
    """Return the curve of the values `x (n,)` of a column.

    Quantiles are smoothed by a normal kernel on the scale of normal scores. Cross-validation of the log-likelihood
    chooses its width, if one is better than the usual one by two standard errors. Equal values count as spread evenly
    over the cell around them, so rounding makes no density.

    Arguments:
        weights: weights of the values, `(n,)`.
        smallest: width of the cell of a value if all are equal.

    References:
        "The Bernstein Polynomial Estimator of a Smooth Quantile Function" (Cheng, 1995), for the idea of smoothing
        quantiles instead of densities.
    """
    return _smoothed(x, weights, smallest, _best_width(x, weights, smallest))


def _best_width(x: Array, weights: Array, smallest: float) -> float:
    if len(np.unique(x)) < _FEW:
        return _USUAL
    if len(x) > _MOST:  # evenly spaced ones among the sorted values
        order = np.argsort(x)[np.linspace(0, len(x) - 1, _MOST).astype(int)]
        x, weights = x[order], weights[order]
    # Neighbors in the order of values go to different folds, so that every fold spans the range.
    fold = np.argsort(np.argsort(x, kind="stable"), kind="stable") % _FOLDS
    scores = np.stack([_held_out(x, weights, smallest, width, fold) for width in _WIDTHS])
    best, usual = int(np.argmax(scores @ weights)), _WIDTHS.index(_USUAL)
    gain = scores[best] - scores[usual]
    mean = np.average(gain, weights=weights)
    error = math.sqrt(np.average((gain - mean) ** 2, weights=weights) / len(x))
    return _WIDTHS[best] if mean > 2 * error else _USUAL


def _held_out(x: Array, weights: Array, smallest: float, width: float, fold: Array) -> Array:
    """Return the log-densities of values under curves that were fitted without their fold, up to a constant."""
    scores = np.empty(len(x))
    for number in range(_FOLDS):
        out = fold == number
        scores[out] = _log_density(x[out], _smoothed(x[~out], weights[~out], smallest, width))
    return scores


def _smoothed(x: Array, weights: Array, smallest: float, width: float) -> Curve:
    ends, below = cells(x, weights, smallest)
    rows = weights.sum() ** 2 / (weights**2).sum()
    last = float(_normal_quantile(1 - max(min(0.5, 1 / rows, below[1], 1 - below[-2]), _LEAST_SHARE) / 2))
    heavy = heavy_values(below)
    places = np.stack([heavy, heavy + 1], 1)
    edges, heaps = ends[places], np.clip(_normal_quantile(below[places]), -last, last)
    scores = np.concatenate([_between(heaps, last, KNOTS - heaps.size), heaps.ravel()])
    order = np.argsort(scores, kind="stable")
    # Quantiles at the ends of cells, continued beyond the outermost ones by the lines that fit each tail best.
    inner = (below > 0) & (below < 1)
    z, q = (_normal_quantile(below[inner]), ends[inner]) if inner.sum() > 1 else _spread(ends)
    at = scores[: KNOTS - heaps.size, None] + width * _KERNEL
    before, after = _slope(z, q, z <= z[0] + _TAIL), _slope(z, q, z >= z[-1] - _TAIL)
    quantiles = np.interp(at, z, q) + before * np.minimum(at - z[0], 0) + after * np.maximum(at - z[-1], 0)
    knots = np.concatenate([quantiles @ _WEIGHTS, edges.ravel()])[order]
    starts = np.zeros(KNOTS)
    starts[KNOTS - heaps.size :: 2] = 1.0
    shared = np.zeros(KNOTS)
    shared[KNOTS - heaps.size :: 2] = np.unique(x)[heavy]
    return Curve(_outside(knots, scores[order], edges, heaps), scores[order], shared[order], starts[order])


def heavy_values(below: Array) -> Array:
    """Return the numbers of the values that so many rows share that they are kept apart from their neighbors.

    An example is 0 among payments.

    Arguments:
        below: share of rows below each end of a cell, `(V + 1,)`.
    """
    share = np.diff(below)
    padded = np.concatenate([[0.0], share, [0.0]])
    beside = np.maximum(padded[:-2], padded[2:])
    heavy = np.flatnonzero((share >= _HEAP) & (share >= _STANDS_OUT * beside) & (len(share) > 2))
    heavy = np.sort(heavy[np.argsort(-share[heavy])][:_MOST_HEAPS])
    return heavy if share[heavy].sum() < 1 - 4 * _LEAST_SHARE else heavy[:0]  # the other values need room for knots


def _between(heaps: Array, last: float, count: int) -> Array:
    """Return `count` scores from `-last` to `last` with even distances, but for the steps of `heaps (A, 2)`."""
    starts = np.concatenate([[-last], heaps[:, 1]])
    lengths = np.concatenate([heaps[:, 0], [last]]) - starts
    done = np.concatenate([[0.0], lengths.cumsum()])
    along = (np.arange(count) + 0.5) / count * done[-1] if len(heaps) else np.linspace(0, done[-1], count)
    part = np.clip(np.searchsorted(done, along, side="right") - 1, 0, len(lengths) - 1)
    return np.asarray(starts[part] + along - done[part])


def _outside(knots: Array, scores: Array, edges: Array, heaps: Array) -> Array:
    """Return increasing knots, with none inside of a step or beyond it."""
    for (low, high), (first, second) in zip(edges, heaps, strict=True):
        knots = np.where(scores <= first, np.minimum(knots, low), knots)
        knots = np.where(scores >= second, np.maximum(knots, high), knots)
    return np.asarray(np.maximum.accumulate(knots))


def _spread(ends: Array) -> tuple[Array, Array]:
    """Return scores and quantiles of values that lie evenly between the first and last of `ends`."""
    share = np.array([0.25, 0.75])
    return _normal_quantile(share), ends[0] + share * (ends[-1] - ends[0])


def _slope(z: Array, q: Array, tail: Array) -> float:
    """Return the slope of the line through the quantiles in a tail, or through all if it has only a few."""
    if tail.sum() >= _TAIL_POINTS:
        z, q = z[tail], q[tail]
    centered = z - z.mean()
    return float(centered @ (q - q.mean()) / (centered @ centered))


def _normal_quantile(p: Any) -> Array:
    return np.asarray(torch.special.ndtri(torch.as_tensor(p, dtype=torch.float64)))


def _log_density(x: Array, curve: Curve) -> Array:
    knots, scores, steps = (torch.as_tensor(part)[None] for part in (curve.knots, curve.scores, curve.steps))
    z, slope = evaluate(torch.as_tensor(x)[:, None], knots, scores, increasing_slopes(knots, scores), steps > 0)
    return (slope.log() - z**2 / 2).squeeze(1).numpy()
