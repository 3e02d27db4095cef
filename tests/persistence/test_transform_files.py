"""What a file says about its transforms is checked before anything is read or built."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import genzoo
from genzoo.errors import ArtifactError
from genzoo.storage.tensors import digest

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": RNG.lognormal(size=900), "b": RNG.beta(2, 2, 900)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("transforms") / "run"
    return genzoo.train("gaussian", data=FRAME, transforms={"a": "marginal", "b": "logit"}, out=out).model


@pytest.fixture
def folder(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "model")
    return tmp_path / "model"


def changed(folder, *, config=None, tensors=None):
    """Change the record or the tensors of a model folder, with a digest that fits."""
    file = folder / "model.safetensors"
    if tensors is not None:
        found = load_file(file)
        tensors(found)
        save_file(found, file)
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config is not None:
        config(content)
    content["tensors"] = digest(file)
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def stage(content, number=1):
    return content["transforms"][number]


def test_an_unchanged_folder_loads(folder, trained):
    found, expected = genzoo.load(changed(folder)), genzoo.load(trained)
    assert np.array_equal(found.log_prob(FRAME), expected.log_prob(FRAME))


RECORDS = {
    "unknown transform": lambda c: stage(c).update(id="genzoo/cube"),
    "class name": lambda c: stage(c).update(id="os:system"),
    "unknown option": lambda c: stage(c).update(options={"knits": 3}),
    "huge option": lambda c: stage(c).update(options={"knots": 10**12}),
    "fewer knots than its tensors": lambda c: stage(c).update(options={"knots": 16}),
    "column beyond the table": lambda c: stage(c).update(columns=[7]),
    "negative column": lambda c: stage(c).update(columns=[-1]),
    "column twice": lambda c: stage(c).update(columns=[0, 0]),
    "no column": lambda c: stage(c).update(columns=[]),
    "key too many": lambda c: stage(c).update(code="x"),
    "no transforms": lambda c: c.update(transforms=[]),
    "one transform less": lambda c: c["transforms"].pop(),
    "very many": lambda c: c.update(transforms=[{"id": "genzoo/log", "options": {}, "columns": [0]}] * 100_000),
    "another one": lambda c: stage(c).update(id="genzoo/standardized", options={}),
    "not a list": lambda c: c.update(transforms={"a": "log"}),
    "cell of nothing": lambda c: c["data"]["features"][0].update(cell=-1.0),
    "cell of text": lambda c: c["data"]["features"][0].update(cell="wide"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_names_other_transforms_is_an_error(name, folder):
    with pytest.raises(ArtifactError, match="model"):
        genzoo.load(changed(folder, config=RECORDS[name]))


def reversed_knots(tensors):
    tensors["transform.parts.1.x"] = tensors["transform.parts.1.x"].flip(1).contiguous()


TENSORS = {
    "knots that fall": reversed_knots,
    "no knots": lambda t: t.pop("transform.parts.1.x"),
    "one knot": lambda t: t.update({f"transform.parts.1.{n}": torch.zeros(1, 1, dtype=torch.float64) for n in "xy"}),
    "other knots": lambda t: t.update({"transform.parts.1.x": torch.arange(9, dtype=torch.float64)[None]}),
    "no shape": lambda t: t.update({"transform.parts.1.x": torch.tensor(1.0)}),
    "whole numbers": lambda t: t.update({"transform.parts.1.x": torch.arange(9)[None]}),
    "too many columns": lambda t: t.update({"transform.parts.1.x": t["transform.parts.1.x"].repeat(5, 1)}),
    "bounds that fall": lambda t: t.update({"transform.parts.0.low": torch.tensor([5.0], dtype=torch.float64)}),
    "negative scale": lambda t: t.update({"transform.parts.2.scale": -t["transform.parts.2.scale"]}),
    "tensor of no part": lambda t: t.update({"transform.parts.9.x": torch.zeros(1)}),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_of_no_fitted_transform_are_an_error(name, folder):
    with pytest.raises(ArtifactError, match="model"):
        genzoo.load(changed(folder, tensors=TENSORS[name]))


def test_a_folder_of_an_earlier_version_names_no_transforms_and_loads(tmp_path):
    run = genzoo.train("gaussian", data=FRAME, out=tmp_path / "run")
    expected = run.load().log_prob(FRAME)
    changed(run.model, config=lambda content: content.pop("transforms"))
    assert np.array_equal(genzoo.load(run.model).log_prob(FRAME), expected)
