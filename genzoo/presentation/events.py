"""Samples beside real events: grids of images, rows of tables, and columns one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from genzoo.picture import grid, png
from genzoo.report.drawing import Histogram, Marginal, Shares, marginal
from genzoo.report.page import Block, Picture, Pictures, Table, Text
from genzoo.spec import DataSpec, Feature

Array = np.ndarray[Any, np.dtype[Any]]

MOST_COLUMNS = 24
"""Columns of a table whose marginals are drawn."""

WIDEST = 8
"""Columns of a table that stand side by side."""

_NUMBERS = {"image": 400_000, "table": 100_000}
_MOST = {"image": 36, "table": 500}
_LEAST = {"image": 4, "table": 50}
_MOST_ROWS = 6
_MOST_LEVELS = 12
_MOST_BINS = 30


def how_many(data: DataSpec) -> int:
    """Events that a page shows of one source: fewer where they are large."""
    modality = data.modality
    return max(_LEAST[modality], min(_MOST[modality], _NUMBERS[modality] // data.size))


def how_many_inside(data: DataSpec) -> int:
    """Events by which a page tells what components hold: more, as they are not drawn."""
    return max(how_many(data), min(1_000, 4_000_000 // data.size))


def evenly(rows: Array, most: int) -> Array:
    """At most so many of increasing row numbers, evenly spaced."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def event_grid(events: Array, data: DataSpec, caption: str, columns: int | None = None) -> Picture:
    """Images in one picture."""
    about = f"{len(events)} images of {'×'.join(map(str, data.event_shape[1:]))} pixels in a grid: {caption}"
    return Picture(caption, about, "png", png(grid(events, data, columns=columns)))


def event_rows(events: Array, data: DataSpec, caption: str) -> Table:
    """The first events of a table, and as many of its columns as fit."""
    features = data.features[:WIDEST]
    rows = tuple(
        (str(number), *(cell(value, feature) for value, feature in zip(event, features, strict=False)))
        for number, event in enumerate(events[:_MOST_ROWS])
    )
    words = frozenset(place for place, feature in enumerate(features, 1) if feature.levels is not None)
    return Table(caption, ("row", *(feature.name for feature in features)), rows, words=words)


def cell(value: float, feature: Feature) -> str:
    """A value of a column as people read it."""
    if math.isnan(value):
        return ""
    if feature.levels is not None:
        return feature.levels[int(value)]
    return f"{value:.0f}" if feature.kind == "count" else f"{value:.4g}"


def side_by_side(real: Array | None, samples: Array, data: DataSpec, where: str) -> list[Block]:
    """Samples of one model beside real events, as far as there are any.

    Arguments:
        where: what the real events are, such as `test rows`.
    """
    show = event_grid if data.modality == "image" else event_rows
    shown = [] if real is None else [show(real, data, f"Real events ({where})")]
    shown.append(show(samples, data, "Samples of the model"))
    pictures = tuple(block for block in shown if isinstance(block, Picture))
    tables = [block for block in shown if isinstance(block, Table)]
    return [Pictures(pictures)] if pictures else [*tables, *about_width(data, WIDEST)]


def about_width(data: DataSpec, most: int) -> list[Block]:
    """A sentence where not all columns of a table are shown."""
    count = len(data.features)
    return [Text(f"The first {most} of {count} columns are shown.")] if count > most else []


def marginals(real: Array, samples: Array, data: DataSpec, most: int = MOST_COLUMNS) -> list[Block]:
    """Every column of real events beside that of samples."""
    pictures = []
    for place, feature in enumerate(data.features[:most]):
        pair = real[:, place].astype(np.float64), samples[:, place].astype(np.float64)
        pair = pair[0][np.isfinite(pair[0])], pair[1][np.isfinite(pair[1])]
        if len(pair[0]) and len(pair[1]):
            pictures.append(_marginal(*pair, feature))
    return [Pictures(tuple(pictures)), *about_width(data, most)]


def _marginal(real: Array, sampled: Array, feature: Feature) -> Picture:
    found = _shares(real, sampled, feature) if feature.levels is not None else _histogram(real, sampled, feature)
    told = " and ".join(f"{name} {_told(values, feature)}" for name, values in (("real", real), ("sampled", sampled)))
    caption = f"{feature.name}: {told}"
    return Picture(caption, f"Distribution of column {caption}", "svg+xml", marginal(found))


def _told(values: Array, feature: Feature) -> str:
    """The most frequent level and its share; or mean ± standard deviation."""
    if feature.levels is None:
        with np.errstate(over="ignore"):  # what is infinite is told so
            return f"{values.mean():.4g} ± {values.std():.3g}"
    counts = np.bincount(values.astype(np.int64), minlength=len(feature.levels))
    return f"{feature.levels[int(counts.argmax())]} {counts.max() / len(values):.0%}"


def _histogram(real: Array, sampled: Array, feature: Feature) -> Marginal:
    """Between the quantiles that hold nearly all of both, so that a stray value does not squeeze the others."""
    ends = np.quantile(real, [0.005, 0.995]), np.quantile(sampled, [0.005, 0.995])
    low, high = float(min(ends[0][0], ends[1][0])), float(max(ends[0][1], ends[1][1]))
    if feature.kind == "count":
        step = max(1, math.ceil((high - low + 1) / _MOST_BINS))
        edges = np.arange(math.floor(low), math.ceil(high) + 1 + step, step) - 0.5
    elif high - low <= 1e-12 * max(abs(low), abs(high)):
        edges = np.linspace(low - 0.5, high + 0.5, 4)
    else:
        bins = min(_MOST_BINS, max(8, round(math.sqrt(min(len(real), len(sampled))))))
        edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(values, edges)[0] / (len(values) * np.diff(edges)) for values in (real, sampled)]
    return Histogram(edges, *counts)


def _shares(real: Array, sampled: Array, feature: Feature) -> Marginal:
    """Of the levels that real events hold most often; all others together."""
    assert feature.levels is not None
    counts = [np.bincount(v.astype(np.int64), minlength=len(feature.levels)) / len(v) for v in (real, sampled)]
    if len(feature.levels) <= _MOST_LEVELS:
        return Shares(feature.levels, *counts)
    order = np.argsort(-counts[0], kind="stable")[: _MOST_LEVELS - 1]
    shown = [np.append(share[order], 1 - share[order].sum()) for share in counts]
    return Shares((*(feature.levels[i] for i in order), "all others"), *shown)
