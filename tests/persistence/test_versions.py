"""Stored runs of every released version can still be loaded, sampled, scored and resumed."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import genzoo
from genzoo.comparison import workers
from genzoo.errors import ArtifactError
from genzoo.plugins.manager import get_registry
from genzoo.sklearn import load as load_estimator
from genzoo.storage.tensors import read_numbers

DATA = Path(__file__).parents[1] / "data"
RUNS = DATA / "runs"
VERSIONS = sorted(path.name for path in RUNS.iterdir())
FAMILIES = ("gmm", "vae", "dcgan")
MODELS = sorted((DATA / "models").glob("*/*.npz"))
METHODS = {
    "likelihood": lambda model, events, **condition: model.log_prob(events, **condition),
    "likelihood-bound": lambda model, events, **condition: model.log_prob_bound(events, draws=2, seed=3, **condition),
    "anomaly-score": lambda model, events, **condition: model.anomaly_score(events, **condition),
    "components": lambda model, events, **condition: model.log_posterior(events, **condition),
    "encoder": lambda model, events, **condition: model.encode(events, **condition),
}
"""What `make_runs.py` stored beside a model, by capability."""


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
    # Scores are of float32, which another build of torch rounds otherwise: Debian's differs by 4e-6.
    np.testing.assert_allclose(found, np.load(folder / "gmm-scores.npy"), rtol=2e-5)
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


def test_a_model_of_every_bundled_plugin_is_stored():
    stored = {json.loads((path.with_suffix("") / "config.json").read_text("utf-8"))["model"] for path in MODELS}
    bundled = {entry.id.partition("/")[0] for entry in get_registry().models if entry.id.startswith("genzoo-")}
    assert {name.partition("/")[0] for name in stored} >= bundled - {"genzoo-toy"}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_old_models_give_the_samples_and_scores_they_gave(path):
    model = genzoo.load(path.with_suffix(""))
    expected = np.load(path)
    events = expected["samples"]
    given = {"label": 3} if path.stem == "dcgan" else None
    found = model.sample(len(events), seed=3, output="array", given=given)
    assert found.dtype == events.dtype
    step = 1 if np.issubdtype(events.dtype, np.integer) else 1e-4
    np.testing.assert_allclose(found.astype(float), events.astype(float), rtol=1e-4, atol=step)
    condition = {"condition": np.zeros((len(events), 1))} if model.data.condition else {}
    assert set(expected.files) == {"samples", *METHODS.keys() & model.capabilities}
    for name in METHODS.keys() & set(expected.files):
        scores = METHODS[name](model, events, **condition)
        np.testing.assert_allclose(scores, expected[name], rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.fixture
def as_then(monkeypatch):
    """Return a function that copies the comparison of a version, whose fits then count as fits of this version."""

    def copy(source, place):
        shutil.copytree(source, place)
        (place / "rows").mkdir(exist_ok=True)
        (row, *_) = sorted((source.parent / "rows" / "rows").glob("*.json"))
        versions = json.loads(row.read_text("utf-8"))["candidate"]["versions"]
        monkeypatch.setattr("genzoo.comparison.store.version", lambda: versions["genzoo"])
        monkeypatch.setattr("genzoo.comparison.store._version", lambda name: versions[name])
        return place

    return copy


ROWS = np.random.default_rng(0).normal(size=(40, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]]) + 9.0
CANDIDATES = ["gaussian", "gmm:n_components=2"]
FIT = "genzoo.comparison.workers.run_fit_job"


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_an_old_comparison_is_opened_without_a_fit(version, tmp_path, as_then, monkeypatch, undrawn):
    folder = as_then(DATA / "comparisons" / version / "rows", tmp_path / "rows")
    before = json.loads((folder / "report.json").read_text("utf-8"))
    monkeypatch.setattr(FIT, lambda *_: pytest.fail("a candidate is fitted again"))
    report = genzoo.compare(CANDIDATES, ROWS, folds=2, precision="fp64", device="cpu", out=folder)
    assert report.best == before["best"]
    for row, then in zip(report.as_dict()["rows"], before["rows"], strict=True):
        assert row["id"] == then["id"]
        assert row["log_likelihood"] == then["log_likelihood"]
        assert row["metrics"].keys() == then["metrics"].keys()
    assert genzoo.load(folder).sample(3).shape == (3, 2)


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_an_old_comparison_that_was_stopped_keeps_its_fits(version, tmp_path, as_then, monkeypatch, undrawn):
    folder = as_then(DATA / "comparisons" / version / "rows-interrupted", tmp_path / "rows")
    kept = len((folder / "fits.jsonl").read_text("utf-8").split("\n\n"))
    calls = []
    fit = workers.run_fit_job
    monkeypatch.setattr(FIT, lambda *words: calls.append(1) or fit(*words))
    report = genzoo.compare(CANDIDATES, ROWS, folds=2, precision="fp64", device="cpu", out=folder)
    whole = json.loads((DATA / "comparisons" / version / "rows" / "report.json").read_text("utf-8"))
    assert report.best == whole["best"]
    assert kept == 3
    fits = sum(1 + 1 + 2 for _ in CANDIDATES)  # held-out rows, criteria, and two folds
    assert len(calls) == fits - kept


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_an_old_estimator_scores_as_it_did(version):
    folder = DATA / "estimators" / version
    scores = load_estimator(folder / "gmm").score_samples(ROWS[:4])
    np.testing.assert_allclose(scores, np.load(folder / "gmm-scores.npy"), rtol=1e-6)


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
