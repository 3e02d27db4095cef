"""Building a model whose options come from a file: what needs numbers is built under limits, and those hold."""

from __future__ import annotations

import json

import pytest
import torch
import toy_plugin

import genzoo
from genzoo.errors import ArtifactError, ConfigError, PluginError
from genzoo.persistence.build_limits import SmallResults

FAR = 10**13
ROW = torch.zeros(10**6)

LARGE = {
    "zeros": lambda: torch.zeros(FAR),
    "drawn": lambda: torch.randn(FAR, generator=torch.Generator()),
    "permutation": lambda: torch.randperm(FAR),
    "counted": lambda: torch.arange(FAR),
    "expanded": lambda: ROW.expand(10**7, -1).clone(),
    "repeated": lambda: ROW.repeat(10**7),
    "outer": lambda: ROW[:, None] + ROW,
    "layer": lambda: torch.nn.Linear(10**6, 10**6),
    "recurrent": lambda: torch.nn.LSTM(10**6, 10**6),
    "padded": lambda: torch.nn.functional.pad(ROW, (FAR, 0)),
    "gathered": lambda: ROW[torch.zeros(1, dtype=torch.int64).expand(10**7)],
}


@pytest.mark.parametrize("name", LARGE)
def test_no_operation_makes_a_large_tensor_under_the_limit(name):
    with (
        pytest.raises(ArtifactError, match="bytes, and models with such weights may take 16000000"),
        SmallResults(16 * 10**6),
    ):
        LARGE[name]()


def test_what_models_are_made_of_works_under_the_limit():
    with SmallResults(2**20):
        layer = torch.nn.TransformerEncoderLayer(16, 2, 32)
        rows, places = torch.unique(torch.eye(4).repeat(2, 1), dim=0, return_inverse=True)
        torch.nn.init.orthogonal_(layer.linear1.weight.detach())
    assert rows.shape == (4, 4)
    assert places.shape == (8,)


class Numbers(toy_plugin.ToyGaussian):
    """A model that cannot be built without numbers."""

    def __init__(self, shape, offset):
        super().__init__(shape, offset)
        self.width = len(torch.unique(torch.ones(int(2 + offset * 10**9), 2), dim=0))


def test_a_model_that_needs_numbers_is_loaded_and_the_run_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_plugin, "ToyGaussian", Numbers)
    run = genzoo.train("toy", "iris", out=tmp_path / "run", steps=3, precision="fp32")
    assert run.record["loading"]["build"] == "under a limit"
    assert "unique_dim" in run.record["loading"]["because"]
    assert genzoo.load(run.model).generator.width == 1
    config = run.model / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "options": {"offset": 5.0}}))
    with pytest.raises(ArtifactError, match="ask for a tensor of 40000000016 bytes"):
        genzoo.load(run.model)


def test_a_model_that_needs_none_is_built_without_memory(tmp_path):
    run = genzoo.train("toy", "iris", out=tmp_path / "run", steps=3, precision="fp32")
    assert run.record["loading"] == {"build": "without memory"}


class Masked(toy_plugin.ToyGaussian):
    """A model with a mask of infinite numbers, which is saved."""

    persistent = True

    def __init__(self, shape, offset):
        super().__init__(shape, offset)
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]), persistent=self.persistent)


def test_an_infinite_mask_is_no_divergence(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_plugin, "ToyGaussian", Masked)
    with pytest.raises(PluginError, match=r"'mask', which holds infinite numbers.* persistent=False"):
        genzoo.train("toy", "iris", out=tmp_path / "kept", steps=3, precision="fp32")
    assert not (tmp_path / "kept").exists()
    monkeypatch.setattr(Masked, "persistent", False)
    run = genzoo.train("toy", "iris", out=tmp_path / "run", steps=3, precision="fp32", ema=0.9)
    assert genzoo.load(run.model).generator.mask.tolist() == [0.0, -torch.inf]


class Heavy(toy_plugin.ToyGaussian):
    """A model with far larger buffers than weights, which are computed again when it is loaded."""

    def __init__(self, shape, offset):
        super().__init__(shape, offset)
        self.register_buffer("table", torch.zeros(5 * 2**20), persistent=False)


def test_a_model_that_could_not_be_loaded_is_not_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_plugin, "ToyGaussian", Heavy)
    with pytest.raises(ConfigError, match="could be trained, but not loaded again: its options ask for buffers"):
        genzoo.train("toy", "iris", out=tmp_path / "run", steps=3, precision="fp32")
    assert not (tmp_path / "run").exists()
