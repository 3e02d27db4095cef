"""Columns one by one, and pair by pair, beside scipy, numpy and repeats."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from genzoo.errors import DataError
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.statistics import standard_error
from genzoo.metrics.tables.correlations import correlation_difference
from genzoo.metrics.tables.marginals import total_variation, wasserstein
from genzoo.spec.events import DataSpec, Feature

COLUMNS = (
    Feature("height"),
    Feature("visits", "count"),
    Feature("smokes", "binary", ("no", "yes")),
    Feature("blood", "categorical", ("A", "B", "O")),
)
DATA = DataSpec((4,), "table", COLUMNS, storage="float64")


def events(rng, n, shift=0.0):
    return np.column_stack(
        [rng.normal(170 + shift, 10, n), rng.poisson(3, n), rng.random(n) < 0.3, rng.integers(0, 3, n)]
    ).astype(float)


def given(real, samples, data=DATA):
    return MetricInput(data=data, real=real, samples=samples)


def test_columns_with_an_order_are_measured_in_real_standard_deviations():
    rng = np.random.default_rng(0)
    real, samples = events(rng, 200), events(rng, 150, 4)
    found = wasserstein.score(given(real, samples))
    expected = {
        name: wasserstein_distance(real[:, i] / real[:, i].std(), samples[:, i] / real[:, i].std())
        for i, name in enumerate(("height", "visits"))
    }
    assert found.parts == pytest.approx(expected)
    assert found.value == pytest.approx(np.mean(list(expected.values())))


def test_columns_with_levels_by_the_shares_that_differ():
    rng = np.random.default_rng(1)
    real, samples = events(rng, 200), events(rng, 150)
    samples[:, 3] = 2
    found = total_variation.score(given(real, samples))
    blood = 1 - (real[:, 3] == 2).mean()
    smokes = abs((real[:, 2] == 1).mean() - (samples[:, 2] == 1).mean())
    assert found.parts == pytest.approx({"smokes": smokes, "blood": blood})
    assert found.value == pytest.approx((smokes + blood) / 2)


def test_correlations_between_columns_match_numpy():
    rng = np.random.default_rng(2)
    real, samples = events(rng, 200), events(rng, 150)
    samples[:, 1] = np.round(samples[:, 0] / 20)

    def wide(x):
        return np.column_stack([x[:, :3], x[:, 3] == 1, x[:, 3] == 2])

    gaps = np.abs(np.corrcoef(wide(real), rowvar=False) - np.corrcoef(wide(samples), rowvar=False))
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j and {i, j} != {3, 4}]
    found = correlation_difference.score(given(real, samples))
    assert found.value == pytest.approx(np.mean([gaps[pair] for pair in pairs]))
    assert found.parts["blood"] == pytest.approx(np.mean([gaps[p] for p in pairs if p[0] >= 3]))
    assert max(found.parts, key=found.parts.get) in ("height", "visits")


@pytest.mark.parametrize("metric", [wasserstein, total_variation])
def test_standard_errors_are_the_spread_over_repeats(metric):
    rng = np.random.default_rng(3)
    scores = []
    for _ in range(120):
        samples = events(rng, 250, 5)
        samples[:, 2] = rng.random(250) < 0.6
        samples[:, 1] = np.maximum(samples[:, 1], samples[:, 2] * 3)
        scores.append(metric.score(given(events(rng, 200), samples)))
    spread = np.std([s.value for s in scores], ddof=1)
    assert np.mean([s.error for s in scores]) == pytest.approx(spread, rel=0.25)


def test_the_standard_error_of_correlations_matches_their_spread():
    rng = np.random.default_rng(7)
    data = DataSpec((2,), "table", COLUMNS[:2], storage="float64")

    def tied(n):
        x = rng.normal(size=(n, 1))
        return x + rng.normal(size=(n, 2)) * 0.7

    scores = [correlation_difference.score(given(tied(200), rng.normal(size=(250, 2)), data)) for _ in range(150)]
    assert np.mean([s.error for s in scores]) == pytest.approx(np.std([s.value for s in scores], ddof=1), rel=0.2)


def test_the_error_of_a_difference_of_means_is_the_known_one():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=400), rng.normal(0, 2, 300)
    found = np.mean([standard_error(lambda a, b: float(a.mean() - b.mean()), x, y, seed) for seed in range(40)])
    assert found == pytest.approx(np.sqrt(x.var() / 400 + y.var() / 300), rel=0.1)


def test_a_column_that_never_changes_is_named_and_left_out():
    rng = np.random.default_rng(5)
    real, samples = events(rng, 50), events(rng, 50)
    real[:, 1] = samples[:, 1] = 0.1
    assert set(wasserstein.score(given(real, samples)).parts) == {"height"}
    assert "visits never change" in wasserstein.score(given(real, samples)).notes[0]
    assert "visits" not in correlation_difference.score(given(real, samples)).parts
    real[:, 0] = 0.1
    with pytest.raises(DataError, match="height, visits never change"):
        wasserstein.score(given(real, samples))


def test_what_says_nothing_is_refused():
    rng = np.random.default_rng(6)
    one = DataSpec((1,), "table", (Feature("a"),), storage="float64")
    with pytest.raises(DataError, match="no binary or categorical column"):
        total_variation.score(given(rng.normal(size=(50, 1)), rng.normal(size=(50, 1)), one))
    with pytest.raises(DataError, match="need two columns"):
        correlation_difference.score(given(rng.normal(size=(50, 1)), rng.normal(size=(50, 1)), one))
    with pytest.raises(DataError, match="at least 20 samples, and there are 7"):
        wasserstein.score(given(events(rng, 50), events(rng, 7)))
    broken = events(rng, 50)
    broken[3, 0] = np.inf
    with pytest.raises(DataError, match="1 of 50 samples hold numbers that are not finite"):
        wasserstein.score(given(events(rng, 50), broken))
