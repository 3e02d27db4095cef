"""Errors by multipliers beside closed forms, and intervals beside the mean over repeats."""

import numpy as np
import pytest

from genzoo.metrics.metric import MetricInput
from genzoo.metrics.tables.marginals import column_shapes
from genzoo.metrics.tables.multipliers import Gaps, share_errors, shrunk, spread_of_mean
from genzoo.metrics.tables.pair_trends import pair_trends
from genzoo.spec.events import DataSpec, Feature


def test_the_error_of_a_difference_of_means_is_the_closed_form():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=400), rng.normal(0, 2, 300)
    both = np.concatenate([x, y])
    means = Gaps(lambda shares: np.array([shares @ both]), lambda gaps: float(gaps[0]))
    assert means(np.ones(400), np.ones(300)) == pytest.approx(x.mean() - y.mean())
    found = [spread_of_mean([means], np.ones(400), np.ones(300), seed).error for seed in range(30)]
    assert np.mean(found) == pytest.approx(np.sqrt(x.var() / 400 + y.var() / 300), rel=0.06)


def test_variances_of_gaps_are_the_binomial_ones_and_those_of_the_errors():
    codes = np.array([0, 0, 1, 2, 2, 2, 0, 1, 1, 1])
    u, v = np.array([1.0, 2, 1, 1, 3, 1]), np.ones(4)
    cells = Gaps(lambda shares: np.bincount(codes, shares, 3), lambda gaps: float(np.abs(gaps).sum()))
    equal = cells.variance(np.ones(6), v)
    p, q = np.array([2, 1, 3]) / 6, np.array([1, 3, 0]) / 4
    assert equal == pytest.approx(p * (1 - p) / 6 + q * (1 - q) / 4)
    errors = np.array([cells.of(errors) for seed in range(40) for errors in share_errors(u, v, seed)])
    assert errors.var(axis=0) == pytest.approx(cells.variance(u, v), rel=0.1)
    assert errors.mean(axis=0) == pytest.approx(np.zeros(3), abs=0.02)


def test_gaps_smaller_than_their_errors_shrink_to_none():
    gaps = np.array([0.3, -0.4])
    assert not shrunk(gaps, 0.3).any()
    assert shrunk(gaps, 0.0) == pytest.approx(gaps)
    assert shrunk(gaps, 0.16) == pytest.approx(0.6 * gaps)


def rows(rng, n, shift):
    common = rng.normal(size=(n, 1))
    x = 0.6 * common + 0.8 * rng.normal(size=(n, 3))
    x[:, 0] += shift
    return np.column_stack([x[:, 0] > 0.3, np.round(2 * x[:, 1]), x[:, 2]]).astype(float)


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("metric", [column_shapes, pair_trends])
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_intervals_of_few_columns_cover_the_mean_over_repeats(metric, numbers, shift):
    rng = np.random.default_rng(1)
    columns = (Feature("a", "binary", ("n", "y")), Feature("b", "count"), Feature("c"))[1 if numbers else 0 :]
    data = DataSpec((len(columns),), "table", columns, storage="float64")
    scores = []
    for seed in range(150):
        real, samples = rows(rng, 100, 0.0)[:, -len(columns) :], rows(rng, 100, shift)[:, -len(columns) :]
        scores.append(metric.score(MetricInput(data=data, real=np.abs(real), samples=np.abs(samples), seed=seed)))
    values, errors = np.array([(score.value, score.error) for score in scores]).T
    covered = np.abs(values - values.mean()) <= 1.96 * errors
    assert covered.mean() >= 0.93
