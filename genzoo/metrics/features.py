"""Events as vectors whose distances mean something, for metrics that look at neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from genzoo.metrics.metric import Features
from genzoo.spec import DataSpec

Array = np.ndarray[Any, np.dtype[Any]]


class FeatureMap:
    """Pixels as they are; columns of a table standardised by the real events, categories as one column per level.

    Arguments:
        data: what one event is.
        real: the real events, `(N, *event)`, none of their values missing.
    """

    def __init__(self, data: DataSpec, real: Array) -> None:
        self._data = data
        wide = self._expand(real)
        deviation = wide.std(axis=0)
        self._shift = wide.mean(axis=0)
        self._scale = np.where(deviation > 0, deviation, 1.0)

    @property
    def name(self) -> str:
        """What the vectors are, for a score's protocol."""
        return "pixels" if self._data.modality == "image" else "columns standardised by the real events"

    def __call__(self, events: Array) -> Features:
        """The vectors of `events (N, *event)`, `(N, F)`."""
        wide = self._expand(events)
        return wide if self._data.modality == "image" else (wide - self._shift) / self._scale

    def _expand(self, events: Array) -> Features:
        flat = np.asarray(events, np.float64).reshape(len(events), -1)
        return flat if self._data.modality == "image" else np.concatenate(list(self._columns(flat)), axis=1)

    def _columns(self, flat: Features) -> Iterator[Features]:
        for column, feature in enumerate(self._data.features):
            values = flat[:, column : column + 1]
            if feature.kind == "categorical" and feature.levels:
                yield (values == np.arange(len(feature.levels))).astype(np.float64)
            else:
                yield values
