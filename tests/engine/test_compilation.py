"""What `torch.compile` cannot take is trained without."""

from __future__ import annotations

import warnings

import pytest
import torch
import toy_plugin

import genzoo
from genzoo.errors import ConfigError, NotCompiledWarning


class Staged(toy_plugin.NegativeLogLikelihood):
    """An objective whose stage reads a value back, which breaks a graph."""

    stages = ("loss",)

    def losses(self, model, batch, progress):
        yield {"generator": self.loss(model, batch.x)}

    def loss(self, model, x):
        if x.mean().item() > 1e9:
            raise ValueError("too large")
        return -model.generator.log_prob(x).mean()


def train(tmp_path, name, **settings):
    torch._dynamo.reset()
    return genzoo.train("toy", "iris", out=tmp_path / name, steps=4, precision="fp32", **settings)


def test_a_stage_that_cannot_be_compiled_runs_uncompiled_with_one_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_plugin, "NegativeLogLikelihood", Staged)
    with pytest.warns(NotCompiledWarning, match=r"torch\.compile cannot compile this model.*compile=False") as shown:
        compiled = train(tmp_path, "compiled", compile=True)
    assert len(shown) == 1
    plain = train(tmp_path, "plain", compile=False)
    assert compiled.record["weights"] == plain.record["weights"]


class Failing:
    """A backend that compiles nothing."""

    def __call__(self, graph, inputs):
        raise RuntimeError("no compiler")


@pytest.mark.parametrize("stages", [("loss",), ()])
def test_a_backend_that_fails_is_no_failure_of_the_training(tmp_path, monkeypatch, stages):
    class Plain(Staged):
        def loss(self, model, x):
            return -model.generator(x).mean()

    Plain.stages = stages
    monkeypatch.setattr(toy_plugin, "NegativeLogLikelihood", Plain)
    monkeypatch.setattr(toy_plugin.ToyGaussian, "forward", toy_plugin.ToyGaussian.log_prob, raising=False)
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *a, mode=None, **k: compiler(*a, backend=Failing(), **k))
    with pytest.warns(NotCompiledWarning, match=r"cannot compile this model.*no compiler"):
        compiled = train(tmp_path, "compiled", compile=True)
    plain = train(tmp_path, "plain", compile=False)
    assert compiled.record["weights"] == plain.record["weights"]


def test_an_error_of_the_objective_is_not_taken_for_one_of_the_compiler(tmp_path, monkeypatch):
    class Wrong(Staged):
        stages = ("loss",)

        def loss(self, model, x):
            raise ConfigError("This objective does not suit.")

    monkeypatch.setattr(toy_plugin, "NegativeLogLikelihood", Wrong)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ConfigError, match="This objective does not suit"):
            train(tmp_path, "run", compile=True)
