"""Six models that outsiders write from the guide alone: they train, resume, load, sample, rank and keep promises."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import genzoo
from genzoo.testing import check_promises, promises
from genzoo.testing.check import check_promise, subject_of
from genzoo.testing.promise import DoesNotApply

FOLDER = Path(__file__).parents[1] / "support" / "outside"
MODELS = (
    "kernels.py:Kernels",
    "diffusion.py:Diffusion",
    "characters.py:Characters",
    "pixelcnn.py:PixelCNN",
    "letters.py:Letters",
    "labeled.py:Labeled",
)
FLOW = "flow.py:Flow"
CANNOT = {FLOW: {"traces": "zuko builds its distributions of Python objects, which torch.compile does not trace"}}
"""Promises that a model cannot keep, with the reason. genzoo trains such a model without compilation."""


def place(model):
    """Return a model as users name it; skip the test if a package that it needs is not installed."""
    if model == FLOW:
        pytest.importorskip("zuko")
    return f"{FOLDER}/{model}"


def names():
    """The first six letters of first names; shorter ones end with dots."""
    words = [word.ljust(6, ".")[:6] for word in (FOLDER / "names.txt").read_text(encoding="utf-8").split()]
    letters = ".abcdefghijklmnopqrstuvwxyz"
    events = np.array([[letters.index(letter) for letter in word] for word in words], np.float64)
    columns = tuple(genzoo.Feature(f"letter {number}", "categorical", tuple(letters)) for number in range(1, 7))
    return genzoo.Dataset("names", genzoo.DataSpec((6,), "table", columns, storage="float64"), events)


def words():
    """The first names, of any length, as texts."""
    return (FOLDER / "names.txt").read_text(encoding="utf-8").split()


DATA = {
    "kernels.py:Kernels": lambda: "iris",
    "diffusion.py:Diffusion": lambda: "iris",
    "characters.py:Characters": names,
    "letters.py:Letters": words,
    "pixelcnn.py:PixelCNN": lambda: {"source": "digits", "binarize": True},
    "labeled.py:Labeled": lambda: "labeled-digits",
    FLOW: lambda: "iris",
}


def same(one, two):
    """Whether two samples are equal: arrays, lists of texts, or dicts of the arrays of parts."""
    one, two = (x if isinstance(x, dict) else {"": x} for x in (one, two))
    return one.keys() == two.keys() and all(np.array_equal(one[part], two[part]) for part in one)


@pytest.mark.parametrize("model", [*MODELS, FLOW])
def test_an_outside_model_fits_on_a_page(model):
    lines = (FOLDER / model.partition(":")[0]).read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 70


@pytest.mark.precision
@pytest.mark.parametrize("model", [*MODELS, FLOW])
def test_an_outside_model_trains_resumes_loads_and_samples(model, tmp_path):
    data, steps = DATA[model](), [{}] if "kernels" in model else [{"steps": 3}, {"steps": 6}]
    usual = {"batch_size": 32, "schedule": {"name": "constant"}} if steps[0] else {}
    whole = genzoo.train(place(model), data, **usual, **steps[-1], out=tmp_path / "whole")
    drawn = whole.sample(5, seed=1)
    assert same(genzoo.load(whole.path, model=place(model)).sample(5, seed=1), drawn)
    if steps[0]:
        genzoo.train(place(model), data, **usual, **steps[0], out=tmp_path / "half")
        resumed = genzoo.resume(tmp_path / "half", data=None if isinstance(data, dict | str) else data, **steps[1])
        assert same(resumed.sample(5, seed=1), drawn)


@pytest.mark.precision
@pytest.mark.parametrize("model", ["diffusion.py:Diffusion", FLOW])
def test_an_outside_model_learns_rows_given_their_species(model, tmp_path):
    run = genzoo.train(place(model), "iris", condition=["species"], steps=4, batch_size=32, out=tmp_path / "run")
    assert len(run.sample(3, given={"species": "setosa"})) == 3


KILLED = """
import os, signal, sys
import genzoo
model, data, out = sys.argv[1:]
def kill(step):
    if step.number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
genzoo.train(model, data, steps=8, batch_size=32, checkpoint_every=2, out=out, callbacks=[kill])
"""


@pytest.mark.precision
@pytest.mark.full
def test_a_killed_run_on_texts_resumes_with_equal_bits(tmp_path):
    model, data = place("letters.py:Letters"), str(tmp_path / "names.txt")
    Path(data).write_text("\n".join(words()), encoding="utf-8")
    whole = genzoo.train(model, data, steps=8, batch_size=32, checkpoint_every=2, out=tmp_path / "whole")
    command = [sys.executable, "-c", KILLED, model, data, str(tmp_path / "killed")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    resumed = genzoo.resume(tmp_path / "killed", model=model)
    pairs = zip(whole.load().generator.state_dict().items(), resumed.load().generator.state_dict().items(), strict=True)
    assert all(name == other and torch.equal(one, two) for (name, one), (other, two) in pairs)
    assert whole.sample(20) == resumed.sample(20)


@pytest.mark.precision
def test_denoising_steps_of_an_outside_diffusion_are_sampling_options(tmp_path):
    run = genzoo.train(place("diffusion.py:Diffusion"), "iris", steps=4, batch_size=32, out=tmp_path / "run")
    few, many = (run.sample(3, seed=0, options={"steps": steps}) for steps in (2, 40))
    assert not np.array_equal(few, many)
    assert np.array_equal(run.sample(3, seed=0), many)


class Numbers(genzoo.Generator, genzoo.Likelihood):
    """Independent normals, whose builder looks at numbers, as builders of masks do."""

    degrees_of_freedom = None
    modalities, kinds = ("table",), ("continuous",)

    def __init__(self, data, power: int = 1):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.randn(data.size))
        self.nothing = torch.nn.Parameter(torch.zeros(data.condition_size, data.size))
        self.register_buffer("scale", torch.eye(data.size).unique(dim=0).sum(0))

    def log_prob(self, x):
        return torch.distributions.Normal(self.mean, self.scale).log_prob(x).sum(1)

    def sample(self, n, *, condition=None):
        return torch.distributions.Normal(self.mean, self.scale).sample((n,))


@pytest.mark.parametrize(
    ("model", "promise", "why"),
    [
        (Numbers, "meta-step", ""),
        (Numbers, "options-hold-at-bounds", "cannot be built without memory"),
        (f"{FOLDER}/characters.py:Characters", "log-prob-shape", ""),
        (f"{FOLDER}/letters.py:Letters", "width-changes-nothing", ""),
    ],
)
def test_promises_ask_only_what_the_core_asks(model, promise, why):
    (found,) = [one for one in promises() if one.name == promise]
    if why:
        with pytest.raises(DoesNotApply, match=why):
            check_promise(found, subject_of(model))
    else:
        check_promise(found, subject_of(model))


@pytest.mark.full
@pytest.mark.parametrize("model", [*MODELS, FLOW])
def test_an_outside_model_keeps_every_promise(model):
    broken = {one.promise.name: one.reason for one in check_promises(place(model)) if one.state == "broken"}
    assert broken.keys() == CANNOT.get(model, {}).keys(), broken


@pytest.mark.precision
@pytest.mark.full
@pytest.mark.parametrize(
    ("model", "other", "by"),
    [
        ("kernels.py:Kernels", "gaussian", "test"),
        ("diffusion.py:Diffusion", "gaussian", "coverage"),
        ("characters.py:Characters", "naive-bayes:n_components=2", "test"),
        ("pixelcnn.py:PixelCNN", "vae", "test"),
        ("labeled.py:Labeled", "labeled.py:Labeled:n_components=3", "test"),
        ("letters.py:Letters", "letters.py:Letters:width=8", "test"),
        (FLOW, "gaussian", "test"),
    ],
)
def test_an_outside_model_ranks_beside_a_model_of_the_zoo(model, other, by, tmp_path):
    epochs = {"epochs": 10} if model.startswith(("pixelcnn", "labeled")) else {}
    other = place(other) if ".py" in other else other
    report = genzoo.compare([place(model), other], DATA[model](), by=by, test=0.3, **epochs, out=tmp_path / "all")
    assert [row.status for row in report.rows] == ["ok", "ok"]
