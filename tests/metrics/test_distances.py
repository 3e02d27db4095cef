"""Distinct events beside NumPy's."""

import numpy as np
import pytest

from genzoo.metrics.distances import Distinct


@pytest.mark.parametrize(
    "events", [[[1.0, 2.0], [0.0, 1.0], [1.0, 2.0], [-0.0, 1.0]], [[3.0]], [[-1.0], [2.0], [-1.0]]]
)
def test_distinct_events_are_numpys_rows_without_repetitions(events):
    found = Distinct.of(np.array(events))
    rows, counts = np.unique(events, axis=0, return_counts=True)
    order = np.lexsort(found.rows.T[::-1])
    assert np.array_equal(found.rows[order], rows)
    assert np.array_equal(found.counts[order], counts)
    assert np.array_equal(found.rows[found.inverse], events)
