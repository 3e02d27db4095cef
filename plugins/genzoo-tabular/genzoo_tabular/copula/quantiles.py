"""Fit the smoothed quantiles of a column: a spline from its values to standard normal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from genzoo_tabular.copula.cells import cells
from genzoo_tabular.copula.splines import evaluate, increasing_slopes

Array = np.ndarray[Any, np.dtype[Any]]

KNOTS = 33
"""Knots of each spline."""

_WIDTHS = (0.1, 0.2, 0.3, 0.5, 0.8)
"""Widths of the kernel that smooths quantiles, in standard normal scores."""

_USUAL, _FOLDS, _MOST = 0.3, 5, 4_000
"""Width for few rows; folds that choose a width, and the largest number of rows that they use."""

_FEW = 10

_KERNEL = np.linspace(-3, 3, 61)

_WEIGHTS = np.exp(-(_KERNEL**2) / 2) / np.exp(-(_KERNEL**2) / 2).sum()


def fit_quantiles(x: Array, weights: Array, smallest: float) -> tuple[Array, Array]:
    """Return knots and their normal scores, `(KNOTS,)` each, for the values `x (n,)` of a column.

    Quantiles are smoothed by a normal kernel on the scale of normal scores. Its width is chosen by cross-validation of
    the log-likelihood. Equal values count as spread evenly over the cell around them, so rounding makes no density.

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
    scores = [
        sum(
            _log_density(x[fold == k], _smoothed(x[fold != k], weights[fold != k], smallest, width))
            @ weights[fold == k]
            for k in range(_FOLDS)
        )
        for width in _WIDTHS
    ]
    return _WIDTHS[int(np.argmax(scores))]


def _smoothed(x: Array, weights: Array, smallest: float, width: float) -> tuple[Array, Array]:
    ends, below = cells(x, weights, smallest)
    rows = weights.sum() ** 2 / (weights**2).sum()
    scores = np.linspace(-1, 1, KNOTS) * _normal_quantile(1 - 0.5 / max(rows, 2.0))
    # Quantiles at the ends of cells, continued beyond the outermost ones by the line that fits all best.
    inner = (below > 0) & (below < 1)
    z, q = (_normal_quantile(below[inner]), ends[inner]) if inner.sum() > 1 else _spread(ends)
    slope = _slope(z, q)
    at = scores[:, None] + width * _KERNEL
    quantiles = np.interp(at, z, q) + slope * (np.minimum(at - z[0], 0) + np.maximum(at - z[-1], 0))
    return quantiles @ _WEIGHTS, scores


def _spread(ends: Array) -> tuple[Array, Array]:
    """Return scores and quantiles of values that lie evenly between the first and last of `ends`."""
    share = np.array([0.25, 0.75])
    return _normal_quantile(share), ends[0] + share * (ends[-1] - ends[0])


def _slope(z: Array, q: Array) -> float:
    centered = z - z.mean()
    return float(centered @ (q - q.mean()) / (centered @ centered))


def _normal_quantile(p: Any) -> Array:
    return np.asarray(torch.special.ndtri(torch.as_tensor(p, dtype=torch.float64)))


def _log_density(x: Array, curve: tuple[Array, Array]) -> Array:
    knots, scores = (torch.as_tensor(part)[None] for part in curve)
    slopes = increasing_slopes(knots, scores)
    z, slope = evaluate(torch.as_tensor(x)[:, None], knots, scores, slopes)
    return (slope.log() - z**2 / 2).squeeze(1).numpy()
