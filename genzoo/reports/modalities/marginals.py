"""Distributions of the columns of a table, in real rows and in samples."""

from __future__ import annotations

import math

import numpy as np

from genzoo.reports.charts import Histogram, Marginal, Shares
from genzoo.reports.distributions import marginal
from genzoo.reports.modalities.values import about_width
from genzoo.reports.page import Block, Picture, Pictures
from genzoo.spec.events import DataSpec, Feature
from genzoo.typing import Array

MOST_COLUMNS = 24
"""Largest number of columns whose distributions are drawn."""


MOST_LEVELS = 12


_MOST_BINS = 30


def marginals(real: Array, samples: Array, data: DataSpec, most: int = MOST_COLUMNS) -> list[Block]:
    """Draw the distribution of every column in real rows and in samples."""
    pictures = []
    for place, feature in enumerate(data.features[:most]):
        pair = real[:, place].astype(np.float64), samples[:, place].astype(np.float64)
        pair = pair[0][np.isfinite(pair[0])], pair[1][np.isfinite(pair[1])]
        if len(pair[0]) and len(pair[1]):
            pictures.append(_marginal(*pair, feature))
    return [Pictures(tuple(pictures)), *about_width(data, most)]


def _marginal(real: Array, sampled: Array, feature: Feature) -> Picture:
    drawn = marginal_of(real, sampled, feature)
    text = ", ".join(
        f"{name} {_marginal_note(values, feature)}" for name, values in (("real", real), ("sampled", sampled))
    )
    caption = f"{feature.name}: {text}"
    return Picture(caption, f"Distribution of column {caption}", "svg+xml", marginal(drawn))


def _marginal_note(values: Array, feature: Feature) -> str:
    """Return the most frequent level and its share, or mean ± standard deviation."""
    if feature.levels is None:
        with np.errstate(over="ignore"):  # an overflow is shown as inf
            return f"{values.mean():.4g} ± {values.std():.3g}"
    counts = np.bincount(values.astype(np.int64), minlength=len(feature.levels))
    return f"{feature.levels[int(counts.argmax())]} {counts.max() / len(values):.0%}"


def marginal_of(real: Array, sampled: Array, feature: Feature) -> Marginal:
    """Return the distribution of a column in real rows and samples, given its values without missing ones."""
    return _shares(real, sampled, feature) if feature.levels is not None else _histogram(real, sampled, feature)


def _histogram(real: Array, sampled: Array, feature: Feature) -> Marginal:
    """Return densities between the 0.5 % and 99.5 % quantiles, so that one outlier does not squeeze the rest."""
    ends = np.quantile(real, [0.005, 0.995]), np.quantile(sampled, [0.005, 0.995])
    low, high = float(min(ends[0][0], ends[1][0])), float(max(ends[0][1], ends[1][1]))
    if feature.kind == "count":
        step = max(1, math.ceil((high - low + 1) / _MOST_BINS))
        edges = np.arange(math.floor(low), math.ceil(high) + 1 + step, step) - 0.5
    elif high - low <= (least := 1e-12 * max(abs(low), abs(high))):
        beside = max(0.5, least)  # half a unit beside the largest numbers is no other number
        edges = np.linspace(low - beside, high + beside, 4)
    else:
        bins = min(_MOST_BINS, max(8, round(math.sqrt(min(len(real), len(sampled))))))
        edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(values, edges)[0] / (len(values) * np.diff(edges)) for values in (real, sampled)]
    return Histogram(edges, *counts)


def _shares(real: Array, sampled: Array, feature: Feature) -> Marginal:
    """Return the shares of the levels that are most frequent in real rows, and of all others together."""
    assert feature.levels is not None
    counts = [np.bincount(v.astype(np.int64), minlength=len(feature.levels)) / len(v) for v in (real, sampled)]
    if len(feature.levels) <= MOST_LEVELS:
        return Shares(feature.levels, *counts)
    order = np.argsort(-counts[0], kind="stable")[: MOST_LEVELS - 1]
    shown = [np.append(share[order], 1 - share[order].sum()) for share in counts]
    return Shares((*(feature.levels[i] for i in order), "all others"), *shown)
