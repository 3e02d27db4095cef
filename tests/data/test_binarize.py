"""Images of 0 and 1."""

import dataclasses

import numpy as np
import pytest
from refusals import assert_refused

import genzoo
from genzoo.config.data import DataSettings
from genzoo.data.builtin import digits
from genzoo.data.images import binarize
from genzoo.data.loading import open_dataset
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.errors import DataError
from genzoo.plugins.manager import get_registry


def test_what_lies_above_the_middle_of_the_range_is_white():
    data = open_dataset(DataSettings(source="digits", binarize=True), get_registry())
    assert np.array_equal(data.events, digits().events > 8)
    assert data.events.dtype == np.uint8
    spec = data.spec
    assert (spec.bounds, spec.quantum, spec.storage) == ((0.0, 1.0), 1.0, "uint8")
    assert (spec.features[0].kind, spec.features[0].levels) == ("binary", ("0", "1"))
    assert spec.describe() == "binary image 1×8×8, uint8 in 0..1, step 1"
    assert np.array_equal(data.labels, digits().labels)


def test_the_range_is_that_of_the_values_where_no_bounds_are_declared():
    x = np.random.default_rng(0).normal(3.0, 2.0, (5000, 4, 4))
    whole = array_dataset("x", x)
    data = binarize(dataclasses.replace(whole, spec=dataclasses.replace(whole.spec, bounds=None)))
    assert np.array_equal(data.events[:, 0], x > (x.min() + x.max()) / 2)
    assert np.array_equal(binarize(whole).events[:, 0], x > sum(whole.spec.bounds) / 2)


def test_two_levels_are_recognised_and_stay():
    x = np.random.default_rng(0).integers(0, 2, (50, 4, 4))
    for events in (x, x.astype(bool), x.astype(np.uint8)):
        data = array_dataset("x", events)
        assert data.spec.features[0].kind == "binary"
        assert binarize(data) is data
        assert np.array_equal(data.events[:, 0], x)
    assert array_dataset("x", x.astype(float)).spec.features[0].kind == "continuous"
    assert array_dataset("x", x - 1).spec.features[0].kind == "continuous"


def test_a_model_of_black_and_white_is_not_asked_about_grey(cli, tmp_path):
    assert cli("train", "naive-bayes", "--data", "digits", "--binarize", "--out", tmp_path / "run")[0] == 0
    assert_refused(cli("score", tmp_path / "run", "--data", "digits"), 4, "trained on images of 0 and 1", "--binarize")
    code, out, err = cli("score", tmp_path / "run", "--data", "digits", "--binarize", "--json", "--threshold", "0.05")
    assert code == 0, err
    assert '"kind": "exact"' in out
    fitted = genzoo.load(tmp_path / "run")
    with pytest.raises(DataError, match="trained on images of 0 and 1, and these hold 5"):
        fitted.log_prob(np.full((1, 1, 8, 8), 5.0))
    code, out, _ = cli("evaluate", tmp_path / "run", "--metric", "bits-per-dim", "--json")
    assert code == 0, "a run remembers that its data were binarised"
    assert cli("sample", tmp_path / "run", "-n", "9", "--out", "grid.png")[0] == 0


def test_a_model_of_grey_is_not_asked_about_black_and_white(cli, tmp_path):
    training = ("-o", "training.max_iter=2", "--out", tmp_path / "run")
    assert cli("train", "gaussian", "--data", "digits", *training)[0] == 0
    assert_refused(cli("score", tmp_path / "run", "--data", "digits", "--binarize"), 4, "Leave --binarize out")
    assert_refused(cli("impute", tmp_path / "run", "--data", "digits", "--out", "x.npy"), 2, "Images have no missing")
    code, out, _ = cli("score", tmp_path / "run", "--data", "digits", "--threshold", "0.05", "--json")
    assert code == 0
    assert '"kind": "lower bound (64 draws)"' in out
    assert '"threshold": null' not in out


def test_a_gaussian_of_two_levels_is_refused_in_one_paragraph(cli):
    for model in ("gaussian", "gmm"):
        refused = cli("train", model, "--data", "digits", "--binarize")
        assert_refused(refused, 4, "The pixels of these images are binary", "naive-bayes", "vae")


def test_tables_have_no_black_and_white(cli, tmp_path):
    assert_refused(cli("data", "iris", "--binarize"), 2, "--binarize is for images", "iris")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    assert_refused(cli("data", "a.csv", "--binarize"), 2, "--binarize is for images")
    code, out, _ = cli("data", "digits", "--binarize")
    assert code == 0
    assert "binary image" in out
