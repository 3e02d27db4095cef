"""Neighbours beside a literal transcription of their definitions."""

import numpy as np
import pytest

from genzoo.errors import DataError
from genzoo.metrics.distances import Nearest, Neighborhoods, radii
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.precision_recall import coverage, density, precision, recall

METRICS = (precision, recall, density, coverage)


def given(real, samples):
    return MetricInput(real_features=real, sample_features=samples)


def distances(a, b):
    return np.sqrt(((a[:, None] - b) ** 2).sum(axis=2))


def literal_radii(events, k):
    rows = distances(events, events)
    return np.array([sorted(np.delete(row, i))[k - 1] for i, row in enumerate(rows)])


def literal(real, samples, k):
    real_balls, sample_balls = literal_radii(real, k), literal_radii(samples, k)
    apart = distances(real, samples)
    inside = apart <= real_balls[:, None]
    return {
        "precision": np.mean([any(inside[:, j]) for j in range(len(samples))]),
        "recall": np.mean([any(row <= sample_balls) for row in apart]),
        "density": np.mean([sum(inside[:, j]) / k for j in range(len(samples))]),
        "coverage": np.mean([any(row) for row in inside]),
    }


def case(seed):
    """Events of one of five sorts: spread out, far from the origin, on a grid, with duplicates, of many features."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(8, 20, 2)
    sort = seed % 5
    width = 100 if sort == 4 else rng.integers(1, 20)
    real = rng.normal(size=(n, width))
    samples = rng.normal(rng.choice([0.0, 1.0]), 1.0, (m, width))
    if sort == 1:
        real, samples = real + 1e4, samples + 1e4
    elif sort == 2:
        real, samples = np.round(real), np.round(samples)
    elif sort == 3:
        real = real[rng.integers(0, n, n)]
        samples[rng.random(m) < 0.5] = real[0]
    elif sort == 4:
        samples[: m // 2] = real[rng.integers(0, n, m // 2)]
    return real, samples


@pytest.mark.parametrize("sort", range(5))
def test_scores_equal_their_definitions(sort):
    for seed in range(sort, 1000, 5):
        real, samples = case(seed)
        expected, both = literal(real, samples, 5), given(real, samples)
        for metric in METRICS:
            score = metric.score(both)
            assert score.value == pytest.approx(expected[score.metric], abs=1e-12), (seed, score.metric)
            assert score.protocol == {"k": 5}
            assert score.direction == "higher"


def test_an_error_is_never_0():
    rng = np.random.default_rng(0)
    score = coverage.score(given(rng.normal(size=(40, 2)), rng.normal(100.0, 1.0, (60, 2))))
    assert score.value == 0.0
    assert 2 * score.error == pytest.approx(3 / 40)  # the rule of three: at most 3 / n at 95 %


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    real, samples = rng.normal(size=(300, 80)), rng.normal(size=(200, 80))
    whole = radii(real, 5), Nearest.of(samples, real).ratio, [m.score(given(real, samples)).value for m in METRICS]
    monkeypatch.setattr("genzoo.metrics.distances._BLOCK", 7)
    monkeypatch.setattr("genzoo.metrics.distances._PAIRS", 1)
    blocks = radii(real, 5), Nearest.of(samples, real).ratio, [m.score(given(real, samples)).value for m in METRICS]
    for one, other in zip(whole, blocks, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(whole[0], literal_radii(real, 5))


@pytest.mark.parametrize("width", [3, 200])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_cluster_far_from_the_centre_keeps_its_neighbours(width, offset):
    """Squares of 1e8 leave float32 products nothing of distances of 1."""
    rng = np.random.default_rng(1)
    events = rng.normal(size=(60, width)) + offset
    events[30:] += 1e4
    assert np.array_equal(radii(events, 3), literal_radii(events, 3))


def test_a_copy_is_at_distance_zero_and_the_nearest_is_the_nearest():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(50, 100)), rng.normal(size=(70, 100))
    a[7], b[9] = b[3], b[11]
    apart = distances(a, b)
    found = Nearest.of(a, b)
    place = apart.argmin(axis=1)
    assert np.array_equal(found.place[:, 0], found.inverse[place])
    assert found.inverse[9] == found.inverse[11]
    ordered = np.sort(np.delete(apart, 9, axis=1), axis=1)
    assert np.array_equal(found.distance, ordered[:, :2])
    assert np.array_equal(found.ratio, ordered[:, 0] / ordered[:, 1])
    assert found.ratio[7] == 0


def test_samples_that_are_all_one_event_are_computed_at_once():
    """Ten thousand equal samples would be a hundred million pairs to look at one by one."""
    rng = np.random.default_rng(3)
    real = rng.normal(size=(2_000, 100))
    samples = np.repeat(real[:1], 10_000, axis=0)
    values = {m.name: pytest.approx(m.score(given(real, samples)).value) for m in METRICS}
    holding = (np.sqrt(((real - real[0]) ** 2).sum(axis=1)) <= radii(real, 5)).sum()
    assert values == {"precision": 1.0, "recall": 1 / 2_000, "density": holding / 5, "coverage": holding / 2_000}


def test_few_events_have_the_error_of_independent_ones():
    """Eleven events cannot be split into halves with neighborhoods."""
    rng = np.random.default_rng(4)
    real, samples = rng.normal(size=(11, 2)), rng.normal(size=(30, 2)) * 2
    score = precision.score(given(real, samples))
    assert 0 < score.value < 1
    assert score.error == pytest.approx(np.sqrt(score.value * (1 - score.value) / 30), rel=0.1)


def test_too_few_or_broken_events_are_refused():
    events = np.zeros((10, 3))
    broken = np.where(np.arange(30).reshape(10, 3) == 4, np.nan, 0.0)
    with pytest.raises(DataError, match="at least 6 samples, and there are 5"):
        coverage.score(given(events, events[:5]))
    with pytest.raises(DataError, match="1 of 10 samples hold numbers that are not finite"):
        coverage.score(given(events, broken))
    with pytest.raises(DataError, match="3 features"):
        coverage.score(given(events, np.zeros((10, 4))))


@pytest.mark.parametrize("width", [3, 100])
@pytest.mark.parametrize("exponent", [-600, -83, 60, 400])
def test_neighbours_are_the_same_in_any_unit(width, exponent):
    rng = np.random.default_rng(0)
    real, samples = rng.normal(size=(120, width)), rng.normal(0.1, 0.9, (90, width))
    small = np.ldexp(real, exponent), np.ldexp(samples, exponent)
    one, other = Neighborhoods.of(real, samples, 5), Neighborhoods.of(*small, 5)
    assert one.holding.any()
    assert 0 < one.reached.sum() < 120
    for field in ("holding", "covered", "reached"):
        assert np.array_equal(getattr(one, field), getattr(other, field))
    assert np.array_equal(Nearest.of(samples, real).ratio, Nearest.of(small[1], small[0]).ratio)
    assert np.array_equal(np.ldexp(radii(real, 5), exponent), radii(small[0], 5))
