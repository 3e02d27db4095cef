"""One judge for all metrics: what they are given, what their protocols say, and what is refused."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import genzoo
from genzoo.data.builtin import digits, iris
from genzoo.data.dataset import Dataset
from genzoo.data.transforms import AffineTransform
from genzoo.errors import ConfigError, DataError
from genzoo.features import classifier, identity
from genzoo.metrics.evaluation.choice import find_extractor, find_metrics
from genzoo.metrics.evaluation.reference import make_reference
from genzoo.metrics.evaluator import compute_metrics
from genzoo.metrics.metric import Metric, Score
from genzoo.metrics.protocol import differing, in_common, same_protocol
from genzoo.plugins.manager import get_registry


class Shelf(genzoo.Generator):
    """Hands out events that were made beforehand, and counts how often it is asked."""

    def __init__(self, events):
        super().__init__()
        self.register_buffer("events", torch.as_tensor(np.asarray(events), dtype=torch.float64))
        self.asked = 0
        self.place = 0

    def sample(self, n, *, condition=None, **options):
        self.asked += 1
        rows = torch.arange(self.place, self.place + n) % len(self.events)
        self.place += n
        return self.events[rows]


class Normal(Shelf, genzoo.Likelihood):
    """Independent normals."""

    def __init__(self, mean, deviation):
        super().__init__(np.zeros((1, len(mean))))
        self.mean, self.deviation = nn.Parameter(torch.tensor(mean)), nn.Parameter(torch.tensor(deviation))

    @property
    def degrees_of_freedom(self):
        return 8

    def sample(self, n, *, condition=None, **options):
        return self.mean + self.deviation * torch.randn(n, len(self.mean), dtype=torch.float64)

    def log_prob(self, x):
        return torch.distributions.Normal(self.mean, self.deviation).log_prob(x).sum(1)


def fitted(generator, data):
    return genzoo.TrainedModel("test", generator, AffineTransform(torch.zeros(()), torch.ones(())), data)


def judged(generator, dataset, names=None, *, features=None, rows=None, train=None, most=10_000, **rest):
    metrics = find_metrics(get_registry(), names)
    rows = np.arange(len(dataset)) if rows is None else rows
    extractor = find_extractor(get_registry(), features, dataset.spec)
    trained_on = None if train is None else (dataset, train)
    reference = make_reference(dataset, rows, metrics, extractor, trained_on=trained_on, most=most)
    return compute_metrics(fitted(generator, dataset.spec), reference, metrics, seed=3, **rest)


def normal(dataset):
    return Normal(dataset.events.mean(axis=0), dataset.events.std(axis=0))


def test_every_score_of_a_table_has_a_full_protocol_and_an_error():
    data = iris()
    found = judged(normal(data), data, rows=np.arange(0, 150, 2), train=np.arange(1, 150, 2), average=0.99)
    assert set(found.scores) == {
        *("log-likelihood", "frechet-distance", "kernel-distance", "precision", "recall", "density", "coverage"),
        *("mmd", "classifier-two-sample", "memorization", "wasserstein", "correlation-difference"),
        *("membership-auc", "column-shapes", "pair-trends"),
    }
    assert "images" in found.reasons["bits-per-dim"]
    assert "no binary or categorical column" in found.reasons["total-variation"]
    for name, score in found.scores.items():
        assert score.metric == name
        assert math.isfinite(score.value)
        assert score.error > 0
        expected = {"split": "test", "average": 0.99, "seed": 3}
        if name not in ("log-likelihood", "membership-auc"):
            expected |= {"real": 75, "samples": 75}
        if name in ("coverage", "mmd", "memorization"):
            expected["features"] = "columns"
        assert expected.items() <= score.protocol.items()
    assert found.scores["memorization"].protocol["train"] == found.scores["membership-auc"].protocol["train"] == 75
    assert found.scores["log-likelihood"].protocol["likelihood"] == "exact"
    assert found.scores["log-likelihood"].protocol["measure"] == "density"


def test_metrics_with_a_value_of_chance_have_it_for_the_true_model():
    rng = np.random.default_rng(5)
    data = Dataset("normal", iris().spec, rng.normal(size=(400, 4)))
    rows, train = np.arange(0, 400, 2), np.arange(1, 400, 2)
    metrics = {metric.name: metric for metric in find_metrics(get_registry()) if metric.chance is not None}
    found = judged(Normal(np.zeros(4), np.ones(4)), data, list(metrics), rows=rows, train=train).scores
    assert found.keys() == {"classifier-two-sample", "membership-auc", "memorization"}
    for name, score in found.items():
        assert score.real == metrics[name].chance == pytest.approx(score.value, abs=3 * score.error)
        assert score.better == "near real"


def test_the_log_likelihood_is_the_mean_and_its_error_that_of_a_mean():
    data = iris()
    generator = normal(data)
    values = generator.log_prob(torch.as_tensor(data.events)).detach().numpy()
    score = judged(generator, data, ["log-likelihood"]).scores["log-likelihood"]
    assert score.value == pytest.approx(values.mean())
    assert score.error == pytest.approx(values.std(ddof=1) / np.sqrt(150))


def test_samples_are_drawn_once_for_all_metrics_but_not_for_likelihoods():
    data = digits()
    shelf = Shelf(data.events[:50])
    judged(shelf, data, ["coverage", "frechet-distance", "mmd"], rows=np.arange(100, 150))
    assert shelf.asked == 1
    shelf = Shelf(data.events[:50])
    assert judged(shelf, data, ["log-likelihood"]).reasons == {"log-likelihood": "the model has no likelihood"}
    assert shelf.asked == 0


def test_numbers_of_samples_and_of_real_events_are_told():
    data = digits()
    score = judged(Shelf(data.events), data, ["coverage"], most=200, samples=70).scores["coverage"]
    assert (score.protocol["real"], score.protocol["samples"]) == (200, 70)


def test_samples_that_are_not_finite_are_counted_and_refused():
    """Pixels go back as integers within bounds, which would make zeros and whites of them."""
    data = digits()
    events = data.events[:40].astype(float)
    events[3, 0, 1, 1], events[9], events[20, 0, 7, 7] = np.nan, np.inf, -np.inf
    found = judged(Shelf(events), data, ["coverage", "frechet-distance"], samples=40)
    assert not found.scores
    assert set(found.reasons.values()) == {"3 of 40 samples hold numbers that are not finite"}


def test_too_few_samples_are_refused_with_the_number_that_is_needed():
    data = digits()
    found = judged(Shelf(data.events), data, ["coverage", "classifier-two-sample"], samples=5)
    assert "at least 6 samples, and there are 5" in found.reasons["coverage"]
    assert "at least 20 samples" in found.reasons["classifier-two-sample"]


def test_a_copying_model_is_flagged_and_fresh_events_are_not():
    data = digits()
    order = np.random.default_rng(0).permutation(1797)
    train, test, fresh = np.sort(order[:900]), np.sort(order[900:1300]), order[1300:1700]
    copies = judged(Shelf(data.events[train[:400]]), data, ["memorization"], rows=test, train=train)
    assert "400 of 400 samples equal a training event" in copies.scores["memorization"].notes[0]
    honest = judged(Shelf(data.events[fresh]), data, ["memorization"], rows=test, train=train).scores["memorization"]
    assert honest.notes == ()
    assert honest.value == pytest.approx(0.5, abs=4 * honest.error)
    assert "not known" in judged(Shelf(data.events[fresh]), data, ["memorization"]).reasons["memorization"]


def test_copies_are_searched_among_all_training_rows(monkeypatch):
    data = digits()
    train, test = np.arange(0, 1400), np.arange(1400, 1797)
    found = judged(Shelf(data.events[train[7:1400:14]]), data, ["memorization"], rows=test, train=train, most=100)
    score = found.scores["memorization"]
    assert (score.protocol["real"], score.protocol["train"]) == (100, 1400)
    assert score.parts["copies"] == 1
    assert not any("looked for" in note for note in score.notes)
    monkeypatch.setattr("genzoo.metrics.evaluation.reference.MOST_TRAINING", 700)
    found = judged(Shelf(data.events[test]), data, ["memorization", "coverage"], rows=test, train=train)
    assert found.scores["memorization"].notes[-1] == "only 700 of 1400 training events (50%) were searched for copies."
    assert found.scores["coverage"].notes == ()


def test_scores_against_other_real_events_are_not_of_one_protocol():
    data = digits()
    shelf, rows = Shelf(data.events), np.arange(0, 1000, 2)

    def score(dataset, rows):
        return judged(shelf, dataset, ["coverage"], rows=rows).scores["coverage"]

    first = score(data, rows)
    stored = Dataset("digits", data.spec, data.events.astype(np.float64))
    assert differing(first, score(stored, rows)) is None
    dark = Dataset("digits", data.spec, data.events // 2)
    wide = Dataset("digits", genzoo.DataSpec(**{**vars_of(data.spec), "bounds": (0.0, 255.0)}), data.events)
    for other in (score(data, rows + 1), score(dark, rows), score(wide, rows)):
        assert differing(first, other)[0] == "data"


def test_samples_are_compared_only_with_complete_rows():
    data = iris()
    events = data.events.copy()
    events[:30, 0] = np.nan
    holes = Dataset("holes", genzoo.DataSpec(**{**vars_of(data.spec), "missing": True}), events)
    assert judged(Shelf(data.events), holes, ["coverage"]).scores["coverage"].protocol["real"] == 120
    gone = judged(Shelf(data.events), holes, ["coverage"], rows=np.arange(30))
    assert gone.reasons == {"coverage": "every test row has missing values"}


def vars_of(spec):
    return {name: getattr(spec, name) for name in spec.__slots__}


class Odd(Metric):
    """A plugin's metric that fails, or says nothing."""

    name = "odd"
    direction = "lower"

    def __init__(self, value):
        self.value = value

    def score(self, given):
        if self.value is None:
            raise KeyError("oops")
        return Score("odd", self.value, "lower")


@pytest.mark.parametrize(("value", "reason"), [(None, "Metric 'odd' failed: KeyError"), (math.nan, "its value is nan")])
def test_a_metric_that_fails_takes_no_other_down(value, reason):
    data = iris()
    metrics = (Odd(value), *find_metrics(get_registry(), ["coverage"]))
    reference = make_reference(data, np.arange(150), metrics, find_extractor(get_registry(), None, data.spec))
    found = compute_metrics(fitted(Shelf(data.events), data.spec), reference, metrics, seed=0)
    assert reason in found.reasons["odd"]
    assert set(found.scores) == {"coverage"}


def test_comparing_scores_of_different_protocols_names_the_difference():
    def score(**protocol):
        return Score("coverage", 0.5, "higher", 0.1, {"k": 5, "real": 500, "features": "pixels", **protocol})

    same_protocol({"a": score(average=None), "b": score(average=0.99)})  # told of the model, and not of the measuring
    with pytest.raises(ConfigError, match=r"coverage of a and of c .*: real is 500 in one and 400 in the other"):
        same_protocol({"a": score(), "b": score(), "c": score(real=400)})
    with pytest.raises(ConfigError, match="digest is not stated in one and abc in the other"):
        same_protocol({"a": score(), "b": score(digest="abc")})
    assert differing(score(), score()) is None
    assert in_common([score(real=1), score(real=2)]) == {"k": 5, "features": "pixels"}
    assert in_common([score()]) == {"k": 5, "real": 500, "features": "pixels"}


def test_labels_that_are_missing_are_told_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(classifier, "_UPDATES", 3)
    data = digits()
    shelf = Shelf(data.events)
    with pytest.raises(DataError, match="has none"):
        judged(shelf, Dataset("bare", data.spec, data.events), ["coverage"], features="classifier")
    found = judged(shelf, data, ["coverage"], features="classifier", samples=100).scores["coverage"]
    assert found.protocol["features"] == "classifier"
    assert len(found.protocol["digest"]) == 64


@pytest.mark.parametrize("asked", ["auto", "cpu", torch.device("meta")])
def test_networks_of_features_run_where_they_are_told_to(asked, monkeypatch):
    seen = []
    data = iris()
    chosen = find_extractor(get_registry(), None, data.spec)
    build = identity.build_columns
    monkeypatch.setattr(identity, "build_columns", lambda material: (seen.append(material.device), build(material))[1])
    make_reference(data, np.arange(50), find_metrics(get_registry(), ["coverage"]), chosen, device=asked)
    assert seen == [str(asked)]


def test_a_command_evaluates_alike_twice_and_tells_what_was_left_out(cli):
    assert cli("train", "gaussian", "--data", "iris", "--out", "run")[0] == 0
    words = ("evaluate", "run", "--samples", 100, "--json")
    one, other = (json.loads(cli(*words)[1]) for _ in range(2))
    assert one == other
    assert one["metrics"]["mmd"]["protocol"]["samples"] == 100
    out = cli("evaluate", "run")[1]
    assert out.count("split test") == 1  # what scores have in common is told once
    assert "no total-variation: " in out
    code, out, error = cli("evaluate", "run", "--features", "pixels")
    assert code == 2
    assert "'pixels' are for images" in error


def test_a_comparison_with_other_features_needs_another_folder(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "_UPDATES", 3)
    assert cli("compare", "gaussian", "--data", "iris", "--out", "kept")[0] == 0
    code, _, error = cli("compare", "gaussian", "--data", "iris", "--out", "kept", "--features", "classifier")
    assert code == 2
    assert "features {'features': 'columns'}" in error
    assert "'features': 'classifier', 'digest'" in " ".join(error.split())
