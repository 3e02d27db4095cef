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


@pytest.mark.parametrize("width", [1, 3, 784])
def test_distinct_events_come_in_the_order_of_their_bytes(width):
    events = np.random.default_rng(0).integers(-2, 3, (60, width)).astype(np.float64)
    events[30:] = events[:30]
    events[7] = -0.0
    found = Distinct.of(events)
    plain = events + 0.0
    texts, inverse, counts = np.unique([row.tobytes().hex() for row in plain], return_inverse=True, return_counts=True)
    assert [row.tobytes().hex() for row in found.rows] == list(texts)
    assert np.array_equal(found.inverse, inverse)
    assert np.array_equal(found.counts, counts)


def test_no_events_are_no_distinct_events():
    assert Distinct.of(np.zeros((0, 3))).rows.shape == (0, 3)
