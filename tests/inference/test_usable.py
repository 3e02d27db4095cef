"""Weights with which no row is possible, and rows that are unlike anything with good weights."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from refusals import assert_refused

import genzoo
from genzoo import DivergenceError
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.inference.rows.clustering import cluster
from genzoo.inference.rows.scoring import score
from genzoo.inference.usable import impossible
from genzoo.persistence.model_folder import save_model

RUNS = Path(__file__).parents[1] / "data" / "runs" / "0.1"


def spoilt(folder, name, part, number):
    """A model folder in which all numbers of some tensors are one finite number."""
    fitted = genzoo.load(RUNS / name / "model")
    for key, tensor in fitted.generator.state_dict().items():
        if part in key:
            tensor.fill_(number)
    content = json.loads((RUNS / name / "model" / "config.json").read_text(encoding="utf-8"))
    save_model(folder / "bad", fitted, content["options"], content["training"])
    return folder / "bad"


@pytest.mark.parametrize("number", [1e30, -1e38])
@pytest.mark.parametrize("words", ["score", "cluster", "evaluate", "describe"])
def test_weights_that_make_every_row_impossible_are_an_artifact_error(tmp_path, cli, number, words):
    model = spoilt(tmp_path, "gmm", "means", number)
    assert_refused(cli(words, model, "--data", "iris"), 4, "log-likelihood of 150 of 150 rows", "cannot be used")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("score --data digits", "log-likelihood"),
        ("embed --data digits", "latent vector"),
        ("reconstruct --data digits --out OUT/again.npz", "reconstruction"),
    ],
)
def test_weights_that_overflow_are_an_artifact_error(tmp_path, cli, words, what):
    command, *more = words.replace("OUT", str(tmp_path)).split()
    model = spoilt(tmp_path, "vae", "", 3e38)
    assert_refused(cli(command, model, *more), 4, what, "cannot be used")
    assert not (tmp_path / "again.npz").exists()


def test_rows_far_from_training_are_not_the_fault_of_the_weights():
    fitted = genzoo.load(RUNS / "gmm" / "model")
    far = array_dataset("far", np.full((3, 4), 1e30))
    assert impossible(score(fitted, far).values).all()
    assert len(cluster(fitted, far).label) == 3
    assert not impossible(score(fitted, array_dataset("one", np.zeros((1, 4)))).values).any()


@pytest.fixture
def far(tmp_path):
    """A table with a row of 1e200 and a missing value in it."""
    x = np.random.default_rng(0).normal(size=(40, 3)).round(3)
    x[7] = 1e200
    lines = [",".join(map(str, row)) for row in x]
    lines[7] = "1e200,1e200,"
    (tmp_path / "far.csv").write_text("a,b,c\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "near.csv").write_text("a,b,c\n,0,1\n" + "\n".join(lines[:7] + lines[8:]) + "\n", encoding="utf-8")
    return tmp_path / "far.csv"


def trained(cli, far, model):
    more = ["--steps", "5", "--batch-size", "8"] if model in ("vae", "autoencoder") else []
    words = ["--data", far.parent / "near.csv", "--out", far.parent / "run", "--precision", "fp32", *more]
    code, _, err = cli("train", model, *words)
    assert code == 0, err
    return far.parent / "run"


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("vae", "impossible under the model"),
        ("gmm", "impossible under the model"),
        ("autoencoder", "too far from the training rows for a score"),
    ],
)
def test_one_row_too_far_to_compute_with_has_an_infinite_score(cli, far, model, what):
    run = trained(cli, far, model)
    code, out, err = cli("score", run, "--data", far, "--out", far.parent / "scores.csv")
    assert code == 0, err
    assert f"40 rows\n{what}: 1 row (7)\n" in out
    lines = (far.parent / "scores.csv").read_text(encoding="utf-8").splitlines()[1:]
    values = np.array([float(line.split(",")[1]) for line in lines])
    assert np.flatnonzero(~np.isfinite(values)).tolist() == [7]
    assert values[7] == (np.inf if model == "autoencoder" else -np.inf)


def test_rows_too_far_to_fill_in_are_a_data_error(cli, far):
    run = trained(cli, far, "vae")
    out = far.parent / "out.csv"
    assert_refused(cli("impute", run, "--data", far, "--out", out), 4, "missing from 1 row (7) cannot be filled in")
    assert not out.exists()


def test_weights_that_come_from_no_file_have_diverged(tmp_path):
    fitted = dataclasses.replace(genzoo.load(spoilt(tmp_path, "gmm", "means", 1e30)), origin=None)
    with pytest.raises(DivergenceError, match="log-likelihood of 2 of 2 rows"):
        score(fitted, array_dataset("near", np.ones((2, 4))))
