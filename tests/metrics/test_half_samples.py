"""Errors by half-sampling beside closed forms and repeats; errors of differences; what halves of the real rows show."""

import numpy as np
import pytest

from genzoo.metrics.frechet import frechet
from genzoo.metrics.halves.half_neighborhoods import HalfNeighborhoods
from genzoo.metrics.halves.half_samples import between_halves, in_groups, random_halves
from genzoo.metrics.metric import MetricInput, Score, error_of_difference
from genzoo.metrics.mmd import mmd
from genzoo.metrics.precision_recall import coverage, density, precision, recall
from genzoo.metrics.tables.correlations import correlation_difference
from genzoo.metrics.tables.marginals import total_variation, wasserstein
from genzoo.spec.events import DataSpec, Feature

NEIGHBORS = (precision, recall, density, coverage)
TABLE = DataSpec((3,), "table", tuple(Feature(name) for name in "abc"), storage="float64")


def given(real, samples, seed=0):
    return MetricInput(TABLE, real, samples, real, samples, seed=seed)


def test_halves_have_half_of_the_events_and_differ_from_split_to_split():
    halves = random_halves(101, 3, 0)
    assert (halves.sum(axis=1) == 50).all()
    assert len({row.tobytes() for row in halves}) == len(halves)
    assert np.array_equal(halves, random_halves(101, 3, 0))
    assert not np.array_equal(halves, random_halves(101, 3, 1))


@pytest.mark.parametrize("case", [(3, 0.0), (3, 0.6)])
def test_errors_and_errors_of_differences_are_the_spread_over_repeats(case):
    """Two equal generators share the real events, so their difference spreads less than two errors suggest."""
    width, shift = case
    rng = np.random.default_rng(7)
    metrics = (*NEIGHBORS, correlation_difference, wasserstein)
    values, errors, apart = ([[] for _ in metrics] for _ in range(3))
    gaps = [[] for _ in metrics]
    for seed in range(80):
        real = rng.normal(size=(150, width))
        pair = [given(real, rng.normal(shift, 1, (150, width)), seed) for _ in range(2)]
        for place, metric in enumerate(metrics):
            one, other = (metric.score(part) for part in pair)
            values[place].append(one.value)
            errors[place].append(one.error**2)
            gaps[place].append(one.value - other.value)
            apart[place].append(error_of_difference(one, other) ** 2)
    for place, metric in enumerate(metrics):
        assert np.sqrt(np.mean(errors[place])) == pytest.approx(np.std(values[place]), rel=0.3), metric.name
        assert np.sqrt(np.mean(apart[place])) == pytest.approx(np.std(gaps[place]), rel=0.35), metric.name


def test_errors_of_neighbors_are_larger_than_those_of_independent_events():
    rng = np.random.default_rng(1)
    real, samples = rng.normal(size=(300, 2)), rng.normal(0.5, 1, (300, 2))
    score = coverage.score(given(real, samples))
    assert score.error > 1.2 * np.sqrt(score.value * (1 - score.value) / 300)


def test_halves_of_neighborhoods_equal_neighborhoods_of_halves():
    rng = np.random.default_rng(2)
    real, samples = rng.normal(size=(60, 2)), rng.normal(size=(80, 2))
    found = HalfNeighborhoods.of(real, samples, 3, np.ones(60), 5)
    mine, theirs = random_halves(60, 5, 0), random_halves(80, 5, 1)
    agree = total = 0
    for (first, second), u, v in zip(found.pairs, mine, theirs, strict=True):
        for half, x, y in ((first, real[u], samples[v]), (second, real[~u], samples[~v])):
            apart = np.linalg.norm(y[:, None] - x, axis=2)
            reach = np.sort(np.linalg.norm(x[:, None] - x, axis=2), axis=1)[:, 3]
            own = np.sort(np.linalg.norm(y[:, None] - y, axis=2), axis=1)[:, 3]
            agree += (half.near.holding == (apart <= reach).sum(axis=1)).sum()
            agree += (half.near.covered == (apart <= reach).any(axis=0)).sum()
            agree += (half.near.reached == (apart <= own[:, None]).any(axis=0)).sum()
            total += len(y) + 2 * len(x)
    assert agree / total > 0.97  # lists of neighbors end now and then before the third of a half


def test_many_events_in_blocks_have_the_error_of_one_block(monkeypatch):
    rng = np.random.default_rng(3)
    both = given(rng.normal(size=(900, 3)), rng.normal(0.3, 1, (900, 3)))
    whole = [metric.score(both).error for metric in NEIGHBORS]
    monkeypatch.setattr("genzoo.metrics.halves.half_neighborhoods._BLOCK", 300)
    blocks = [metric.score(given(both.real, both.samples)).error for metric in NEIGHBORS]
    assert blocks == pytest.approx(whole, rel=0.4)
    assert blocks != whole


def test_scores_without_a_shared_part_differ_as_if_independent():
    one, other = Score("a", 1.0, "lower", 3.0), Score("a", 1.0, "lower", 4.0)
    assert error_of_difference(one, other) == 5.0
    assert error_of_difference(one, Score("a", 1.0, "lower")) is None
    same = Score("a", 1.0, "lower", 5.0, shared=(3.0, 0.0)), Score("a", 2.0, "lower", 5.0, shared=(3.0, 0.0))
    assert error_of_difference(*same) == pytest.approx(np.sqrt(32))


def test_parts_in_groups_keep_their_sum_of_squares():
    parts = np.random.default_rng(4).normal(size=500)
    groups = np.array(in_groups(parts, 0))
    assert groups @ groups == pytest.approx(parts @ parts)


def test_the_value_between_halves_is_as_large_as_of_a_perfect_model():
    """Halves have half of the events: the Fréchet distance doubles, and the others grow by the root of 2."""
    rng = np.random.default_rng(5)
    levels = DataSpec((1,), "table", (Feature("l", "categorical", ("a", "b", "c")),), storage="float64")
    ratios = {metric.name: [] for metric in (frechet, wasserstein, correlation_difference, total_variation)}
    for seed in range(60):
        both = given(rng.normal(size=(400, 3)), rng.normal(size=(400, 3)), seed)
        codes = MetricInput(levels, *(rng.integers(0, 3, (400, 1)).astype(float) for _ in range(2)), seed=seed)
        for metric in (frechet, wasserstein, correlation_difference, total_variation):
            score = metric.score(codes if metric is total_variation else both)
            ratios[metric.name].append((score.real_halves, score.value))
    means = {name: np.mean(pairs, axis=0) for name, pairs in ratios.items()}
    assert means["frechet-distance"][0] / means["frechet-distance"][1] == pytest.approx(2, rel=0.25)
    for name in ("wasserstein", "correlation-difference", "total-variation"):
        assert means[name][0] / means[name][1] == pytest.approx(np.sqrt(2), rel=0.25), name


def test_unbiased_metrics_need_no_halves_beside_them():
    rng = np.random.default_rng(6)
    both = given(rng.normal(size=(50, 3)), rng.normal(size=(50, 3)))
    assert mmd.score(both).real_halves is None
    assert coverage.score(both).real_halves is None


def test_between_halves_compares_disjoint_events():
    seen = []
    between_halves(lambda u, v: seen.append(float(u @ v)) or 0.0, np.ones(21), 0)
    assert set(seen) == {0.0}
