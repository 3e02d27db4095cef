"""Neighbours beside a literal transcription of their definitions."""

import numpy as np
import pytest

from genzoo.metrics.distance import Nearest, radii
from genzoo.metrics.metric import Given
from genzoo.metrics.neighbours import coverage, density, precision, recall

METRICS = (precision, recall, density, coverage)


def given(real, samples):
    return Given(real_features=real, sample_features=samples)


def literal_radii(events, k):
    return np.array(
        [
            sorted(np.sqrt(((events[i] - events[j]) ** 2).sum()) for j in range(len(events)) if j != i)[k - 1]
            for i in range(len(events))
        ]
    )


def literal(real, samples, k):
    def distance(a, b):
        return np.sqrt(((a - b) ** 2).sum())

    real_balls, sample_balls = literal_radii(real, k), literal_radii(samples, k)
    inside = [[distance(r, s) <= real_balls[i] for s in samples] for i, r in enumerate(real)]
    return {
        "precision": np.mean([any(row[j] for row in inside) for j in range(len(samples))]),
        "recall": np.mean([any(distance(r, s) <= sample_balls[j] for j, s in enumerate(samples)) for r in real]),
        "density": np.mean([sum(row[j] for row in inside) / k for j in range(len(samples))]),
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


@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_scores_equal_their_definitions(start):
    for seed in range(start, start + 100):
        real, samples = case(seed)
        expected = literal(real, samples, 5)
        for metric in METRICS:
            score = metric.score(given(real, samples))
            assert score.value == pytest.approx(expected[score.metric], abs=1e-12), (seed, score.metric)
            assert score.protocol == {"k": 5}
            assert score.direction == "higher"


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    real, samples = rng.normal(size=(300, 80)), rng.normal(size=(200, 80))
    whole = radii(real, 5), Nearest.of(samples, real).ratio, [m.score(given(real, samples)).value for m in METRICS]
    monkeypatch.setattr("genzoo.metrics.distance._BLOCK", 7)
    monkeypatch.setattr("genzoo.metrics.distance._PAIRS", 1)
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
    distances = np.array([[np.sqrt(((x - y) ** 2).sum()) for y in b] for x in a])
    found = Nearest.of(a, b)
    place = distances.argmin(axis=1)
    assert np.array_equal(found.place, found.inverse[place])
    assert found.inverse[9] == found.inverse[11]
    ordered = np.sort(np.delete(distances, 9, axis=1), axis=1)
    assert np.array_equal(found.ratio, ordered[:, 0] / ordered[:, 1])
    assert found.ratio[7] == 0
