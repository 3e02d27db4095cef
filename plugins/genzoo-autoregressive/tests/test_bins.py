"""The transform `bins`: which bins it makes, and that its map is what it says."""

import numpy as np
import pytest
import torch

import genzoo
from genzoo_autoregressive.bins import MOST_BINS, BinOptions, Bins


def fitted(values, cell=None):
    feature = genzoo.Feature("x", cell=cell)
    data = genzoo.DataSpec((1,), "table", (feature,), storage="float64")
    return Bins.fit(BinOptions(), data, [np.asarray(values, np.float64)[:, None]])


def image(bins, *values):
    return bins(torch.tensor(values, dtype=torch.float64)[:, None])[:, 0]


def test_bins_hold_about_equally_many_rows():
    values = np.random.default_rng(0).normal(size=10_000)
    bins = fitted(values)
    counts = np.bincount(image(bins, *values).floor().long().numpy())
    assert len(counts) <= MOST_BINS
    inner = counts[8:-8]
    assert inner.min() > 90
    assert inner.max() < 120
    assert counts[0] >= 8


def test_a_value_that_many_rows_share_has_a_bin_of_its_own():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(20_000) < 0.9, 0, rng.integers(100, 90_000, 20_000))
    noisy = values + rng.random(20_000) - 0.5
    bins = fitted(noisy, 1.0)
    y = image(bins, -0.4, 0.4, 100.0)
    assert y[0].floor() == y[1].floor() == 0
    assert y[2] >= 0.99
    # The gap between 0 and the next value holds half a row of the bin, so values there are hardly ever drawn.
    assert bins.inverse(torch.tensor([[0.999]], dtype=torch.float64)).item() == pytest.approx(0.5, abs=0.01)


def test_few_values_have_a_bin_each():
    values = np.repeat([1.0, 2.0, 5.0], 20)
    noisy = values + np.random.default_rng(0).random(60) - 0.5
    assert image(fitted(noisy, 1.0), 0.6, 1.4, 1.6, 4.6, 5.4).floor().tolist() == [0, 0, 1, 2, 2]


def test_outside_of_the_bins_the_map_is_a_logarithm():
    bins = fitted(np.linspace(0, 1, 1001))
    scale = bins.tails[0, 1].item()
    top = image(bins, 1.0).item()
    assert image(bins, 1.0 + 5 * scale).item() == pytest.approx(top + np.log(6))
    assert image(bins, -5 * bins.tails[0, 0].item()).item() == pytest.approx(-np.log(6))


def test_a_column_that_never_changes_has_no_bins():
    with pytest.raises(genzoo.DataError, match="never changes"):
        fitted(np.ones(50))
