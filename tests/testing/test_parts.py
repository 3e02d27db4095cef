"""A model of images with their labels, from training to the kit: what events of several parts need of every step."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

import genzoo
from genzoo.errors import ArtifactError, ConfigError, DataError, Interrupted
from genzoo.testing.check import check_promise, promises, subject_of
from genzoo.testing.promise import BrokenPromise

LABELED = f"{Path(__file__).parents[1] / 'support' / 'outside'}/labeled.py:Labeled"
USUAL = {"batch_size": 32, "n_components": 3, "schedule": {"name": "constant"}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return genzoo.train(LABELED, "labeled-digits", steps=4, out=tmp_path_factory.mktemp("runs") / "run", **USUAL)


def contents(run):
    model = genzoo.load(run.path, model=LABELED)
    return {name: value.clone() for name, value in model.generator.state_dict().items()}


@pytest.mark.precision
def test_a_killed_run_resumes_to_equal_bits(tmp_path, run):
    def kill(step):
        if step.number == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        genzoo.train(
            LABELED, "labeled-digits", steps=4, checkpoint_every=2, callbacks=[kill], out=tmp_path / "part", **USUAL
        )
    resumed = contents(genzoo.resume(tmp_path / "part"))
    assert all(torch.equal(value, resumed[name]) for name, value in contents(run).items())


@pytest.mark.precision
def test_samples_are_arrays_on_the_grid_and_levels(run):
    drawn = run.sample(6, seed=1)
    assert drawn["image"].shape == (6, 1, 8, 8)
    assert drawn["image"].dtype == np.uint8
    assert drawn["image"].max() <= 16
    assert set(drawn["label"]) <= set(range(10))


@pytest.mark.precision
def test_log_likelihoods_add_up_over_parts(run):
    model = genzoo.load(run.path, model=LABELED)
    drawn = model.sample(6, seed=1)
    turned = dict(reversed(drawn.items()))
    whole = model.log_prob_bound(drawn)
    assert np.array_equal(whole, model.log_prob_bound(turned))
    label = model.log_prob_bound({**drawn, "image": None})
    image = model.log_prob_bound({**drawn, "label": None})
    assert (label < 0).all(), "the label is a probability"
    assert np.isfinite(image).all()
    each = [model.log_prob_bound({**drawn, "image": None, "label": np.full(6, level)}) for level in range(10)]
    assert np.exp(each).sum(0) == pytest.approx(1.0), "the image is integrated out"


@pytest.mark.precision
def test_scores_take_parts_files_and_datasets(tmp_path, run):
    model = genzoo.load(run.path, model=LABELED)
    drawn = model.sample(12, seed=1)
    np.savez(tmp_path / "a.npz", **drawn)
    values = model.score(drawn).values
    assert np.array_equal(genzoo.score(model, str(tmp_path / "a.npz")).values, values)
    assert np.array_equal(genzoo.score(model, drawn).values, values)
    assert genzoo.evaluate(run, metrics=["coverage"]).scores


@pytest.mark.precision
def test_the_command_line_samples_scores_and_reports(tmp_path, run, cli):
    file = ("--model-file", LABELED.partition(":")[0])
    assert cli("sample", run.path, "-n", 8, "--out", tmp_path / "s.npz", *file)[0] == 0
    with np.load(tmp_path / "s.npz") as saved:
        assert sorted(saved.files) == ["image", "label"]
    _, scored, _ = cli("score", run.path, "--data", tmp_path / "s.npz", "--json", *file)
    assert json.loads(scored)["rows"] == 8
    assert cli("report", run.path, *file)[0] == 0
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Distribution of column label" in page
    assert "images of 8×8 pixels" in page
    assert "Samples of the model: parts side by side" in page


@pytest.mark.once
def test_samples_of_one_part_are_data_of_its_kind(tmp_path, run, cli):
    words = ("sample", run.path, "-n", 3, "--model-file", LABELED.partition(":")[0], "--out")
    assert cli(*words, tmp_path / "a.npz")[0] == 0
    assert cli(*words, tmp_path / "a.npy", "--show", "image")[0] == 0
    assert cli(*words, tmp_path / "a.csv", "--show", "label")[0] == 0
    assert cli(*words, tmp_path / "b.npz", "--show", "image,label")[0] == 0
    with np.load(tmp_path / "a.npz") as whole, np.load(tmp_path / "b.npz") as named:
        assert np.array_equal(np.load(tmp_path / "a.npy"), whole["image"])
        assert np.load(tmp_path / "a.npy").dtype == np.uint8
        assert (tmp_path / "a.csv").read_text().split() == ["label", *map(str, whole["label"])]
        assert all(np.array_equal(whole[name], named[name]) for name in whole.files)
    code, _, said = cli(*words, tmp_path / "c.png", "--show", "imgae")
    assert code == 2
    assert "Did you mean 'image'" in said


@pytest.mark.once
@pytest.mark.parametrize("name", ["s.csv", "s.npy", "s.png", "s"])
def test_other_files_of_samples_are_refused(tmp_path, run, cli, name):
    words = ("sample", run.path, "-n", 2, "--out", tmp_path / name, "--model-file", LABELED.partition(":")[0])
    code, _, said = cli(*words)
    assert code == 2
    assert ".npz" in said


def test_a_model_of_parts_says_what_data_it_takes():
    with pytest.raises(DataError, match="takes events of several parts"):
        genzoo.train(LABELED, "iris", steps=1, precision="fp32")
    with pytest.raises(DataError, match="takes tables"):
        genzoo.train("gmm", "labeled-digits", precision="fp32")
    with pytest.raises(ConfigError, match="not for events of several parts"):
        genzoo.train(LABELED, {"source": {"a": np.zeros((9, 1))}, "label": "a"})


@pytest.mark.once
def test_events_of_other_parts_are_refused(run):
    with pytest.raises(DataError, match="'picture'"):
        run.log_prob_bound({"picture": np.zeros((2, 8, 8)), "label": np.zeros(2)})


@pytest.mark.precision
def test_training_on_parts_that_are_missing(tmp_path):
    images = np.random.default_rng(0).integers(0, 17, (60, 4, 4)).astype(float)
    images[::3] = np.nan
    labels = np.array(["a", "b", None] * 20, object)
    run = genzoo.train(LABELED, {"image": images, "label": labels}, steps=3, out=tmp_path / "run", **USUAL)
    assert set(run.sample(9)["label"]) <= {"a", "b"}


@pytest.mark.precision
def test_two_models_of_parts_rank_in_one_measure(tmp_path):
    report = genzoo.compare(
        [f"{LABELED}:n_components=2", f"{LABELED}:n_components=3"],
        "labeled-digits",
        steps=3,
        by="test",
        test=0.3,
        out=tmp_path / "all",
    )
    assert [row.status for row in report.rows] == ["ok", "ok"]
    assert len({row.log_likelihood.measure for row in report.rows}) == 1
    assert report.best


def rewritten(folder, change):
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")


CHANGES = {
    "a stage of no part": lambda c: c["transforms"][0].update(part="other"),
    "stages in another order": lambda c: c["transforms"].reverse(),
    "a part without a stage": lambda c: c["transforms"].pop(),
    "a part more": lambda c: c["data"]["parts"].update(more=c["data"]["parts"]["image"]),
    "a part less": lambda c: c["data"]["parts"].pop("label"),
    "a larger part": lambda c: c["data"]["parts"]["image"].update(event_shape=[1, 4096, 4096]),
    "a nested part": lambda c: c["data"]["parts"].update(image=json.loads(json.dumps(c["data"]))),
    "parts in a list": lambda c: c["data"].update(parts=[]),
    "columns of an image": lambda c: c["transforms"][0].update(columns=[0]),
}


@pytest.mark.once
@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_does_not_fit_its_parts_is_refused(tmp_path, run, change):
    shutil.copytree(run.path / "model", tmp_path / "model")
    rewritten(tmp_path / "model", CHANGES[change])
    with pytest.raises(ArtifactError):
        genzoo.load(tmp_path / "model", model=LABELED)


class Shuffled(genzoo.Generator, genzoo.Likelihood):
    """Takes the parts by their order in the dict, and forgets to integrate out those that are missing."""

    degrees_of_freedom = None
    dequantized = missing = True
    modalities = ("parts",)
    data = "labeled-digits"

    def __init__(self, data):
        super().__init__()
        self.parts = data.parts
        self.scale = torch.nn.Parameter(torch.ones(data.size))

    def log_prob(self, x, missing=None):
        rows = torch.cat([part.flatten(1) for part in x.values()], 1)
        return -0.5 * (rows / self.scale).square().sum(1) - 0.2 * rows.sum(1).square()

    def sample(self, n, *, condition=None):
        drawn = torch.randn(n, len(self.scale), dtype=self.scale.dtype) * self.scale
        found, start = {}, 0
        for name, part in self.parts.items():
            found[name] = drawn[:, start : start + part.size].reshape(n, *part.event_shape)
            start += part.size
        return found


@pytest.mark.parametrize(
    ("name", "says"), [("order-of-parts", "order"), ("missing-parts-are-integrated-out", "off by")]
)
def test_a_wrong_model_breaks_the_promises_about_parts(name, says):
    (promise,) = [one for one in promises() if one.name == name]
    check_promise(promise, subject_of(LABELED))
    with pytest.raises(BrokenPromise, match=says):
        check_promise(promise, subject_of(Shuffled, training={"steps": 5, "optimizer": {"lr": 0.05}}))
