"""Distinct events beside NumPy's, and neighbors beside all distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genzoo.metrics.distances import Distinct, Nearest, Neighborhoods, radii


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


@pytest.mark.parametrize("width", [5, 90])
@pytest.mark.parametrize("kind", ["normal", "all-equally-far", "far-from-0", "repeated", "clusters"])
def test_neighbors_are_the_ones_of_all_exact_distances(kind, width):
    """Also if no bound tells which of many events is the nearest: 90 columns are multiplied in float32."""
    rng = np.random.default_rng(width)
    real, samples = rng.normal(size=(60, width)), rng.normal(size=(70, width))
    if kind == "all-equally-far":
        real, samples = np.tile(np.eye(width), (60 // width + 1, 1))[:60], np.eye(width)[rng.integers(width, size=70)]
    elif kind == "far-from-0":
        real, samples = 1e6 + 1e-3 * real, 1e6 + 1e-3 * samples
    elif kind == "clusters":  # so far apart that float32 does not tell the events of one from each other
        real, samples = (0.01 * each + 1e4 * (np.arange(len(each)) % 2)[:, None] for each in (real, samples))
    elif kind == "repeated":
        real[20:] = real[rng.integers(20, size=40)]
        samples[:30] = real[:30]
    own, mine, apart = cdist(real, real), cdist(samples, samples), cdist(samples, real)
    reach, spread = (np.sort(each, 1)[:, 3] for each in (own, mine))
    found = Neighborhoods.of(real, samples, 3, nearest=True)
    np.testing.assert_array_equal(found.holding, (apart <= reach).sum(1))
    np.testing.assert_array_equal(found.covered, (apart <= reach).any(0))
    np.testing.assert_array_equal(found.reached, (apart <= spread[:, None]).any(0))
    different = np.unique(Distinct.of(real).inverse, return_index=True)[1]
    ordered = np.sort(apart[:, different], axis=1)
    for nearest in (found.nearest, Nearest.of(samples, real)):
        np.testing.assert_allclose(nearest.distance, ordered[:, :2], rtol=1e-14)
        to_them = np.take_along_axis(apart[:, different], nearest.place, 1)
        np.testing.assert_allclose(to_them, nearest.distance, rtol=1e-14)
        assert (nearest.place[:, 0] != nearest.place[:, 1]).all()


@pytest.mark.parametrize("width", [4, 100, 400])
@pytest.mark.parametrize("kind", ["normal", "all-equally-far", "repeated", "clusters"])
def test_radii_in_many_small_blocks_are_the_ones_of_all_distances(kind, width, monkeypatch):
    """Each block sees the columns from its first row on, and the others as columns of earlier blocks."""
    monkeypatch.setattr("genzoo.metrics.distances._BLOCK", 9)
    rng = np.random.default_rng(width)
    events = rng.normal(size=(131, width))
    if kind == "all-equally-far":
        events = np.eye(max(131, width))[rng.permutation(131)]
    elif kind == "repeated":
        events[50:] = events[rng.integers(50, size=81)]
    elif kind == "clusters":
        events = 0.01 * events + 1e4 * (np.arange(131) % 2)[:, None]
    apart = np.sort(cdist(events, events), axis=1)
    for k in (1, 5, 60):
        np.testing.assert_allclose(radii(events, k), apart[:, k], rtol=1e-13)
