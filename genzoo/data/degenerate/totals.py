"""Find a last row that holds the totals of the rows above it, as spreadsheets have it."""

from __future__ import annotations

import numpy as np

from genzoo.data.dataset import BLOCK, Dataset

_LEAST_ROWS = 4
_TOLERANCE = 1e-9  # relative, for sums of decimals


def total_columns(dataset: Dataset) -> list[str]:
    """Return the names of a table's columns whose last value is the sum of all values above it.

    Missing values count as 0. The list is empty unless most columns of numbers are such columns.
    """
    data = dataset.spec
    numeric = [i for i, feature in enumerate(data.features) if feature.kind in ("continuous", "count")]
    if not data.form.columns or not numeric or len(dataset) < _LEAST_ROWS:
        return []
    last = np.asarray(dataset.events[len(dataset) - 1], np.float64)
    sums, sizes = np.zeros(len(last)), np.zeros(len(last))
    for start in range(0, len(dataset) - 1, BLOCK):
        block = np.asarray(dataset.events[start : min(start + BLOCK, len(dataset) - 1)], np.float64)
        sums += np.nansum(block, axis=0)
        sizes += np.nansum(np.abs(block), axis=0)
    found = [i for i in numeric if sizes[i] > 0 and abs(last[i] - sums[i]) <= _TOLERANCE * sizes[i]]
    names = [data.features[i].name for i in found if last[i] != 0]
    return names if len(names) * 2 > len(numeric) else []
