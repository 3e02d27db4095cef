"""Stored runs of every released version can still be loaded, sampled, scored and resumed."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import genzoo
from genzoo.errors import ArtifactError
from genzoo.storage.tensors import read_numbers

RUNS = Path(__file__).parents[1] / "data" / "runs"
VERSIONS = sorted(path.name for path in RUNS.iterdir())
FAMILIES = ("gmm", "vae", "dcgan")


def test_this_version_has_stored_its_runs():
    assert genzoo.__version__.rpartition(".")[0] in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", FAMILIES)
def test_old_runs_and_their_models_give_the_samples_they_gave(version, name):
    expected = np.load(RUNS / version / f"{name}-samples.npy")
    for path in (RUNS / version / name, RUNS / version / name / "model"):
        found = genzoo.load(path).sample(len(expected), seed=3)
        assert found.dtype == expected.dtype
        # Pixels lie on a grid, where rounding elsewhere may turn one step.
        np.testing.assert_allclose(
            found.astype(float), expected, rtol=1e-4, atol=1 if found.dtype == np.uint8 else 1e-4
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_old_runs_are_scored_as_they_were(version, cli):
    folder = RUNS / version
    found = genzoo.load(folder / "gmm").log_prob(np.load(folder / "gmm-samples.npy"))
    np.testing.assert_allclose(found, np.load(folder / "gmm-scores.npy"), rtol=1e-6)
    assert cli("score", folder / "gmm", "--data", "iris", "--threshold", "0.1", "--out", "s.csv")[0] == 0
    assert cli("evaluate", folder / "vae", "--metric", "bits-per-dim")[0] == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_an_old_interrupted_run_ends_like_an_uninterrupted_one(version, tmp_path):
    shutil.copytree(RUNS / version / "gmm-interrupted", tmp_path / "run")
    run = genzoo.resume(tmp_path / "run")
    found = read_numbers(run.model / "model.safetensors")
    expected = read_numbers(RUNS / version / "gmm" / "model" / "model.safetensors")
    assert found.keys() - expected.keys() <= {"generator.emissions.0.unit"}, "a tensor that came later"
    assert not expected.keys() - found.keys()
    for name, tensor in expected.items():
        np.testing.assert_allclose(found[name].numpy(), tensor.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["vae", "dcgan"])
def test_old_runs_can_be_resumed_and_extended(version, name, tmp_path):
    shutil.copytree(RUNS / version / name, tmp_path / "run")
    before = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["steps"]
    with (
        pytest.warns(UserWarning, match="the result will differ from a run that had the larger budget")
        if name == "vae"
        else contextlib.nullcontext()
    ):
        run = genzoo.resume(tmp_path / "run", steps=before + 3)
    assert run.record["steps"] == before + 3
    assert np.isfinite(run.sample(4).astype(float)).all()


@pytest.mark.parametrize(
    "file", ["config.json", "run.json", "checkpoints/step-000003/state.json", "../gmm/model/config.json"]
)
def test_a_file_of_a_newer_version_says_so(file, tmp_path):
    for name in ("gmm", "gmm-interrupted"):
        shutil.copytree(RUNS / VERSIONS[-1] / name, tmp_path / name)
    path = tmp_path / "gmm-interrupted" / file
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "format": 3, "later": True}), encoding="utf-8"
    )
    with pytest.raises(ArtifactError, match="newer genzoo"):
        genzoo.load(tmp_path / ("gmm" if "gmm/" in file else "gmm-interrupted"))
