"""Copies of the training set are flagged, and fresh samples are not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import norm

from genzoo.errors import DataError
from genzoo.metrics.distances import Nearest
from genzoo.metrics.memorization import _nearer, memorization
from genzoo.metrics.metric import MetricInput
from genzoo.metrics.precision_recall import coverage
from genzoo.spec.events import DataSpec, Feature


def score(samples, real, train):
    return memorization.score(MetricInput(real_features=real, sample_features=samples, train_features=train))


def draw(rng, n):
    return rng.normal(size=(n, 4))


def test_the_share_of_training_neighbors_matches_permuted_labels():
    rng = np.random.default_rng(0)
    samples, real, train = (np.round(draw(rng, n)[:, :2], 1) for n in (60, 40, 40))
    found = score(samples, real, train)
    pool = np.concatenate([train, real])
    distances = cdist(samples, pool)
    nearest = np.isclose(distances, distances.min(1, keepdims=True), rtol=0, atol=1e-12)

    _, distinct = np.unique(pool, axis=0, return_inverse=True)

    def of(label, order):
        # Of several events that are nearest, equal ones count together, and an order of the others decides.
        firsts = [distinct[row][order[distinct[row]].argmin()] for row in nearest]
        return np.mean([label[distinct == first].mean() for first in firsts])

    label = (np.arange(80) < 40).astype(float)
    orders = [rng.permutation(80) for _ in range(400)]
    values = [of(label, order) for order in orders]
    assert np.ptp(values) < 0.2
    assert np.quantile(values, 0.005) <= found.value <= np.quantile(values, 0.995)
    anew = [of(rng.permutation(label), order) for order in orders]
    assert found.error == pytest.approx(np.std(anew), rel=0.15)


def test_one_column_has_the_share_of_sdmetrics():
    """Both sets have the same range: SDMetrics scales the distances to each by the range of that set."""
    pd = pytest.importorskip("pandas")
    sdmetrics = pytest.importorskip("sdmetrics.single_table")
    rng = np.random.default_rng(11)
    samples, real, train = (np.concatenate([[0.0, 1.0], rng.random(n)])[:, None] for n in (80, 60, 60))
    samples[:30] = train[20:50] + 1e-4
    x, y, z = (pd.DataFrame({"a": events[:, 0]}) for events in (train, samples[2:], real))
    metadata = {"tables": {"t": {"columns": {"a": {"sdtype": "numerical"}}}}}
    theirs = sdmetrics.DCROverfittingProtection.compute_breakdown(x, y, z, metadata, "t")
    found = score(samples[2:], real, train)
    assert found.value == pytest.approx(theirs["synthetic_data_percentages"]["closer_to_training"])
    assert min(2 - 2 * found.value, 1) == pytest.approx(theirs["score"])


def test_the_p_value_is_of_a_share_above_a_half():
    rng = np.random.default_rng(12)
    train = draw(rng, 200)
    copied, fresh = (score(samples, draw(rng, 200), train) for samples in (train + 1e-3, draw(rng, 200)))
    assert copied.parts["p_value"] < 1e-6
    assert fresh.parts["p_value"] == pytest.approx(norm.sf((fresh.value - 0.5) / fresh.error))


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.5, 2.0])
def test_a_model_that_is_too_narrow_or_too_wide_is_no_copier(spread):
    flagged = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        flagged += bool(score(spread * draw(rng, 120) + 1e-9 * draw(rng, 120), draw(rng, 80), draw(rng, 150)).notes)
    assert flagged <= 8


def test_few_copies_among_many_training_events_are_found():
    rng = np.random.default_rng(8)
    train, samples = draw(rng, 20_000), draw(rng, 1_000)
    samples[:10] = train[::2_000]
    found = score(samples, draw(rng, 1_000), train)
    assert found.parts["copies"] == 0.01
    assert "10 of 1000 samples equal a training event" in found.notes[0]


def test_fresh_samples_are_flagged_in_fewer_than_one_case_of_twenty():
    flagged, values = 0, []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        found = score(draw(rng, 120), draw(rng, 80), draw(rng, 150))
        flagged += bool(found.notes)
        values.append(found.value)
    assert flagged <= 20
    assert np.mean(values) == pytest.approx(0.5, abs=0.01)


def test_chance_copies_on_a_small_grid_are_not_flagged():
    flagged = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        samples, real, train = (rng.integers(0, 4, (n, 4)).astype(float) for n in (120, 80, 100))
        flagged += bool(score(samples, real, train).notes)
    assert flagged <= 10


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_copies_are_flagged_whole_or_in_part_with_noise_or_without(noise, share):
    rng = np.random.default_rng(3)
    train, samples = draw(rng, 400), draw(rng, 300)
    copied = rng.random(300) < share
    samples[copied] = train[rng.integers(0, 400, copied.sum())] + noise * draw(rng, int(copied.sum()))
    found = score(samples, draw(rng, 300), train)
    assert "copies" in found.notes[0]
    assert found.value > 0.5
    if noise == 0:
        assert found.parts["copies"] == copied.mean()
        assert f"{copied.sum()} of 300 samples equal a training event, and 0 of 300" in found.notes[0]


def test_copies_are_flagged_where_all_other_samples_are_far_away():
    """By rank alone the two would cancel."""
    rng = np.random.default_rng(4)
    train, samples = draw(rng, 400), draw(rng, 300) + 30
    samples[:100] = train[:100] + 0.02 * draw(rng, 100)
    found = score(samples, draw(rng, 300), train)
    assert "copies parts of its training set" in found.notes[0]


def test_events_that_were_trained_on_cannot_show_copies():
    rng = np.random.default_rng(5)
    train = draw(rng, 100)
    with pytest.raises(DataError, match="100 of 100 real events equal a training event"):
        score(train, train, train)


def test_in_data_of_few_values_equality_is_called_no_sign_of_copying():
    rng = np.random.default_rng(6)
    table = DataSpec((2,), "table", tuple(Feature(name, "binary", ("no", "yes")) for name in "ab"), storage="float32")
    real, samples, train = (rng.integers(0, 2, (60, 2)).astype(float) for _ in range(3))
    given = MetricInput(table, real_features=real, sample_features=samples, train_features=train)
    with pytest.raises(DataError, match="in such discrete data, equal rows are no sign of copying"):
        memorization.score(given)


def partly_copied(share, n=300, seed=0, noise=0.02):
    """Score samples, a share of them noisy copies of training events."""
    rng = np.random.default_rng(seed)
    train, samples = draw(rng, n), draw(rng, n)
    copied = rng.random(n) < share
    samples[copied] = train[rng.integers(0, n, copied.sum())] + noise * draw(rng, int(copied.sum()))
    return score(samples, draw(rng, n), train)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (1.0, "the model copies its training set:"),
        (0.85, "the model copies its training set:"),
        (0.45, "the model copies parts of its training set:"),
        (0.2, "samples lie somewhat nearer to training events than to held-out ones:"),
    ],
)
def test_the_sentence_fits_the_size_of_the_share(share, words):
    said = [partly_copied(share, seed=seed).notes for seed in range(20)]
    assert sum(bool(notes) and notes[0].startswith(words) for notes in said) >= 16
    if share < 0.5:
        assert not any("the model copies its training set" in note for notes in said for note in notes)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_the_stated_share_of_copies_is_about_the_true_one(share):
    """The interval between the brackets is checked against the share that was copied."""
    held = []
    for seed in range(60):
        found = partly_copied(share, seed=seed)
        low, high = (2 * (found.value + sign * 1.96 * found.error) - 1 for sign in (-1, 1))
        held.append(low <= share <= high)
    assert np.mean(held) >= 0.85


def test_a_share_little_above_a_half_is_not_called_copying():
    """0.61 ± 0.04."""
    sentence = _nearer(0.61, 0.04)
    assert "copies its training set" not in sentence
    assert "copies parts" not in sentence
    assert "61% ± 4%" in sentence
    assert "as if 22% [6%, 38%] of them were copies" in sentence


def test_a_few_equal_samples_are_called_a_few():
    rng = np.random.default_rng(8)
    train, samples = draw(rng, 2_000), draw(rng, 1_000)
    for count, words in (
        (12, "a few samples are copies"),
        (300, "copies parts of its"),
        (700, "copies its training set"),
    ):
        mixed = samples.copy()
        mixed[:count] = train[:count]
        assert words in score(mixed, draw(rng, 1_000), train).notes[0]


@pytest.mark.parametrize("training", [50, 90])
def test_neighbors_that_another_metric_found_are_the_same(training, monkeypatch):
    rng = np.random.default_rng(1)
    samples, real, train = (np.round(draw(rng, n), 1) for n in (60, 90, training))
    samples[:20], train[:5] = train[:20], real[:5]
    given = MetricInput(real_features=real, sample_features=samples, train_features=train)
    alone = memorization.score(given)
    shared = replace(given, shared={})
    coverage.score(shared)
    searched = []
    monkeypatch.setattr(Nearest, "of", lambda *events, of=Nearest.of: searched.append(events) or of(*events))
    assert memorization.score(shared) == alone
    assert len(searched) == (1 if training == 90 else 2)
    assert alone.value > 0.6
