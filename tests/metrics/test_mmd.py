"""Kernel distance and MMD beside brute force; their mean and spread over repeats."""

import math

import numpy as np
import pytest

from genzoo.errors import DataError
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.mmd import kernel_distance, median_distance, mmd


def given(real, samples):
    return MetricInput(real_features=real, sample_features=samples)


def polynomial(x, y):
    return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3


def less_one(x, y):
    """Return the polynomial kernel minus 1, which no rounding to 1 can lose."""
    t = math.fsum(x * y) / len(x)
    return t * (3 + t * (3 + t))


def brute(kernel, x, y):
    n, m = len(x), len(y)
    own = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    theirs = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return own + theirs - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize("block", [3, 1024])
def test_scores_equal_brute_force(monkeypatch, block):
    monkeypatch.setattr("genzoo.metrics.mmd._BLOCK", block)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(17, 4)) + 2, rng.normal(size=(11, 4)) * 1.5 + 2
    assert kernel_distance.score(given(x, y)).value == pytest.approx(brute(polynomial, x, y), rel=1e-10)
    score = mmd.score(given(x, y))
    width = score.protocol["bandwidth"]
    assert width == pytest.approx(
        np.median([np.linalg.norm(x[i] - x[j]) for i in range(17) for j in range(i)]), rel=1e-12
    )
    expected = brute(lambda a, b: np.exp(-((a - b) ** 2).sum() / (2 * width**2)), x, y)
    assert score.value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("scale", "offset", "heavy"), [(1, 0, False), (1, 3, True), (1, 1e4, False), (1e-9, 0, False), (1e6, 0, False)]
)
def test_many_features_are_as_exact_as_their_score_needs(scale, offset, heavy):
    rng = np.random.default_rng(5)
    x, y = (rng.standard_t(2, (90, 80)) if heavy else rng.normal(size=(90, 80)) for _ in range(2))
    x, y = scale * x + offset, scale * y + offset
    score = kernel_distance.score(given(x, y))
    assert np.isfinite(score.error)
    assert abs(score.value - brute(less_one, x, y)) < score.error / 1000
    bandwidth = mmd.score(given(x, y))
    width = bandwidth.protocol["bandwidth"]
    expected = brute(lambda a, b: np.exp(-((a - b) ** 2).sum() / (2 * width**2)), x, y)
    assert abs(bandwidth.value - expected) < bandwidth.error / 1000


def test_a_tight_cluster_far_from_the_mean_is_compared_exactly():
    rng = np.random.default_rng(0)
    far = 10.0 * (np.arange(120) % 10 == 0)[:, None]  # a tenth of the events
    x, y = (3e-4 * rng.normal(size=(120, 80)) + far for _ in range(2))
    score = mmd.score(given(x, y))
    width = score.protocol["bandwidth"]
    assert width < 0.01
    expected = brute(lambda a, b: np.exp(-((a - b) ** 2).sum() / (2 * width**2)), x, y)
    assert score.value == pytest.approx(expected, abs=score.error / 1000)


def test_scores_of_one_evaluation_are_those_of_each_metric_alone():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(17, 4)), rng.normal(size=(11, 4))
    together = given(x, y)
    for metric in (mmd, kernel_distance):
        alone = metric.score(given(x, y))
        assert (metric.score(together).value, metric.score(together).error) == (alone.value, alone.error)


@pytest.mark.parametrize("metric", [kernel_distance, mmd])
@pytest.mark.parametrize(("n", "m", "shift"), [(40, 40, 0.0), (30, 60, 0.0), (60, 60, 0.4)])
def test_the_estimate_is_unbiased_and_its_error_matches_its_spread(metric, n, m, shift):
    """Of equal distributions the truth is 0; of others that of their moments."""
    rng = np.random.default_rng(7)
    scores = [metric.score(given(rng.normal(size=(n, 3)), rng.normal(shift, 1, (m, 3)))) for _ in range(600)]
    values, errors = np.array([s.value for s in scores]), np.array([s.error for s in scores])
    spread = values.std(ddof=1)
    if shift == 0 or metric is kernel_distance:  # the bandwidth of the other is another in each repeat
        assert abs(values.mean() - population(shift)) < 3.5 * spread / np.sqrt(len(values))
    assert errors.mean() == pytest.approx(spread, rel=0.15)


def population(shift):
    """The kernel distance of N(0, I) and N(shift, I) in three dimensions, from moments of third order."""

    def moments(mean):
        first = np.full(3, mean)
        second = np.eye(3) + np.outer(first, first)
        third = np.einsum("i,j,k->ijk", first, first, first)
        for i in range(3):
            for j in range(3):
                third[i, i, j] += mean
                third[i, j, i] += mean
                third[j, i, i] += mean
        return first, second, third

    # (x·y/3 + 1)³ = Σ binom(3, r) (x·y/3)^r, so the squared distance is that of the moments
    gaps = [a - b for a, b in zip(moments(0.0), moments(shift), strict=True)]
    return sum(c * (g**2).sum() / 3**r for r, (c, g) in enumerate(zip((3, 3, 1), gaps, strict=True), 1))


def test_real_events_that_are_mostly_equal_have_no_bandwidth():
    x = np.zeros((20, 2))
    x[0] = 1
    with pytest.raises(DataError, match="no distance to scale a kernel by"):
        median_distance(x)


def test_real_events_that_are_all_equal_are_refused():
    with pytest.raises(DataError, match="All real events have the same features"):
        kernel_distance.score(given(np.ones((20, 2)), np.zeros((20, 2))))
