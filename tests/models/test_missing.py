"""Groups of events with the same missing values."""

import numpy as np
import pytest
import torch

import genzoo


@pytest.mark.parametrize("columns", [0, 1, 3, 52, 53, 130])
@pytest.mark.parametrize("events", [0, 1, 400])
def test_events_are_grouped_by_their_missing_values(columns, events):
    rng = np.random.default_rng(0)
    few = rng.random((20, columns)) < 0.3
    few[10:, : columns - 1] = few[:10, : columns - 1]  # they differ in the last column only
    missing = few[rng.integers(20, size=events)]
    patterns, order, sizes = genzoo.missing_patterns(torch.as_tensor(missing))
    if events and columns:
        wanted, counts = np.unique(missing, axis=0, return_counts=True)
    else:
        wanted, counts = missing[:1], np.full(min(events, 1), events)
    assert np.array_equal(patterns, wanted)
    assert sizes == counts.tolist()
    assert sorted(order.tolist()) == list(range(events))
    assert np.array_equal(missing[order.numpy()], np.repeat(wanted, counts, 0))


def test_events_of_a_group_keep_their_order():
    missing = torch.tensor([[True], [False], [True], [False]])
    assert genzoo.missing_patterns(missing)[1].tolist() == [1, 3, 0, 2]
