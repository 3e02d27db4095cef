"""Losses that are likelihoods are printed, logged and recorded in the units of the data, as `evaluate` prints them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import genzoo
from genzoo.config.resolve import resolve_config
from genzoo.data.builtin import digits
from genzoo.plugins.manager import get_registry
from genzoo.runtime import display
from genzoo.training.setup import build_setup


def rows(run, part="train"):
    dataset = run.open_data()
    return dataset, getattr(dataset.split(run.config.split, run.config.seed), part)


def with_holes(scale=1.0):
    x = load_iris().data * scale
    x[np.random.default_rng(0).random(x.shape) < 0.15] = np.nan
    return x


def table(kind):
    if kind == "missing":
        return with_holes()
    if kind == "weights":
        x = load_iris().data
        spec = genzoo.DataSpec((4,), "table", tuple(map(genzoo.Feature, "abcd")), storage="float64")
        return genzoo.Dataset("w", spec, x, weights=np.arange(150) % 3.0)
    return load_iris().data * {"plain": 1.0, "large": 1000.0}[kind]


@pytest.mark.parametrize("kind", ["plain", "large", "missing", "weights"])
@pytest.mark.parametrize("model", ["gaussian", "gmm", "naive-bayes"])
def test_the_restart_of_em_has_the_likelihood_of_the_training_rows(model, kind, tmp_path):
    data = table(kind)
    found = genzoo.train(model, data, precision="fp64", training={"tol": 1e-9}, out=tmp_path / "run")
    dataset = data if isinstance(data, genzoo.Dataset) else genzoo.Dataset(
        "x", found.data, np.asarray(data)
    )  # fmt: skip
    train = dataset.split(found.config.split, 0).train
    weights = None if dataset.weights is None else dataset.weights[train]
    expected = np.average(found.log_prob(np.asarray(dataset.events[train])), weights=weights)
    assert found.record["kept"]["log_likelihood"] == pytest.approx(expected, abs=1e-5)
    assert found.record["restarts"][0]["log_likelihood"] == pytest.approx(expected, abs=1e-5)
    line = json.loads(found.log.read_text(encoding="utf-8").splitlines()[0])["loss"]
    assert line["negative_log_likelihood"] > -expected - 1e-6


def test_images_of_em_count_the_cells_of_the_grid(tmp_path):
    """A unit of pixels that is 16 times smaller changes densities, and not the probability of an image."""
    found = []
    for factor in (1, 1 / 16):
        dataset = digits()
        spec = dataset.spec
        small = genzoo.DataSpec(
            spec.event_shape, "image", spec.features, bounds=(0.0, 16.0 * factor), quantum=factor, storage="float64"
        )
        x = dataset.events.astype(np.float64) * factor
        run = genzoo.train(
            "gaussian", genzoo.Dataset("d", small, x), covariance_type="diagonal", out=tmp_path / f"{factor}"
        )
        found.append(run.record["kept"]["log_likelihood"])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize("objective", ["elbo", "iwae"])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_loss_of_vae_is_near_minus_its_evaluated_bound(objective, scale, tmp_path):
    x = load_iris().data * scale
    options = {"warmup": 0.0} if objective == "elbo" else {}
    chosen = {"name": objective, "options": options}
    training = {"steps": 300, "ema": 0.0}
    run = genzoo.train("vae", x, objective=chosen, training=training, precision="fp32", out=tmp_path / "run")
    dataset = genzoo.Dataset("x", run.data, x)
    split = dataset.split(run.config.split, 0)
    lines = [json.loads(line) for line in run.log.read_text(encoding="utf-8").splitlines()]
    draws = run.config.objective.options.get("draws", 1)
    own = [-run.log_prob_bound(x[part], draws=draws).mean() for part in (split.train, split.validation)]
    last = np.mean([line["loss"]["generator"] for line in lines if "loss" in line][-10:])
    checked = [line["validation"] for line in lines if "validation" in line][-1]
    assert last == pytest.approx(own[0], abs=1.2)
    assert checked == pytest.approx(own[1], abs=1.0)
    assert run.record["best"]["value"] == pytest.approx(own[1], abs=1.0)
    assert abs(4 * np.log(100)) > 10, "in model space, the larger unit would change nothing"


@pytest.mark.precision
def test_losses_that_are_no_likelihoods_stay_as_they_are():
    setup = build_setup(resolve_config(get_registry(), "dcgan", {"data": {"source": "digits"}}))
    assert setup.loss_offsets == {}
    assert setup.offset == 0.0


def test_the_lines_of_a_training_are_in_data_units(cli, monkeypatch):
    monkeypatch.setattr(display, "_SHORT", 0.0)
    np.save("large.npy", load_iris().data * 1000)
    code, out, err = cli("train", "gmm", "--data", "large.npy", "--out", "run", "--precision", "fp64")
    assert code == 0
    run = genzoo.Run(Path("run"))
    dataset, train = rows(run)
    expected = run.log_prob(np.asarray(dataset.events[train])).mean()
    kept = float(re.search(r"is kept: (\S+) nats", out)[1])
    assert kept == pytest.approx(expected, abs=1e-3)
    assert float(re.search(r"negative_log_likelihood (\S+)", err)[1]) == pytest.approx(-expected, abs=2.0)
