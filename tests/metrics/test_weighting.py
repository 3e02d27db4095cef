"""Weighted events: counts equal repeated rows; other weights give the distribution that they describe."""

import dataclasses

import numpy as np
import pytest
import torch

import genzoo
from genzoo.data.dataset import Dataset
from genzoo.data.transforms import AffineTransform
from genzoo.inference.rows.scores import ScoreResult
from genzoo.metrics.evaluation.choice import find_extractor, find_metrics
from genzoo.metrics.evaluation.reference import make_reference
from genzoo.metrics.evaluator import compute_metrics
from genzoo.metrics.frechet import frechet, frechet_distance
from genzoo.metrics.metric import Metric, MetricInput, Score
from genzoo.metrics.mmd import kernel_distance, mmd
from genzoo.metrics.precision_recall import coverage, density, precision, recall
from genzoo.metrics.tables.correlations import correlation_difference
from genzoo.metrics.tables.marginals import total_variation, wasserstein
from genzoo.metrics.two_sample import classifier_two_sample
from genzoo.metrics.weighting import counted_values, repeated, same_squares, spread_evenly
from genzoo.plugins.manager import get_registry

COLUMNS = (genzoo.Feature("a"), genzoo.Feature("b"), genzoo.Feature("c", "categorical", ("x", "y", "z")))
TABLE = genzoo.DataSpec((3,), "table", COLUMNS, storage="float64")


class Shelf(genzoo.Generator):
    """A generator whose samples are given events, in order."""

    def __init__(self, events):
        super().__init__()
        self.register_buffer("events", torch.as_tensor(events))
        self.place = 0

    def sample(self, n, *, condition=None, **options):
        rows = torch.arange(self.place, self.place + n) % len(self.events)
        self.place += n
        return self.events[rows]


def rows_of(rng, count):
    return np.column_stack([rng.normal(size=(count, 2)), rng.integers(0, 3, count)])


def measured(dataset, samples, metrics, trained_on=None):
    model = genzoo.TrainedModel("shelf", Shelf(samples), AffineTransform(torch.zeros(()), torch.ones(())), dataset.spec)
    extractor = find_extractor(get_registry(), None, dataset.spec)
    rows = np.arange(len(dataset))
    reference = make_reference(dataset, rows, metrics, extractor, trained_on=trained_on and (trained_on, rows))
    return compute_metrics(model, reference, metrics, seed=2, samples=len(samples))


def test_counts_give_every_metric_of_samples_as_repeated_rows_do():
    rng = np.random.default_rng(0)
    events, samples = rows_of(rng, 80), rows_of(rng, 120)
    counts = rng.integers(0, 4, 80)
    weighted = Dataset("w", TABLE, events, weights=counts.astype(float))
    plain = Dataset("p", TABLE, np.repeat(events, counts, axis=0))
    metrics = [metric for metric in find_metrics(get_registry()) if "likelihood" not in metric.needs]
    names = {"memorization", "coverage", "mmd", "wasserstein", "classifier-two-sample", "frechet-distance"}
    train = rows_of(rng, 80)
    one = measured(weighted, samples, metrics, Dataset("t", TABLE, train, weights=weighted.weights))
    other = measured(plain, samples, metrics)
    assert names <= set(one.scores)
    for name, score in other.scores.items():
        assert one.scores[name] == score, name


def test_counts_too_large_to_repeat_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr("genzoo.metrics.weighting.MOST_REPEATED", 100)
    data = Dataset("w", TABLE, rows_of(np.random.default_rng(0), 3), weights=np.array([5e8, 0.0, 1.5e9]))
    assert np.bincount(repeated(data, np.arange(3))).tolist() == [25, 0, 75]


def test_values_of_counted_rows_are_repeated():
    data = Dataset("w", TABLE, np.zeros((4, 3)), weights=np.array([2.0, 9.0, 0.0, 1.0]))
    found = counted_values(data, np.array([0, 2, 3]), np.array([5.0, 6.0, 7.0]))
    assert found.tolist() == [5.0, 5.0, 7.0]


def literal(weights, values):
    return np.repeat(values, np.round(weights).astype(int), axis=0)


@pytest.mark.parametrize("metric", [wasserstein, total_variation, correlation_difference])
def test_weighted_columns_equal_repeated_rows(metric):
    rng = np.random.default_rng(1)
    real, samples = rows_of(rng, 60), rows_of(rng, 50)
    counts = rng.integers(1, 5, 60).astype(float)
    one = metric.score(MetricInput(TABLE, real, samples, real_weights=same_squares(counts)))
    other = metric.score(MetricInput(TABLE, literal(counts, real), samples))
    assert one.value == pytest.approx(other.value, rel=1e-10)
    assert one.parts == pytest.approx(other.parts, rel=1e-10)


def test_the_weighted_frechet_distance_has_the_weighted_moments():
    rng = np.random.default_rng(2)
    x, y, w = rng.normal(size=(80, 3)), rng.normal(size=(50, 3)), rng.exponential(size=80)
    mean, cov = np.average(x, axis=0, weights=w), np.cov(x, rowvar=False, aweights=w)
    other = np.cov(y, rowvar=False)
    root = np.linalg.eigvals(cov @ other)
    expected = ((mean - y.mean(axis=0)) ** 2).sum() + np.trace(cov + other) - 2 * np.sqrt(root.real).sum()
    assert frechet_distance(x, y, w)[0] == pytest.approx(expected, rel=1e-8)
    equal = frechet_distance(x, y, np.full(80, 3.0))
    assert equal == pytest.approx(frechet_distance(x, y), rel=1e-10)


@pytest.mark.parametrize("metric", [mmd, kernel_distance])
def test_weighted_kernels_equal_brute_force(metric):
    rng = np.random.default_rng(3)
    x, y, w = rng.normal(size=(30, 2)), rng.normal(0.4, 1, (25, 2)), rng.exponential(size=30)
    both = MetricInput(real_features=x, sample_features=y)
    plain = metric.score(both)
    equal = metric.score(dataclasses.replace(both, real_weights=np.ones(30), shared={}))
    if metric is kernel_distance:  # a weighted median of distances has no mean of the two in the middle
        assert (equal.value, equal.error) == pytest.approx((plain.value, plain.error), rel=1e-9)
    found = metric.score(dataclasses.replace(both, real_weights=same_squares(w), shared={}))
    if metric is mmd:
        width = found.protocol["bandwidth"]

        def kernel(a, b):
            return np.exp(-((a - b) ** 2).sum() / (2 * width**2))
    else:

        def kernel(a, b):
            return (a @ b / 2 + 1) ** 3

    own = sum(w[i] * w[j] * kernel(x[i], x[j]) for i in range(30) for j in range(30) if i != j)
    own /= sum(w[i] * w[j] for i in range(30) for j in range(30) if i != j)
    theirs = sum(kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (25 * 24)
    cross = sum(w[i] * kernel(x[i], b) for i in range(30) for b in y) / (25 * w.sum())
    assert found.value == pytest.approx(own + theirs - 2 * cross, rel=1e-8)


def tilted(rng, count):
    """Return normal rows whose weights shift the first column's mean to 1, and rows of the right model."""
    x = rng.normal(size=(count, 2))
    return x, same_squares(np.exp(x[:, 0])), rng.normal((1.0, 0.0), 1.0, (count, 2))


METRICS = (classifier_two_sample, precision, recall, density, coverage, mmd, kernel_distance, frechet)


def long_in_full(metrics):
    """Return one parameter for each metric; those of neighborhoods take long, and `coverage` stands for them."""
    slow = [pytest.mark.full]
    return [pytest.param(one, marks=slow * (one in (precision, recall, density)), id=one.name) for one in metrics]


@pytest.mark.parametrize("metric", long_in_full(METRICS))
def test_the_right_model_of_weighted_events_scores_as_if_unweighted(metric):
    """The unweighted score is far off: a two-sample accuracy near 0.7 instead of 0.5.

    Neighborhoods are only nearly right: where few rows have large weights, a neighborhood cannot weigh exactly `k`.
    """
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x, w, y = tilted(rng, 1500)
        count = round(w.sum())
        right, samples = rng.normal((1.0, 0.0), 1.0, (count, 2)), y[:count]
        scores = [
            metric.score(MetricInput(real_features=real, sample_features=samples, real_weights=weights, seed=seed))
            for real, weights in ((x, w), (right, None), (x, None))
        ]
        found.append([score.value for score in scores])
    weighted, unweighted, wrong = np.array(found).T
    spread = np.hypot(weighted.std(ddof=1), unweighted.std(ddof=1))
    spread = max(spread, {"precision": 0.04, "density": 0.12, "coverage": 0.04}.get(metric.name, 0.0))
    assert abs(weighted.mean() - unweighted.mean()) < spread
    if metric in (classifier_two_sample, mmd, frechet):
        assert abs(weighted.mean() - unweighted.mean()) < 0.3 * abs(wrong.mean() - unweighted.mean())


@pytest.mark.parametrize("metric", long_in_full([precision, recall, coverage, mmd, frechet]))
def test_errors_of_weighted_events_are_the_spread_over_repeats(metric):
    rng = np.random.default_rng(4)
    scores = []
    for seed in range(60):
        x, w, y = tilted(rng, 400)
        scores.append(metric.score(MetricInput(real_features=x, sample_features=y + 0.7, real_weights=w, seed=seed)))
    spread = np.std([score.value for score in scores], ddof=1)
    assert np.sqrt(np.mean([score.error**2 for score in scores])) == pytest.approx(spread, rel=0.35)


class Plain(Metric):
    name, direction = "plain", "lower"

    def score(self, given):
        return Score(self.name, 0.0, "lower")


def test_a_metric_that_ignores_weights_has_a_reason_instead_of_a_score():
    rng = np.random.default_rng(5)
    events = rows_of(rng, 60)
    data = Dataset("w", TABLE, events, weights=rng.exponential(size=60))
    found = measured(data, events, [Plain(), wasserstein])
    assert set(found.scores) == {"wasserstein"}
    assert "cannot use weights" in found.reasons["plain"]
    counted = Dataset("w", TABLE, events, weights=np.full(60, 2.0))
    assert set(measured(counted, events, [Plain()]).scores) == {"plain"}


def test_rows_with_missing_values_that_are_left_out_are_counted_in_a_note():
    rng = np.random.default_rng(6)
    events = rows_of(rng, 80)
    events[:30, 0] = np.nan
    data = Dataset("m", dataclasses.replace(TABLE, missing=True), events)
    found = measured(data, rows_of(rng, 50), [wasserstein, coverage])
    for score in found.scores.values():
        assert score.protocol["real"] == 50
        assert "only with the 50 of 80 test rows that have no missing values" in score.notes[-1]


def test_evenly_spread_values_have_the_weighted_quantiles():
    rng = np.random.default_rng(7)
    values = rng.normal(size=20_000)
    even = spread_evenly(np.append(values, np.nan), same_squares(np.append(np.exp(values), 1.0)))
    for level in (0.05, 0.5, 0.95):
        assert np.quantile(even, level) == pytest.approx(1 + np.quantile(rng.normal(size=200_000), level), abs=0.08)
    assert spread_evenly(values, None) is values


def test_the_mean_score_of_weighted_rows_is_weighted():
    values = np.array([1.0, 3.0, np.nan, -np.inf])
    result = ScoreResult("log_likelihood", values, "exact", None, np.array([]), np.array([1.0, 3.0, 5.0, 0.0]))
    assert result.mean == pytest.approx(2.5)
