"""How the columns of a table hang together in samples, beside real events."""

from __future__ import annotations

from typing import Any

import numpy as np

from genzoo.errors import DataError
from genzoo.metrics.jackknife import standard_error
from genzoo.metrics.marginal import table_pair
from genzoo.metrics.metric import Direction, Given, Metric, Need, Score
from genzoo.spec import DataSpec, Modality

Array = np.ndarray[Any, np.dtype[Any]]


class CorrelationDifference(Metric):
    """The mean absolute difference of Pearson correlations over pairs of columns, levels of a category as 0 and 1.

    The part of a column is its mean over pairs with that column. A column that samples never change correlates with
    nothing there. The standard error is too large, if anything, where most pairs hang together alike: it takes no
    account of differences having no sign.
    """

    name = "correlation-difference"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("table",)

    def score(self, given: Given) -> Score:
        assert given.data is not None
        real, samples = table_pair(given)
        (x, owners), (y, _) = (_indicators(given.data, events) for events in (real, samples))
        changing = np.ptp(x, axis=0) > 0
        x, y, owners = x[:, changing], y[:, changing], owners[changing]
        pairs = owners[:, None] != owners
        if not pairs.any():
            raise DataError("Correlations need two columns that change in the real events.")
        gaps = np.abs(_correlations(x) - _correlations(y))
        names = [feature.name for feature in given.data.features]
        parts = {names[c]: float(gaps[(owners == c)[:, None] & pairs].mean()) for c in dict.fromkeys(owners.tolist())}

        def mean(a: Array, b: Array) -> float:
            return float(np.abs(_correlations(a) - _correlations(b))[pairs].mean())

        left_out = [name for name in names if name not in parts]
        notes = (f"left out: {', '.join(left_out)} never change in the real events.",) if left_out else ()
        protocol = {"unit": "Pearson correlation", "columns": len(parts)}
        error = standard_error(mean, x, y, given.seed)
        return Score(self.name, float(gaps[pairs].mean()), self.direction, error, protocol, notes=notes, parts=parts)


def _indicators(data: DataSpec, events: Array) -> tuple[Array, Array]:
    """Columns, levels of categories as columns of their own, and the number of the column that each came from.

    The first level goes without saying.
    """
    parts, owners = [], []
    for column, feature in enumerate(data.features):
        values = events[:, column : column + 1]
        if feature.kind == "categorical" and feature.levels:
            values = (values == np.arange(1, max(2, len(feature.levels)))).astype(np.float64)
        parts.append(values)
        owners += [column] * values.shape[1]
    return np.concatenate(parts, axis=1), np.array(owners)


def _correlations(events: Array) -> Array:
    centred = events - events.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(length > 0, length, 1.0)
    found: Array = scaled.T @ scaled
    return found


correlation_difference = CorrelationDifference()
