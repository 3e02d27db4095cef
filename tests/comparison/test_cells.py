"""Latent classes with more parameters than a table of categories determines have no information criteria."""

import numpy as np
import pytest

import genzoo


def table(levels, x, weights=None, missing=False):
    features = tuple(
        genzoo.Feature(f"q{j}", "categorical", tuple(f"l{k}" for k in range(size))) for j, size in enumerate(levels)
    )
    spec = genzoo.DataSpec((len(levels),), "table", features, storage="float64", missing=missing)
    return genzoo.Dataset("table", spec, np.asarray(x, float), weights=weights)


def two_classes(levels, n, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(2, size=n)
    p = [rng.dirichlet(np.ones(size), 2) for size in levels]
    return np.stack([[rng.choice(len(own[k]), p=own[k]) for k in label] for own in p], 1)


@pytest.mark.parametrize("levels", [(2, 2, 2), (2, 3, 2), (3, 2, 4)])
def test_more_parameters_than_free_cells_leave_no_criteria(levels):
    """K classes have K - 1 weights, and K times the sum of levels less one. One cell of the table is not free."""
    x = two_classes(levels, 1000)
    assert len(np.unique(x, axis=0)) == np.prod(levels), "every cell occurs"
    report = genzoo.compare(["naive-bayes:n_components=1..5"], table(levels, x), by="test")
    free = np.prod(levels) - 1
    for k in range(1, 6):
        row = report[f"naive-bayes:n_components={k}"]
        count = k - 1 + k * sum(size - 1 for size in levels)
        assert row.degrees_of_freedom == count
        assert row.log_likelihood.test is not None
        if count > free:
            assert row.aic is row.aicc is row.bic is row.icl is None
            assert row.reasons["bic"].startswith(f"its {count} free parameters are more than the {free} free cells")
        else:
            assert row.bic is not None
    assert {k - 1 + k * sum(size - 1 for size in levels) <= free for k in range(1, 6)} == {True, False}


def test_more_parameters_than_different_rows_leave_no_criteria():
    rng = np.random.default_rng(0)
    kinds = rng.integers(2, size=(12, 10))
    x = kinds[rng.integers(12, size=300)]
    one, two = genzoo.compare(["naive-bayes:n_components=1..2"], table((2,) * 10, x), by="test").rows
    by_name = {row.id: row for row in (one, two)}
    assert by_name["naive-bayes:n_components=1"].bic is not None  # 10 parameters, 12 different rows
    assert "more than 12 different rows determine" in by_name["naive-bayes:n_components=2"].reasons["aic"]


def test_rows_of_weight_zero_are_not_counted():
    rng = np.random.default_rng(0)
    x = rng.integers(2, size=(400, 5))
    weights = np.zeros(400)
    few = np.unique(x[:60], axis=0, return_index=True)[1][:8]
    weights[few] = 20.0
    data = table((2,) * 5, x, weights)
    report = genzoo.compare(["naive-bayes:n_components=2"], data, by="coverage", split={"test": 0.2})
    assert "different rows" in report.rows[0].reasons["bic"]
    every = genzoo.compare(["naive-bayes:n_components=2"], table((2,) * 5, x), by="coverage")
    assert every.rows[0].bic is not None


def test_numbers_and_counts_determine_any_number_of_parameters():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.integers(2, size=(300, 2)), rng.poisson(3, 300)])
    features = (*table((2, 2), x[:, :2]).spec.features, genzoo.Feature("visits", "count"))
    spec = genzoo.DataSpec((3,), "table", features, storage="float64")
    report = genzoo.compare(["naive-bayes:n_components=2"], genzoo.Dataset("t", spec, x.astype(float)))
    assert report.rows[0].bic is not None
