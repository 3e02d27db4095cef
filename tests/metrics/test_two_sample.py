"""The classifier two-sample test: chance where there is nothing to tell, and no accuracy by heart."""

import numpy as np
import pytest

from genzoo.errors import DataError
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.two_sample import classifier_two_sample, halves


def score(real, samples, seed=0):
    return classifier_two_sample.score(MetricInput(real_features=real, sample_features=samples, seed=seed))


def test_it_is_chance_within_its_error_for_equal_distributions():
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        found.append(score(rng.normal(size=(200, 3)), rng.normal(size=(300, 3)), seed))
    z = np.array([(s.value - 0.5) / s.error for s in found])
    assert abs(z.mean()) < 3 / np.sqrt(12)
    assert 0.5 < z.std() < 1.6


def test_it_is_the_best_that_can_be_for_normals_apart():
    """The best classifier of N(0, 1) and N(2, 1) is right with probability Φ(1)."""
    rng = np.random.default_rng(0)
    found = score(rng.normal(size=(4_000, 1)), rng.normal(2, 1, (3_000, 1)))
    assert found.value == pytest.approx(0.8413, abs=3 * found.error)
    assert found.error == pytest.approx(np.sqrt(0.8413 * 0.1587 * (1 / 2_000 + 1 / 1_500)) / 2, rel=0.1)
    assert found.value == pytest.approx(np.mean([found.parts["real"], found.parts["samples"]]))


def test_what_no_column_shows_alone_is_seen():
    """Columns that are alike one by one and hang together in the real events only."""
    rng = np.random.default_rng(1)
    real = rng.normal(size=(1_000, 1)) * [1, 1] + 0.1 * rng.normal(size=(1_000, 2))
    samples = rng.normal(size=(1_000, 2))
    assert score(real, samples).value > 0.8


def test_the_same_seed_gives_the_same_number():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(100, 5)), rng.normal(size=(100, 5))
    assert score(x, y).value == score(x, y).value


def test_equal_events_are_never_parted():
    rng = np.random.default_rng(3)
    events = np.repeat(rng.normal(size=(60, 2)), 3, axis=0)
    drawn = np.arange(180) >= 90
    train = halves(events, drawn, 0)
    assert all(len(set(train[i : i + 3])) == 1 for i in range(0, 180, 3))
    assert train[~drawn].sum() == train[drawn].sum() == 45
    both = np.concatenate([events[:90], events[:90]])  # samples that are real events, every one
    assert score(both[:90], both[90:]).value == pytest.approx(0.5, abs=0.06)


def test_samples_that_are_all_one_event_have_no_halves():
    rng = np.random.default_rng(4)
    with pytest.raises(DataError, match="too few different samples, 1"):
        score(rng.normal(size=(50, 2)), np.ones((50, 2)))
