"""A log-likelihood that rests on a setting is recognized, with the columns at fault."""

import math

import numpy as np
import pytest
import torch

import genzoo
from genzoo.metrics.evaluate import evaluate
from genzoo.metrics.resting import resting_on

ROWS = 400
rng = np.random.default_rng(0)
A, B = rng.normal(size=ROWS), 3 * rng.normal(size=ROWS)
RAIN = np.where(rng.random(ROWS) < 0.4, 0.0, rng.normal(5, 1, ROWS))


def table(**columns):
    x = np.column_stack([np.asarray(values, np.float64) for values in columns.values()])
    features = tuple(genzoo.Feature(name) for name in columns)
    spec = genzoo.DataSpec((x.shape[1],), "table", features, storage="float64", missing=bool(np.isnan(x).any()))
    return genzoo.Dataset("table", spec, x)


DEPENDENT = table(a=A, b=B, total=A + B)
ZEROS = table(rain=RAIN, w=A)


def train(tmp_path, model, data, name="run", **options):
    return genzoo.train(
        model, data, out=tmp_path / name, precision="fp64", split={"test": 0, "validation": 0}, **options
    )


def resting(run, data):
    return resting_on(run.load(), data, np.arange(len(data)))


@pytest.mark.parametrize("model", ["gaussian", "gmm:tied", "gmm:full"])
def test_a_dependent_total_is_named_with_all_its_columns(tmp_path, model):
    name, _, covariance = model.partition(":")
    run = train(tmp_path, name, DEPENDENT, **({"covariance_type": covariance} if covariance else {}))
    found = resting(run, DEPENDENT)
    assert found.reason == (
        "its density rests on reg_covar: total = a + b; leave out one of a, b, total: drop=['total']"
    )
    assert found.material
    assert run.record["density_rests_on"] == found.reason


def test_the_direction_is_the_one_in_which_the_data_do_not_vary(tmp_path):
    run = train(tmp_path, "gaussian", DEPENDENT)
    (floor,) = run.load().floors(DEPENDENT.events)
    x = DEPENDENT.events - DEPENDENT.events.mean(0)
    null = np.linalg.svd(x)[2][-1]
    found = floor.directions.numpy()[0]
    assert np.allclose(np.abs(found @ null) / np.linalg.norm(found), 1, atol=1e-6)
    assert torch.allclose(floor.share, torch.ones(ROWS, dtype=torch.float64))


@pytest.mark.parametrize(
    ("data", "model", "options"),
    [(DEPENDENT, "gaussian", {}), (ZEROS, "gmm", {"covariance_type": "diagonal"}), (ZEROS, "gmm", {})],
)
def test_the_gain_is_what_a_hundredth_of_reg_covar_adds(tmp_path, data, model, options):
    runs = [train(tmp_path, model, data, f"{added:g}", reg_covar=added, **options) for added in (1e-6, 1e-8)]
    wide, narrow = (run.log_prob(data.events).mean() for run in runs)
    found = resting(runs[0], data)
    assert narrow - wide == pytest.approx(found.gain, rel=1e-3)
    share = 1.0 if data is DEPENDENT else (RAIN == 0).mean()
    assert found.gain == pytest.approx(share * math.log(100) / 2, rel=1e-3)


def test_zeros_in_many_rows_are_named_with_their_number(tmp_path):
    found = resting(train(tmp_path, "gmm", ZEROS), ZEROS)
    zeros = int((RAIN == 0).sum())
    assert found.reason == (
        f"its density rests on reg_covar: rain = 0 in {zeros} of 400 rows; leave it out with drop=['rain']"
    )


def test_several_relations_are_told_apart(tmp_path):
    data = table(C=B, a=A, F=1.8 * B + 32, twice=2 * A + 1)
    found = resting(train(tmp_path, "gaussian", data), data)
    assert "F = 1.8 C + 32" in found.reason
    assert "twice = 2 a + 1" in found.reason
    assert found.gain == pytest.approx(math.log(100))


def test_a_repeated_row_is_called_that(tmp_path):
    x = np.concatenate([np.column_stack([A, B]), np.full((40, 2), 40.0)])
    data = table(a=x[:, 0], b=x[:, 1])
    found = resting(train(tmp_path, "gmm", data), data)
    assert "a row that repeats in 40 of 440 rows" in found.reason


def test_missing_values_hide_no_relation(tmp_path):
    x = DEPENDENT.events.copy()
    x[np.random.default_rng(1).random(x.shape) < 0.1] = np.nan
    data = table(a=x[:, 0], b=x[:, 1], total=x[:, 2])
    assert "total = a + b" in resting(train(tmp_path, "gaussian", data), data).reason


@pytest.mark.parametrize("data", ["iris", "wine", "diabetes", "moons"])
def test_ordinary_data_rest_on_nothing(tmp_path, data):
    run = genzoo.train("gmm", data, out=tmp_path / "run")
    assert resting_on(run.load(), run.open_data(), np.arange(100)) is None
    assert "density_rests_on" not in run.record


def test_images_on_a_grid_rest_on_the_width_of_its_cells(tmp_path):
    run = genzoo.train("gmm", "digits", n_components=2, out=tmp_path / "run", training={"max_iter": 3})
    assert run.load().floors(run.open_data().events[:50]) == []


def test_a_decoder_at_its_least_scale_is_recognized(tmp_path):
    data = table(flat=np.where(np.arange(ROWS) % 2, 5.0, -5.0), w=A)
    run = genzoo.train("vae", data, out=tmp_path / "run", precision="fp32", least_scale=0.5, training={"epochs": 60})
    found = resting_on(run.load(), data, np.arange(ROWS))
    assert found.reason.startswith("its density rests on least_scale: flat = ")
    free = genzoo.train("vae", table(a=A, b=B), out=tmp_path / "free", precision="fp32", training={"epochs": 5})
    assert resting_on(free.load(), table(a=A, b=B), np.arange(ROWS)) is None


def test_evaluation_says_that_a_likelihood_rests_on_a_setting(tmp_path):
    run = train(tmp_path, "gaussian", DEPENDENT)
    found = evaluate(run.load(), DEPENDENT, np.arange(ROWS), (), seed=0)
    assert "total = a + b" in found.density_rests_on


def test_a_model_without_floors_rests_on_nothing():
    class Plain(genzoo.Generator):
        def sample(self, n, *, condition=None, **options):
            return torch.zeros(n, 1)

    assert tuple(Plain().floors(torch.zeros(3, 1))) == ()
