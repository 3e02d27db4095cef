"""Paired differences beside scipy's tests, a mixed model's closed form, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from genzoo.metrics.statistics import are_frequencies, chance_of_a_false_difference, estimate, paired_difference


def scores(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, n)), rng.normal(0.3, 1.0, (1, n))


def test_one_split_is_the_paired_t_test():
    a, b = scores()
    expected = stats.ttest_rel(a[0], b[0]).confidence_interval()
    assert paired_difference(a, b).interval == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_frequencies_count_as_repeated_events():
    a, b = scores()
    weights = np.random.default_rng(1).integers(0, 4, 40).astype(float)
    repeated = np.repeat(np.arange(40), weights.astype(int))
    found, expected = paired_difference(a, b, weights), paired_difference(a[:, repeated], b[:, repeated])
    assert (found.mean, found.se, found.freedom) == pytest.approx((expected.mean, expected.se, expected.freedom))


def test_other_weights_have_the_error_of_a_weighted_mean():
    a, _ = scores(4000)
    weights = np.random.default_rng(2).uniform(0.5, 2, 4000)
    assert not are_frequencies(weights)
    found = estimate(a, weights)
    assert found.mean == pytest.approx(np.average(a[0], weights=weights))
    assert found.se == pytest.approx(math.sqrt((weights**2).sum()) / weights.sum(), rel=0.05)


def test_where_folds_differ_the_error_is_that_between_their_means():
    rng = np.random.default_rng(3)
    folds = np.repeat(np.arange(5), 20)
    values = rng.normal(0, 0.01, 100) + rng.normal(size=5)[folds]
    means = values.reshape(5, 20).mean(axis=1)
    found = estimate(values[None], folds=folds)
    assert found.se == pytest.approx(means.std(ddof=1) / math.sqrt(5))
    expected = stats.t.interval(0.95, 4, means.mean(), means.std(ddof=1) / math.sqrt(5))
    assert found.interval == pytest.approx(expected, rel=1e-12)


def test_folds_that_agree_by_luck_do_not_shrink_the_error():
    values = np.tile(np.array([-1.0, 1.0]), 50)
    folds = np.repeat(np.arange(10), 10)
    assert estimate(values[None], folds=folds).se == pytest.approx(math.sqrt(100 / 90) / 10)


def test_seeds_that_disagree_widen_the_error():
    rng = np.random.default_rng(4)
    repeated = np.array([[0.0], [1.0], [2.0]]) + rng.normal(0, 1e-6, (3, 50))
    found = estimate(repeated)
    assert found.se == pytest.approx(1 / math.sqrt(3), rel=1e-4)
    assert found.freedom == pytest.approx(2, rel=1e-4)


def test_a_model_does_not_differ_from_itself():
    a, _ = scores()
    assert paired_difference(a, a).interval == (0.0, 0.0)


def test_one_event_a_fold_is_as_without_folds():
    a, b = scores()
    found, expected = paired_difference(a, b, folds=np.arange(40)), paired_difference(a, b)
    assert found.interval == pytest.approx(expected.interval)


def test_one_event_tells_nothing():
    found = estimate(np.array([[1.0]]))
    assert found.mean == 1.0
    assert math.isnan(found.se)
    assert all(math.isnan(end) for end in found.interval)


@pytest.mark.parametrize("groups", [3, 5, 10])
@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.0, 5.0])
def test_intervals_of_cross_validation_cover_the_truth(groups, ratio):
    """Folds of 20 events, whose means vary `ratio` times as much as those of independent events."""
    rng = np.random.default_rng(5)
    folds = np.repeat(np.arange(groups), 20)
    shared = math.sqrt((ratio - 1) / 20)
    covered = 0
    for _ in range(2_000):
        values = rng.normal(size=20 * groups) + shared * rng.normal(size=groups)[folds]
        low, high = estimate(values[None], folds=folds).interval
        covered += low <= 0 <= high
    assert covered >= (1870 if groups > 3 else 1840)  # 95 %, and less where only a few folds tell how they vary


def test_events_of_no_weight_take_no_part():
    a, b = scores()
    folds = np.repeat(np.arange(8), 5)
    weights = np.random.default_rng(6).integers(1, 3, 40).astype(float)
    weights[folds == 3] = 0
    some = weights > 0
    for w in (weights, weights * 1.5):
        assert paired_difference(a, b, w, folds) == paired_difference(a[:, some], b[:, some], w[some], folds[some])


def test_whether_weights_are_frequencies_can_be_said():
    a, _ = scores()
    weights = np.full(40, 2.0)
    assert estimate(a, weights, frequencies=False).se == pytest.approx(estimate(a).se)
    assert estimate(a, weights).freedom == 79


@pytest.mark.parametrize("count", [2, 3, 10, 50])
def test_equal_models_differ_as_often_as_the_studentized_range_says(count):
    expected = stats.studentized_range.sf(math.sqrt(2) * stats.norm.ppf(0.975), count, np.inf)
    assert chance_of_a_false_difference(count) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_repeated_in_a_group_add_no_certainty(weighted):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(1, 40))
    weights = rng.integers(1, 3, 40).astype(float) if weighted else None
    groups = np.arange(40)
    once = estimate(scores, weights, groups=groups)
    three = None if weights is None else np.repeat(weights, 3)
    thrice = estimate(np.repeat(scores, 3, axis=1), three, groups=np.repeat(groups, 3))
    assert thrice.mean == pytest.approx(once.mean)
    assert thrice.freedom == 39
    if weighted:
        assert thrice.se > 1.5 * estimate(np.repeat(scores, 3, axis=1), three).se
    else:
        assert thrice.se == pytest.approx(scores.std(ddof=1) / np.sqrt(40))
        assert once.se == pytest.approx(thrice.se)


def test_errors_of_groups_that_are_alike_cover_the_truth():
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        groups = np.repeat(np.arange(30), rng.integers(1, 8, 30))
        scores = rng.normal(size=30)[groups] + 0.1 * rng.normal(size=len(groups))
        low, high = estimate(scores[None], groups=groups).interval
        inside += low <= 0 <= high
    assert inside / 400 == pytest.approx(0.94, abs=0.035)  # the usual formula is slightly too narrow for few groups


def test_one_group_alone_has_no_standard_error():
    assert np.isnan(estimate(np.arange(5.0)[None], groups=np.zeros(5, np.int64)).se)
