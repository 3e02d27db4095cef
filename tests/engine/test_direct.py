"""Direct fits: one call, on the host, with the run's usual files around it."""

from __future__ import annotations

import json
import os
import signal

import direct_plugin
import numpy as np
import pytest
import torch
from scipy.stats import norm

import genzoo
from genzoo.config.resolve import resolve_config
from genzoo.engine.distributed import SINGLE_PROCESS
from genzoo.errors import ArtifactError, ConfigError, DivergenceError, PluginError
from genzoo.persistence.checkpoint import checkpoints
from genzoo.plugins import builtin
from genzoo.plugins.manager import PluginManager, get_registry
from genzoo.storage.tensors import read_tensors
from genzoo.training.setup import build_setup


@pytest.fixture(autouse=True)
def zoo(monkeypatch):
    """Register only the models that are fitted directly."""
    manager = PluginManager()
    manager.add("genzoo", builtin)
    manager.add("genzoo-direct", direct_plugin)
    monkeypatch.setattr("genzoo.plugins.manager.get_manager", lambda: manager)


@pytest.fixture
def events():
    return np.random.default_rng(0).normal([3.0, -20.0], [2.0, 0.5], (60, 2))


WHOLE = {"validation": 0.0, "test": 0.0}


def test_a_fit_in_closed_form_gives_the_moments_of_the_training_rows(tmp_path, events):
    run = genzoo.train("direct-normal", events, out=tmp_path / "run", split=WHOLE, precision="fp64")
    expected = norm(events.mean(0), events.std(0)).logpdf(events).sum(1)
    np.testing.assert_allclose(run.load().log_prob(events), expected, rtol=1e-9)
    record = run.record
    assert record["status"] == "finished"
    assert record["steps"] == 1
    assert record["fit"] == {"events": 60.0}
    assert "kept" not in record
    (line,) = map(json.loads, run.log.read_text().splitlines())
    assert line["step"] == 1
    assert line["loss"] == {}


def test_a_fit_uses_the_weights_of_rows_only_if_it_says_so(tmp_path, events):
    weights = np.arange(60.0)
    run = genzoo.train("direct-normal", events, weights=weights, out=tmp_path / "run", split=WHOLE, precision="fp64")
    mean = np.average(events, weights=weights, axis=0)
    deviation = np.average((events - mean) ** 2, weights=weights, axis=0) ** 0.5
    np.testing.assert_allclose(run.log_prob(events), norm(mean, deviation).logpdf(events).sum(1), rtol=1e-9)
    with pytest.raises(ConfigError, match="does not support weighted rows"):
        genzoo.train("direct-kernels", events, weights=weights, out=tmp_path / "other")


def test_buffers_that_grow_are_as_long_as_the_training_rows(tmp_path, events):
    run = genzoo.train("direct-kernels", events, out=tmp_path / "run", split=WHOLE)
    loaded = genzoo.load(run.model)
    assert loaded.generator.points.shape == (60, 2)
    np.testing.assert_array_equal(loaded.sample(5, seed=1), run.sample(5, seed=1))
    (last,) = checkpoints(run.checkpoints)
    saved = read_tensors(last / "state.safetensors", {})
    torch.testing.assert_close(saved["model.generator.points"], loaded.generator.points)


@pytest.mark.parametrize("model", ["direct-normal", "direct-kernels"])
def test_a_comparison_gives_criteria_for_an_exact_maximum_only(events, model):
    report = genzoo.compare([model], data=events, folds=2)
    (row,) = report.as_dict()["rows"]
    assert row["status"] == "ok"
    if model == "direct-normal":
        total = norm(events.mean(0), events.std(0)).logpdf(events).sum()
        assert row["bic"] == pytest.approx(4 * np.log(60) - 2 * total, rel=1e-9)
        assert row["aic"] == pytest.approx(8 - 2 * total, rel=1e-9)
    else:
        assert row["bic"] is None
        assert row["reasons"]["bic"] == "a direct fit that does not end at the maximum of the likelihood"


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGINT, 130, "Inter"), (signal.SIGTERM, 143, "Termin")])
def test_a_signal_ends_a_fit_and_resuming_starts_it_again(tmp_path, monkeypatch, cli, number, code, word):
    words = ("--seed", 3, "-o", "objective.slow=true", "-o", "training.block_size=10")
    assert cli("train", "direct-normal", *words, "--out", "whole")[0] == 0
    seen = []

    def send():
        seen.append(1)
        if len(seen) == 2:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(direct_plugin, "DURING", send)
    returned, _, shown = cli("train", "direct-normal", *words, "--out", "cut")
    assert (returned, len(seen)) == (code, 2)
    assert f"{word}" in shown
    assert "The fit starts again with: genzoo train --resume cut" in " ".join(shown.split())
    returned, _, shown = cli("sample", "cut", "-n", 2)
    assert returned == 4
    assert "holds no model yet" in " ".join(shown.split())
    assert cli("train", "--resume", "cut")[0] == 0
    whole, cut = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    returned, _, shown = cli("train", "--resume", "cut")
    assert returned == 2
    assert "nothing is left to train" in " ".join(shown.split())
    returned, _, shown = cli("train", "--resume", "cut", "--epochs", 3)
    assert returned == 2
    assert "has no budget" in " ".join(shown.split())


@pytest.mark.parametrize("setting", ["epochs", "steps", "minutes", "patience", "batch_size", "max_iter", "lr"])
def test_a_fit_has_no_settings_of_other_trainings(tmp_path, events, setting):
    with pytest.raises(ConfigError, match=f"trained by a direct fit, which has no setting {setting}") as raised:
        genzoo.train("direct-normal", events, out=tmp_path / "run", **{setting: 3})
    assert "It has block_size." in str(raised.value)


def test_facts_and_numbers_of_a_fit_are_checked(tmp_path, events):
    with pytest.raises(PluginError, match="facts that JSON cannot hold"):
        genzoo.train("direct-normal", events, objective={"name": "moments", "breaks": "facts"}, out=tmp_path / "a")
    with pytest.raises(DivergenceError, match=r"not finite in generator\.mean") as raised:
        genzoo.train("direct-normal", events, objective={"name": "moments", "breaks": "nan"}, out=tmp_path / "b")
    assert "learning rate" not in str(raised.value)


def test_a_fit_refuses_several_processes_and_coarse_precision(tmp_path, events):
    class Two(type(SINGLE_PROCESS)):
        count = 2

    data = genzoo.Dataset("events", genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b"))), events)
    config = resolve_config(get_registry(), "direct-normal")
    with pytest.raises(ConfigError, match="runs in one process, and there are 2"):
        build_setup(config, data, processes=Two())
    with pytest.raises(ConfigError, match="A direct fit computes in fp32 or fp64, not in bf16"):
        genzoo.train("direct-normal", events, precision="bf16", out=tmp_path / "run")


@pytest.mark.parametrize("points", [torch.zeros(3, 3), torch.zeros(3), torch.zeros(3, 2, dtype=torch.int64)])
def test_only_the_first_dimension_of_a_buffer_may_grow(tmp_path, events, points):
    from genzoo.storage.tensors import digest, write_tensors

    run = genzoo.train("direct-kernels", events, out=tmp_path / "run")
    weights, config = run.model / "model.safetensors", run.model / "config.json"
    write_tensors(weights, {**read_tensors(weights, {}), "generator.points": points})
    config.write_text(json.dumps({**json.loads(config.read_text()), "tensors": digest(weights)}))
    with pytest.raises(ArtifactError, match="'points'"):
        genzoo.load(run.model)


def test_a_generator_may_name_only_saved_buffers_that_grow(tmp_path, events, monkeypatch):
    monkeypatch.setattr(direct_plugin.Kernels, "grows", ("points", "width"))
    with pytest.raises(PluginError, match="'width' in `grows`"):
        genzoo.train("direct-kernels", events, out=tmp_path / "run")
