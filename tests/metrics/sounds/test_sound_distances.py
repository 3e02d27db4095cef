"""Distances between lengths and loudness of sounds, and copies of sounds."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from genzoo.data.sounds.facts import loudness, samples_of, seconds_of
from genzoo.data.sounds.folder import sound_spec
from genzoo.errors import DataError
from genzoo.features.log_mel import LogMelExtractor
from genzoo.metrics.memorization import memorization
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.sounds.distances import length_distance, loudness_distance

RATE, SIZE = 4000, 1200
DATA = sound_spec(SIZE, RATE)


def noise(count, seed, quiet=0.0, longer=0):
    """Noise of different lengths and loudness."""
    rng = np.random.default_rng(seed)
    ends = rng.integers(200, 800, count) + longer
    size = 10 ** (rng.uniform(2, 3.5, count) - quiet / 20)
    events = rng.normal(size=(count, SIZE)) * size[:, None]
    events[np.arange(SIZE) >= ends[:, None]] = 0
    return events.round().clip(-(2**15), 2**15 - 1).astype(np.int16)


def given(samples, real, **more):
    return MetricInput(DATA, real, samples, **more)


@pytest.mark.parametrize(("metric", "of"), [(length_distance, seconds_of), (loudness_distance, loudness)])
def test_the_distance_is_scipys(metric, of):
    real, samples = noise(60, 0), noise(45, 1, quiet=6, longer=100)
    weights = np.random.default_rng(2).uniform(0.5, 2, 60)
    own, drawn = of(real, DATA), of(samples, DATA)
    assert metric.score(given(samples, real)).value == pytest.approx(wasserstein_distance(own, drawn))
    weighted = metric.score(given(samples, real, real_weights=weights)).value
    assert weighted == pytest.approx(wasserstein_distance(own, drawn, weights))


def test_longer_and_quieter_sounds_are_as_far_as_they_were_moved():
    real = noise(200, 3)
    quieter = (real * 10 ** (-6 / 20)).round().astype(np.int16)
    assert loudness_distance.score(given(quieter, real)).value == pytest.approx(6, abs=0.2)
    later = np.roll(real, 200, axis=1)
    assert length_distance.score(given(later, real)).value == pytest.approx(200 / RATE, abs=0.003)


def test_the_error_is_the_spread_over_repeats():
    scores = [length_distance.score(given(noise(80, seed, longer=60), noise(80, 100 + seed))) for seed in range(60)]
    errors = np.mean([score.error for score in scores])
    assert errors == pytest.approx(np.std([score.value for score in scores]), rel=0.3)
    assert scores[0].real_halves > 0
    assert scores[0].parts["sampled_mean"] > scores[0].parts["real_mean"]


def test_silent_samples_are_noted_and_too_few_are_an_error():
    real, samples = noise(30, 5), noise(30, 6)
    samples[:3] = 0
    assert loudness_distance.score(given(samples, real)).notes == ("3 samples of 30 silent.",)
    with pytest.raises(DataError, match="needs at least 20 sampled sounds, and there are 19"):
        length_distance.score(given(samples[:19], real))


def test_the_number_of_samples_is_up_to_the_last_that_is_not_zero():
    assert samples_of(np.array([[0, 0, 0], [0, 5, 0], [1, 0, -1]])).tolist() == [0, 2, 3]


def test_copies_of_training_sounds_are_flagged_and_new_sounds_are_not():
    train, real, fresh = (noise(100, seed) for seed in (10, 11, 12))
    extractor = LogMelExtractor(DATA, real)

    def score(samples):
        features = [extractor(events) for events in (samples, real, train)]
        return memorization.score(MetricInput(DATA, real, samples, features[1], features[0], features[2]))

    rng = np.random.default_rng(13)
    near = np.where(train != 0, train + rng.integers(-3, 4, train.shape), 0).astype(np.int16)
    assert "copies its training set" in score(train).notes[0]
    assert any("copies" in note for note in score(near).notes)
    assert not score(fresh).notes
    assert score(fresh).value == pytest.approx(0.5, abs=0.2)
