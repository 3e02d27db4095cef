"""Column shapes and pair trends, beside SDMetrics (if it is installed), scipy, closed forms and repeats."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from genzoo.errors import DataError
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.tables import pair_trends as module
from genzoo.metrics.tables.marginals import column_shapes
from genzoo.metrics.tables.pair_trends import pair_trends
from genzoo.spec.events import DataSpec, Feature

COLUMNS = (
    Feature("height"),
    Feature("visits", "count"),
    Feature("smokes", "binary", ("no", "yes")),
    Feature("blood", "categorical", ("A", "B", "O")),
)
DATA = DataSpec((4,), "table", COLUMNS, storage="float64")


def events(seed, n, shift=0.0):
    rng = np.random.default_rng(seed)
    smokes = rng.random(n) < 0.3
    height = rng.normal(170 + shift, 10, n) + 8 * smokes
    return np.column_stack([height, rng.poisson(height / 60), smokes, rng.integers(0, 3, n)]).astype(float)


def given(real, samples, data=DATA, **rest):
    return MetricInput(data=data, real=real, samples=samples, **rest)


def pair(one, other):
    return DataSpec((2,), "table", (one, other), storage="float64")


def test_shapes_match_scipy_and_shares_of_levels():
    real, samples = events(0, 300), events(1, 200, 4)
    found = column_shapes.score(given(real, samples))
    blood = [np.bincount(x[:, 3].astype(int), minlength=3) / len(x) for x in (real, samples)]
    expected = {
        "height": 1 - ks_2samp(real[:, 0], samples[:, 0]).statistic,
        "visits": 1 - ks_2samp(real[:, 1], samples[:, 1]).statistic,
        "smokes": 1 - abs(real[:, 2].mean() - samples[:, 2].mean()),
        "blood": 1 - np.abs(blood[0] - blood[1]).sum() / 2,
    }
    assert found.parts == pytest.approx(expected)
    assert found.value == pytest.approx(np.mean(list(expected.values())))
    assert found.direction == "higher"
    assert list(found.parts.values()) == sorted(found.parts.values())


def test_shapes_and_trends_match_sdmetrics():
    pd = pytest.importorskip("pandas")
    columns = pytest.importorskip("sdmetrics.single_column")
    pairs = pytest.importorskip("sdmetrics.column_pairs")
    names = [feature.name for feature in COLUMNS]
    real, samples = events(2, 400), events(3, 250, 5)
    x, y = (pd.DataFrame(part, columns=names) for part in (real, samples))
    shapes = {
        name: (columns.KSComplement if feature.levels is None else columns.TVComplement).compute(x[name], y[name])
        for name, feature in zip(names, COLUMNS, strict=True)
    }
    assert column_shapes.score(given(real, samples)).parts == pytest.approx(shapes)
    trends = {}
    for one, other in combinations(COLUMNS, 2):
        both = [one.name, other.name]
        if one.levels is None and other.levels is None:
            trends[tuple(both)] = pairs.CorrelationSimilarity.compute(x[both], y[both])
        else:
            numbers = [feature.name for feature in (one, other) if feature.levels is None]
            trends[tuple(both)] = pairs.ContingencySimilarity.compute(
                x[both].copy(), y[both].copy(), continuous_column_names=numbers
            )
    found = pair_trends.score(given(real, samples))
    assert found.value == pytest.approx(np.mean(list(trends.values())))
    for name in names:
        assert found.parts[name] == pytest.approx(np.mean([trends[own] for own in trends if name in own]))


def test_two_columns_of_numbers_are_as_similar_as_their_correlations():
    rng = np.random.default_rng(4)
    x, noise = rng.normal(size=(2, 500))
    real, samples = np.column_stack([x, x]), np.column_stack([x, -x + 0.3 * noise])
    r = np.corrcoef(samples.T)[0, 1]
    found = pair_trends.score(given(real, samples, pair(Feature("a"), Feature("b"))))
    assert found.value == pytest.approx(1 - (1 - r) / 2)
    assert found.protocol["pairs"] == 1


def test_numbers_beside_levels_fall_into_ten_bins_of_the_real_range():
    """Real numbers fill all ten bins; samples lie far outside, in the last bin."""
    data = pair(Feature("a"), Feature("b", "binary", ("no", "yes")))
    real = np.column_stack([np.arange(100.0), np.zeros(100)])
    samples = np.column_stack([np.full(50, 1e6), np.zeros(50)])
    assert pair_trends.score(given(real, samples, data)).value == pytest.approx(0.1)
    flipped = np.column_stack([np.arange(100.0), np.ones(100)])
    assert pair_trends.score(given(real, flipped, data)).value == 0


def test_equal_tables_have_both_scores_of_one():
    real = events(5, 200)
    assert column_shapes.score(given(real, real)).value == 1
    assert pair_trends.score(given(real, real)).value == pytest.approx(1)


def test_constant_columns_have_no_correlations_but_tables():
    real, samples = events(6, 100), events(7, 100)
    real[:, 1] = 3
    found = pair_trends.score(given(real, samples))
    assert found.protocol["pairs"] == 5
    assert found.notes == ("left out: correlations with visits, which never change in the real events.",)
    assert "visits" in found.parts
    numbers = pair(Feature("a"), Feature("b"))
    with pytest.raises(DataError, match="correlations two that change"):
        pair_trends.score(given(real[:, :2], samples[:, :2], numbers))


def test_a_collapsed_model_does_not_gain_by_constant_columns():
    x = np.random.default_rng(8).normal(size=200)
    real, samples = np.column_stack([x, x]), np.ones((200, 2))
    assert pair_trends.score(given(real, samples, pair(Feature("a"), Feature("b")))).value == pytest.approx(0.5)


def test_levels_that_never_occur_and_single_levels_are_fine():
    one = pair(Feature("a", "categorical", ("x",)), Feature("b", "categorical", tuple(map(str, range(300)))))
    rng = np.random.default_rng(9)
    real, samples = (np.column_stack([np.zeros(n), rng.integers(0, 40, n)]).astype(float) for n in (80, 60))
    found = pair_trends.score(given(real, samples, one))  # 300 cells for 140 rows
    shares = [np.bincount(x[:, 1].astype(int), minlength=40) / len(x) for x in (real, samples)]
    assert found.value == pytest.approx(1 - np.abs(shares[0] - shares[1]).sum() / 2)
    assert column_shapes.score(given(real, samples, one)).parts["a"] == pytest.approx(1)


@pytest.mark.parametrize("metric", [column_shapes, pair_trends])
def test_weights_count_as_repeated_rows_do(metric):
    real, samples = events(10, 60), events(11, 50, 5)
    weights = np.random.default_rng(12).integers(1, 4, 60)
    repeated = metric.score(given(np.repeat(real, weights, axis=0), samples))
    weighted = metric.score(given(real, samples, real_weights=weights.astype(float)))
    assert weighted.value == pytest.approx(repeated.value)
    assert weighted.parts == pytest.approx(repeated.parts)


@pytest.mark.parametrize("metric", [column_shapes, pair_trends])
def test_standard_errors_are_the_spread_over_repeats(metric):
    scores = [metric.score(given(events(2 * seed, 200), events(2 * seed + 1, 250, 5))) for seed in range(120)]
    spread = np.std([score.value for score in scores], ddof=1)
    assert np.mean([score.error for score in scores]) == pytest.approx(spread, rel=0.25)


def test_the_error_of_wide_tables_comes_from_fewer_rows(monkeypatch):
    both = given(events(13, 2_000), events(14, 2_000, 5))
    whole = pair_trends.score(both)
    monkeypatch.setattr(module, "_COUNTED", 96 * 5 * 500)
    thinned = pair_trends.score(both)
    assert thinned.value == whole.value
    assert thinned.error == pytest.approx(whole.error, rel=0.3)
    assert len(thinned.shared) == len(whole.shared)


def test_cells_that_do_not_stay_in_memory_give_the_same(monkeypatch):
    both = given(events(15, 100), events(16, 100))
    kept = pair_trends.score(both)
    monkeypatch.setattr(module, "_KEPT", 0)
    assert pair_trends.score(both) == kept


def test_too_few_rows_and_numbers_that_are_not_finite_are_refused():
    for metric in (column_shapes, pair_trends):
        with pytest.raises(DataError, match="at least 20 real events"):
            metric.score(given(events(17, 9), events(18, 50)))
        broken = events(17, 50)
        broken[3, 0] = np.nan
        with pytest.raises(DataError, match="1 of 50 samples hold"):
            metric.score(given(events(18, 50), broken))
    alone = DataSpec((1,), "table", (Feature("a"),), storage="float64")
    with pytest.raises(DataError, match="Pairs need two columns"):
        pair_trends.score(given(events(17, 50)[:, :1], events(18, 50)[:, :1], alone))
