"""The metrics beside a literal transcription of their definitions."""

import numpy as np
import pytest

from genzoo.errors import DataError
from genzoo.metrics.metric import Given
from genzoo.metrics.neighbours import coverage, density, precision, radii, recall


def literal(real, samples, k):
    def distance(a, b):
        return np.sqrt(((a - b) ** 2).sum())

    def ball(events, i):
        return sorted(distance(events[i], events[j]) for j in range(len(events)) if j != i)[k - 1]

    real_balls = [ball(real, i) for i in range(len(real))]
    sample_balls = [ball(samples, i) for i in range(len(samples))]
    inside = [[distance(r, s) <= real_balls[i] for s in samples] for i, r in enumerate(real)]
    return {
        "precision": np.mean([any(row[j] for row in inside) for j in range(len(samples))]),
        "recall": np.mean([any(distance(r, s) <= sample_balls[j] for j, s in enumerate(samples)) for r in real]),
        "density": np.mean([sum(row[j] for row in inside) / k for j in range(len(samples))]),
        "coverage": np.mean([any(row) for row in inside]),
    }


@pytest.mark.parametrize("seed", range(25))
def test_scores_equal_their_definitions(seed):
    rng = np.random.default_rng(seed)
    n, m, width = rng.integers(8, 20, 3)
    offset = rng.choice([0.0, 1e4])
    real = rng.normal(size=(n, width)) + offset
    samples = rng.normal(rng.choice([0.0, 1.0]), 1.0, (m, width)) + offset
    expected = literal(real, samples, 5)
    for metric in (precision, recall, density, coverage):
        score = metric.score(Given(real_features=real, sample_features=samples))
        assert score.value == pytest.approx(expected[score.metric], abs=1e-12)
        assert score.protocol == {"k": 5}
        assert score.direction == "higher"


def test_blocks_do_not_show(monkeypatch):
    events = np.random.default_rng(0).normal(size=(300, 4))
    whole = radii(events, 5)
    monkeypatch.setattr("genzoo.metrics.neighbours._BLOCK", 7)
    assert np.allclose(radii(events, 5), whole, rtol=1e-12)


def test_too_few_or_broken_events_are_refused():
    events = np.zeros((10, 3))
    with pytest.raises(DataError, match="at least 6 samples"):
        coverage.score(Given(real_features=events, sample_features=events[:5]))
    broken = np.where(np.arange(30).reshape(10, 3) == 4, np.nan, 0.0)
    with pytest.raises(DataError, match="1 of 10 samples"):
        coverage.score(Given(real_features=events, sample_features=broken))
    with pytest.raises(DataError, match="3 features"):
        coverage.score(Given(real_features=events, sample_features=np.zeros((10, 4))))
