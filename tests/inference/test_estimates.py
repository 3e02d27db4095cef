"""Estimates of likelihoods: their units, kinds and errors, for a model that has nothing else."""

import json
import math

import numpy as np
import pytest
import torch
from scipy import stats

import genzoo
from genzoo.data.dataset import Dataset
from genzoo.data.transforms import AffineTransform
from genzoo.errors import ConfigError
from genzoo.inference.row_likelihoods import kind_of, solver_error
from genzoo.inference.rows.scoring import score
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluate import evaluate
from genzoo.metrics.likelihood_metrics import log_likelihood

SHIFT, SCALE = 3.0, 2.0
BIAS = 0.4
"""What a solver of a single step adds."""


class Standard(genzoo.Generator, genzoo.LikelihoodEstimate):
    """A standard normal whose estimates have a solver's error and an error of probes."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def sample(self, n, *, condition=None, **options):
        return torch.randn(n, 2)

    def log_prob_estimate(self, x, *, probes, steps):
        value = (-0.5 * x.square() - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1) + BIAS / steps
        if not probes:
            return value, torch.zeros_like(value)
        noise = torch.randn(probes, len(x))
        return value + noise.mean(0), noise.std(0) / math.sqrt(probes)


def model(columns=2, quantum=None):
    features = tuple(genzoo.Feature(f"x{number}") for number in range(columns))
    data = genzoo.DataSpec((columns,), "table", features, quantum=quantum, storage="float64")
    transform = AffineTransform(torch.tensor(SHIFT), torch.tensor(SCALE))
    return TrainedModel("test/standard", Standard().double(), transform, data)


def rows(columns=2, n=150):
    return np.random.default_rng(0).normal(SHIFT, SCALE, (n, columns))


def exact(x):
    return stats.norm(SHIFT, SCALE).logpdf(x).sum(1)


def dataset(fitted, x):
    return Dataset("rows", fitted.data, x)


def test_estimates_are_in_the_units_of_the_data():
    x = rows()
    values, errors = model().log_prob_estimate(x, steps=10)
    assert np.allclose(values, exact(x) + BIAS / 10)
    assert not errors.any()


def test_large_events_take_probes_with_a_standard_error():
    fitted, x = model(20), rows(20)
    values, errors = fitted.log_prob_estimate(x, seed=1)
    away = (values - exact(x) - BIAS / 50) / errors
    assert 0.7 < np.square(away).mean() < 1.5
    assert errors.mean() == pytest.approx(1 / math.sqrt(16), rel=0.1)
    assert kind_of(fitted) == "estimate (16 probes, 50 steps)"
    assert kind_of(model()) == "estimate (50 steps)"


def test_estimates_of_a_row_depend_on_its_place_and_the_seed_alone():
    fitted, x = model(20), rows(20)
    whole = fitted.log_prob_estimate(x, seed=1)
    assert np.array_equal(fitted.log_prob_estimate(x[:70], seed=1)[0], whole[0][:70])
    assert not np.array_equal(fitted.log_prob_estimate(x[:70], seed=2)[0], whole[0][:70])


@pytest.mark.parametrize(("options", "told"), [({"probes": 1}, "2 or more"), ({"steps": 0}, "at least 1")])
def test_numbers_out_of_range_are_errors(options, told):
    with pytest.raises(ConfigError, match=told):
        model().log_prob_estimate(rows(), **options)


def test_the_error_of_a_solver_is_its_change_with_half_as_many_steps():
    fitted = model()
    data = dataset(fitted, rows())
    assert solver_error(fitted, data, np.arange(150), 0) == pytest.approx(BIAS / 25 - BIAS / 50)


def test_an_evaluation_says_that_it_is_an_estimate():
    fitted, x = model(), rows()
    found = evaluate(fitted, dataset(fitted, x), np.arange(len(x)), metrics=(log_likelihood,), split="test", seed=0)
    value = found.scores["log-likelihood"]
    assert found.kind == "estimate (50 steps)"
    assert value.value == pytest.approx(exact(x).mean() + BIAS / 50)
    assert "half as many steps of its solver change it by 0.008 nats" in value.notes[0]


def test_scores_have_standard_errors_over_rows_and_over_probes():
    fitted, x = model(20), rows(20)
    found = score(fitted, dataset(fitted, x))
    over_rows, over_probes = found.mean_errors
    assert found.kind == "estimate (16 probes, 50 steps)"
    assert over_rows == pytest.approx(found.values.std(ddof=1) / math.sqrt(150))
    assert over_probes == pytest.approx(1 / math.sqrt(16 * 150), rel=0.1)
    assert list(found.columns())[:2] == ["log_likelihood", "standard_error"]
    assert json.loads(json.dumps(found.as_dict()))["errors_of_mean"] == [over_rows, over_probes]


def test_a_model_without_an_estimate_is_an_error(tmp_path):
    run = genzoo.train("gaussian", rows(), out=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"has no estimate of the likelihood of such data. Leave out estimate=True"):
        run.score(rows(), estimate=True)
