"""Sampling options: given, checked, stored with a run, and part of the protocol of sample metrics."""

import json

import numpy as np
import pytest
from refusals import assert_refused
from wrong_models import plugin

import genzoo
from genzoo.errors import ArtifactError, ConfigError
from genzoo.plugins import builtin
from genzoo.plugins.manager import PluginManager, get_manager

QUICK = {"steps": 5, "batch_size": 32, "precision": "fp32"}


@pytest.fixture(autouse=True)
def _zoo(monkeypatch):
    """Add the correct model `right-heated`, which has a sampling option, to the installed ones."""
    zoo = PluginManager()
    zoo.add("genzoo", builtin)
    zoo.add("genzoo-wrong", plugin)
    zoo.registry.models.put(get_manager().registry.models.get("gaussian"))
    for objective in get_manager().registry.objectives:
        zoo.registry.objectives.put(objective)
    monkeypatch.setattr("genzoo.plugins.manager.get_manager", lambda: zoo)


@pytest.fixture
def run(tmp_path):
    return genzoo.train("right-heated", "iris", **QUICK, out=tmp_path / "run")


def test_an_option_changes_the_samples_and_nothing_else_does(run):
    plain, hot = run.sample(100, seed=1), run.sample(100, seed=1, options={"temperature": 3.0})
    assert np.array_equal(plain, run.sample(100, seed=1, options={"temperature": 1.0}))
    assert np.allclose((hot - hot.mean(0)).std(0) / plain.std(0), 3, rtol=0.6)
    assert not np.array_equal(plain, hot)


def test_options_are_checked_by_name_and_bounds(run):
    with pytest.raises(ConfigError, match=r"has no option 'temprature'\. Did you mean 'temperature'\?"):
        run.sample(4, options={"temprature": 2.0})
    with pytest.raises(ConfigError, match="temperature must be above 0, not -1"):
        run.sample(4, options={"temperature": -1})
    with pytest.raises(ConfigError, match="a mapping of names to values"):
        run.sample(4, options="temperature=2")
    with pytest.raises(ConfigError, match="without sampling options"):
        run.sample(4, mean=True, options={"temperature": 2.0})


def test_an_option_beside_the_others_is_explained(run):
    with pytest.raises(ConfigError, match=r"sample has no argument 'steps'.* together: options=\{'steps': 5\}\.$"):
        run.sample(3, steps=5)
    with pytest.raises(ConfigError, match=r"has no argument 'sede'\. Did you mean 'seed'\? Sampling options"):
        run.sample(3, sede=5)
    with pytest.raises(ConfigError, match=r"picture has no argument 'steps'"):
        run.picture(3, steps=5)
    with pytest.raises(ConfigError, match=r"together: options=\{'steps': 5\}\.$"):
        genzoo.load(run.path).sample(3, steps=5)


def test_a_model_without_sampling_options_takes_none(tmp_path):
    other = genzoo.train("gaussian", "iris", out=tmp_path / "other")
    with pytest.raises(ConfigError, match="'gaussian' has no sampling options, so it takes no 'steps'"):
        other.sample(4, options={"steps": 20})
    with pytest.raises(ConfigError, match="has no sampling options"):
        genzoo.train("gaussian", "iris", sampling={"steps": 20}, out=tmp_path / "none")
    assert other.config.sampling == {}


def test_options_of_a_training_are_those_of_its_run_and_its_model(run, tmp_path):
    hot = genzoo.train("right-heated", "iris", **QUICK, sampling={"temperature": 3.0}, out=tmp_path / "hot")
    wanted = run.sample(20, options={"temperature": 3.0})
    assert hot.config.sampling == {"temperature": 3.0}
    for model in (hot, genzoo.load(hot.path), genzoo.load(hot.model)):
        assert np.array_equal(model.sample(20), wanted)
    hot.update(status="interrupted")  # its last checkpoint is loaded
    assert np.array_equal(genzoo.load(hot.path).sample(20), wanted)
    assert np.array_equal(genzoo.load(hot.path).sample(20, options={"temperature": 1.0}), run.sample(20))


def test_scores_of_samples_say_with_which_options_they_were_drawn(run):
    plain = genzoo.evaluate(run, metrics=["coverage", "log-likelihood"])
    hot = genzoo.evaluate(run, metrics=["coverage", "log-likelihood"], sampling={"temperature": 5.0})
    assert plain.scores["coverage"].protocol["sampling"] == {"temperature": 1.0}
    assert hot.scores["coverage"].protocol["sampling"] == {"temperature": 5.0}
    assert hot.scores["coverage"].value != plain.scores["coverage"].value
    assert hot.scores["log-likelihood"] == plain.scores["log-likelihood"]


def test_stored_options_that_do_not_fit_the_model_are_an_artifact_error(run):
    path = run.model / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "sampling": {"temperature": -1}}))
    with pytest.raises(ArtifactError, match="temperature must be above 0"):
        genzoo.load(run.model)


def test_the_size_of_a_group_is_stored_so_that_draws_of_a_seed_stay(run):
    path = run.model / "config.json"
    content = json.loads(path.read_text())
    assert (content["sampling_group"], run.config.sampling_group) == (8, 8)
    small = run.sample(24)
    assert np.array_equal(run.sample(11), small[:11])
    path.write_text(json.dumps({**content, "sampling_group": 64}))
    whole = genzoo.load(run.model).sample(24)
    assert not np.array_equal(whole[8:], small[8:])
    assert np.array_equal(genzoo.load(run.model).sample(11), whole[:11])


@pytest.mark.parametrize("group", [0, True, 2.0, 10**6])
def test_the_size_of_a_group_is_a_sensible_whole_number(group):
    with pytest.raises(ValueError, match="sampling_group is"):
        genzoo.ModelSpec("m", "f", "s", "a:b", "a:c", ("o",), sampling_group=group)


def test_candidates_of_a_comparison_may_differ_in_sampling_options(tmp_path):
    wanted = ["right-heated:sampling.temperature=1|3", "gaussian"]
    common = {**QUICK, "test": 0.3}
    report = genzoo.compare(wanted, "iris", by="coverage", out=tmp_path / "all", **common)
    found = {row.id: row.metrics["coverage"] for row in report.rows}
    assert found["right-heated:sampling.temperature=3"].protocol["sampling"] == {"temperature": 3.0}
    assert "sampling" not in found["gaussian"].protocol
    again = genzoo.compare(wanted, "iris", by="coverage", out=tmp_path / "all", **common)
    assert {row.id: row.metrics["coverage"] for row in again.rows} == found
    shared = genzoo.compare(["right-heated", "gaussian"], "iris", by="coverage", sampling={"temperature": 3}, **common)
    assert shared["right-heated"].metrics["coverage"] == found["right-heated:sampling.temperature=3"]
    with pytest.raises(ConfigError, match=r"Did you mean 'sampling\.temperature'"):
        genzoo.compare(["right-heated", "gaussian"], "iris", sampling={"temprature": 3})


def test_the_command_line_takes_sampling_options(cli, tmp_path):
    path, quick = tmp_path / "run", ("--batch-size", 32, "--steps", 5, "--precision", "fp32")
    code, _, err = cli("train", "right-heated", "--data", "iris", "-o", "sampling.temperature=2", "--out", path, *quick)
    assert code == 0, err
    code, out, _ = cli("sample", path, "-n", 4, "-o", "temperature=3", "--json")
    assert (code, json.loads(out)["sampling"]) == (0, {"temperature": 3.0})
    assert json.loads(cli("sample", path, "--json")[1])["sampling"] == {"temperature": 2.0}
    code, out, _ = cli("evaluate", path, "--metric", "coverage", "-o", "temperature=1", "--json")
    assert json.loads(out)["metrics"]["coverage"]["protocol"]["sampling"] == {"temperature": 1.0}
    assert cli("report", path, "-o", "sampling.temperature=1")[0] == 0
    assert_refused(cli("sample", path, "-o", "steps=3"), 2, "no option 'steps'. Known: temperature.")
    assert_refused(cli("evaluate", path, "-o", "training.steps=1"), 2, "only sampling options can, such as -o steps=20")
    assert_refused(cli("evaluate", path, "-o", "sampling.temprature=1"), 2, "Did you mean 'sampling.temperature'?")
    assert_refused(cli("sample", path, "--traverse", "-o", "temperature=3"), 2, "Leave -o temperature=3 out")
    wrong = cli("train", "right-heated", "--data", "iris", "-o", "temperature=2")
    assert_refused(wrong, 2, "Did you mean 'sampling.temperature'?")


def test_sampling_options_are_shown_with_the_model(cli):
    for words in (("models", "right-heated"), ("train", "right-heated", "--help")):
        _, out, _ = cli(*words)
        assert "temperature" in out
        assert "factor of the standard deviations" in " ".join(out.split())
    shown = json.loads(cli("models", "right-heated", "--json")[1])[0]["sampling"]
    assert [option["name"] for option in shown] == ["temperature"]
    assert "Sampling options" not in cli("models", "gaussian")[1]
