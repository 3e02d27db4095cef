"""The membership AUC, beside scikit-learn and repeats; intervals hold the truth; weights and what is refused."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from genzoo.errors import DataError
from genzoo.metrics.membership import Area, membership_auc
from genzoo.metrics.metric import MetricInput, error_of_difference


def score(train, held_out, **rest):
    return membership_auc.score(MetricInput(log_likelihoods=held_out, train_log_likelihoods=train, **rest))


@pytest.mark.parametrize("digits", [0, 8])
def test_the_area_matches_scikit_learn_with_ties_or_without(digits):
    rng = np.random.default_rng(digits)
    train, held_out = np.round(rng.normal(0.5, 1, 70), digits), np.round(rng.normal(0, 2, 110), digits)
    truth = np.arange(180) < 70
    assert score(train, held_out).value == pytest.approx(roc_auc_score(truth, np.concatenate([train, held_out])))


def test_rows_of_density_zero_are_the_least_likely():
    held_out = np.concatenate([np.full(20, -np.inf), np.arange(10.0)])
    assert score(np.arange(10.0), held_out).value == pytest.approx((20 + 10 * 0.5) / 30)


def test_the_error_is_the_spread_over_repeats():
    rng = np.random.default_rng(1)
    scores = [score(rng.normal(0.7, 1.5, 60), rng.normal(size=90)) for _ in range(400)]
    spread = np.std([found.value for found in scores])
    assert np.mean([found.error for found in scores]) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.5])
def test_intervals_hold_the_truth(shift):
    rng = np.random.default_rng(2)
    truth = np.mean(rng.normal(shift, 1, 1_000_000) > rng.normal(size=1_000_000))
    intervals = [score(rng.normal(shift, 1, 40), rng.normal(size=50)) for _ in range(300)]
    assert np.mean([found.low <= truth <= found.high for found in intervals]) == pytest.approx(0.95, abs=0.04)


def test_values_that_are_separated_leave_a_doubt():
    found = score(np.arange(10.0) + 100, np.arange(10.0))
    assert (found.value, found.error, found.high) == (1, 0, 1)
    assert 0.6 < found.low < 0.95
    assert (Area.of(np.arange(10.0), np.arange(10.0) + 100).interval[0]) == 0


def test_equal_likelihoods_show_nothing():
    found = score(np.zeros(30), np.zeros(30))
    assert (found.value, found.error) == (0.5, 0)
    assert found.low < 0.5 < found.high


def test_leaks_are_flagged_and_chance_is_not():
    rng = np.random.default_rng(3)
    assert "training row is likelier" in score(rng.normal(0.5, 1, 500), rng.normal(size=500)).notes[0]
    flagged = sum(bool(score(rng.normal(size=50), rng.normal(size=60)).notes) for _ in range(400))
    assert flagged <= 20


def test_counts_repeat_held_out_rows_and_rows_without_weight_are_left_out():
    rng = np.random.default_rng(4)
    train, held_out, counts = rng.normal(size=40), rng.normal(size=30), rng.integers(0, 4, 30)
    repeated = score(train, np.repeat(held_out, counts))
    weighted = score(train, held_out, weights=counts.astype(float))
    assert (weighted.value, weighted.error) == (repeated.value, repeated.error)
    fractions = np.where(counts > 0, 0.3, 0.0)
    assert score(train, held_out, weights=fractions).value == score(train, held_out[counts > 0]).value


def test_two_models_on_the_same_rows_are_paired():
    rng = np.random.default_rng(5)
    train, held_out = rng.normal(size=300), rng.normal(size=300)
    one, other = score(train, held_out), score(train + 0.01 * rng.normal(size=300), held_out)
    assert np.sum(np.square(one.shared)) == pytest.approx(one.error**2)
    assert error_of_difference(one, other) < 0.3 * one.error


def test_few_rows_and_nan_are_refused():
    with pytest.raises(DataError, match="at least 10 training rows, and there are 9"):
        score(np.zeros(9), np.zeros(30))
    with pytest.raises(DataError, match="at least 10 held-out rows, and there are 0"):
        score(np.zeros(30), np.zeros(0))
    with pytest.raises(DataError, match="some held-out rows have NaN"):
        score(np.zeros(30), np.full(30, np.nan))
