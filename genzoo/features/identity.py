"""Features without a network: pixels, and standardized columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from genzoo.features.extractor import Extractor, Features, Material
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


class ColumnExtractor(Extractor):
    """Columns standardized with the moments of the real events; each category becomes one column.

    The columns of one variable share a scale, and their variances add up to 1. So a variable with many or rare
    categories has the same weight in distances as a number.

    Arguments:
        data: spec of one event. Values that share one feature are columns, too.
        real: the real events, `(N, *event)`, without missing values.
    """

    def __init__(self, data: DataSpec, real: Array) -> None:
        self._data = data
        self._shift = self._expand(real).mean(axis=0)
        self._scale = np.concatenate([_scales(part) for part in self._parts(_flat(real))])

    def __call__(self, events: Array) -> Features:
        features: Features = (self._expand(events) - self._shift) / self._scale
        return features

    def _expand(self, events: Array) -> Features:
        return np.concatenate(list(self._parts(_flat(events))), axis=1)

    def _parts(self, events: Features) -> Iterator[Features]:
        for column, feature in enumerate(self._data.places):
            values = events[:, column : column + 1]
            if feature.kind == "categorical" and feature.levels:
                yield np.where(np.isfinite(values), values == np.arange(len(feature.levels)), values)
            else:
                yield values


def _flat(events: Array) -> Features:
    return np.asarray(events, np.float64).reshape(len(events), -1)


def _scales(columns: Features) -> Features:
    """Return the scale of the columns of one variable `(N, W)` for each of them, `(W,)`."""
    changes = bool((np.ptp(columns, axis=0) > 0).any())
    return np.full(columns.shape[1], np.sqrt(columns.var(axis=0).sum()) if changes else 1.0)


def build_columns(material: Material) -> Extractor:
    """Build the extractor of a table's columns."""
    return ColumnExtractor(material.data, material.real)


class PixelExtractor(Extractor):
    """Pixels scaled from their range to 0..1; unchanged if the range is not given."""

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        self._low = low
        self._range = high - low

    def __call__(self, events: Array) -> Features:
        return (_flat(events) - self._low) / self._range


def build_pixels(material: Material) -> Extractor:
    """Build the extractor of an image's pixels."""
    return PixelExtractor(*(material.data.bounds or ()))
