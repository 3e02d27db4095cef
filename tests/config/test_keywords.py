"""Settings as keywords: what each sets, and what wins."""

import numpy as np
import pytest
import torch

import genzoo
from genzoo.config.flags import flagged_settings
from genzoo.config.keywords import PLACES, check_model, sort_keywords
from genzoo.config.run_config import RunConfig
from genzoo.errors import ConfigError
from genzoo.plugins.manager import get_registry

OWN_ARGUMENTS = {"source", "method", "by", "callbacks", "seed", "device", "precision", "warm_start"}


def test_every_setting_with_a_flag_is_a_keyword_or_an_argument():
    flagged = {setting.path[-1]: setting.path for setting in flagged_settings(RunConfig)}
    assert {name for name in flagged if name not in PLACES} == OWN_ARGUMENTS
    assert all(PLACES[name] == path for name, path in flagged.items() if name in PLACES)


def test_keywords_are_sorted_by_what_they_set():
    found = sort_keywords({"lr": np.float64(0.1), "steps": 3, "drop": ["a"], "test": 0.0, "latent": 2})
    assert found.training == {"optimizer": {"lr": 0.1}, "steps": 3}
    assert (found.data, found.split, found.options) == ({"drop": ["a"]}, {"test": 0.0}, {"latent": 2})
    assert type(found.training["optimizer"]["lr"]) is float


def test_an_option_of_the_model_wins_over_a_setting_of_its_name():
    found = sort_keywords({"steps": 3}, {"steps"})
    assert (found.options, found.training) == ({"steps": 3}, {})


def test_keywords_join_data_that_are_named_in_any_way():
    keywords = sort_keywords({"drop": ["a"]})
    assert keywords.read(None) == {"drop": ["a"]}
    assert keywords.read("a.csv") == {"source": "a.csv", "drop": ["a"]}
    assert keywords.read({"source": "a.csv", "label": "b"}) == {"source": "a.csv", "label": "b", "drop": ["a"]}
    assert sort_keywords({}).read("a.csv") == "a.csv"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "this is None"),
        (torch.nn.Linear(3, 4), "of type Linear of torch. To train a network of your own"),
        (torch.nn.Linear, "the class Linear of torch"),
        (3, "this is of type int"),
        (dict, "the class dict"),
    ],
)
def test_what_is_no_model_is_named_with_the_models_there_are(given, words):
    with pytest.raises(ConfigError, match=words) as found:
        check_model(get_registry(), given)
    assert "gmm" in str(found.value)


def test_an_estimator_is_told_from_a_model():
    from genzoo.sklearn import GMM

    for given, words in ((GMM(), "an estimator of type GMM"), (GMM, "the class GMM, an estimator")):
        with pytest.raises(ConfigError, match=rf"this is {words}. Call its fit\(X\), or name its model: 'gmm'"):
            genzoo.train(given)


def test_flat_keywords_reach_the_run_and_win_over_mappings(tmp_path):
    run = genzoo.train(
        "gmm", "iris", n_components=2, max_iter=3, test=0.2, training={"max_iter": 7, "n_init": 2}, out=tmp_path / "run"
    )
    config = run.config
    assert (config.training.max_iter, config.training.n_init, config.split.test) == (3, 2, 0.2)
    table = np.c_[np.random.default_rng(0).normal(size=(40, 2)), np.arange(40)]
    run = genzoo.train("gaussian", table, columns=["x0", "x1"], out=tmp_path / "array")
    assert [feature.name for feature in run.data.features] == ["x0", "x1"]
    run = genzoo.train("vae", "iris", steps=2, lr=0.5, minutes=None, precision="fp32", out=tmp_path / "vae")
    assert (run.config.training.steps, run.config.training.optimizer.lr) == (2, 0.5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_iters": 3}, "max_iter"),
        ({"n_component": 3}, "n_components"),
        ({"batch_size": 3}, "batch_size"),
        ({"kind": {"a": "count"}}, "kinds"),
        ({"drops": ["a"]}, "drop"),
    ],
)
def test_a_misspelled_keyword_gets_the_right_one(settings, words):
    with pytest.raises(ConfigError, match=words):
        genzoo.train("gmm", "iris", **settings)


def test_compare_and_resume_take_keywords_that_make_sense(tmp_path):
    found = genzoo.compare(["gaussian", "gmm:n_components=2"], "iris", max_iter=50, test=0.0)
    assert len(found.rows) == 2
    with pytest.raises(ConfigError, match="belong to its candidate"):
        genzoo.compare(["gmm"], "iris", n_components=2)
    with pytest.raises(ConfigError, match="a list of candidates"):
        genzoo.compare("gmm", "iris")
    with pytest.raises(ConfigError, match="of type Linear of torch"):
        genzoo.compare([torch.nn.Linear(1, 1)], "iris")
    run = genzoo.train("vae", "iris", steps=2, schedule={"name": "constant"}, precision="fp32", out=tmp_path / "run")
    with pytest.warns(UserWarning, match="larger budget"):
        assert genzoo.resume(run, steps=4).record["steps"] == 4
    with pytest.raises(ConfigError, match="not lr"):
        genzoo.resume(run, lr=0.1)
    assert genzoo.load(run).model == genzoo.load(run.path).model
