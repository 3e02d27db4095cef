"""A class in a file that is conditional, fitted directly, and has a sampling option: all of these together."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

import genzoo
from genzoo.models import local

FILE = '''
import torch
import genzoo


class Fit(genzoo.DirectObjective):
    def fit(self, model, blocks):
        blocks, own = list(blocks), model.generator
        x, c = torch.cat([one.x for one in blocks]), torch.cat([one.condition for one in blocks])
        share = c / c.sum(0)
        own.mean.copy_(share.T @ x)
        own.scale.copy_((share.T @ x**2 - own.mean**2).sqrt())


class PerLevel(genzoo.Generator, genzoo.Likelihood):
    """Independent normals for each level."""

    objective, conditional, kinds, modalities = Fit, True, ("continuous",), ("table",)
    degrees_of_freedom = None

    def __init__(self, data):
        super().__init__()
        shape = (data.condition_size, *data.event_shape)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def given(self, condition):
        return torch.distributions.Normal(condition @ self.mean, condition @ self.scale)

    def log_prob(self, x, *, condition=None):
        return self.given(condition).log_prob(x).sum(1)

    def sample(self, n, *, condition=None, temperature: float = 1.0):
        normal = self.given(condition)
        return normal.mean + temperature * (normal.sample() - normal.mean)
'''


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "per_level.py"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    iris = {"source": "iris", "condition": ["species"]}
    return genzoo.train(f"{file}:PerLevel", iris, out=out, precision="fp32", progress=False)


@pytest.fixture
def unknown(monkeypatch):
    """Forget the classes of this process, as a new process does not know them."""
    monkeypatch.setattr(local, "_known", {})


@pytest.fixture(scope="module")
def means():
    from sklearn.datasets import load_iris

    events, levels = load_iris(return_X_y=True)
    return np.array([events[levels == level].mean(axis=0) for level in range(3)])


def test_a_direct_fit_gets_the_conditions_of_its_events(run, means):
    drawn = run.sample(2, given={"species": "versicolor"}, options={"temperature": 0.0}, output="array")
    assert drawn[0] == pytest.approx(means[1], abs=0.2)  # training rows are a part of all
    assert np.array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("words", [("score",), ("score", "--data", "iris"), ("report", "--out", "page.html")])
def test_commands_find_the_file_that_they_are_given(words, run, file, cli, unknown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = cli(words[0], run.path, *words[1:], "--model-file", file)
    assert code == 0, err
    monkeypatch.setattr(local, "_known", {})
    code, _, err = cli(words[0], run.path, *words[1:])
    assert code == 4
    assert "--model-file per_level.py" in " ".join(err.split())


def test_a_sample_takes_conditions_options_and_the_file(run, file, cli, unknown, tmp_path, means):
    out = tmp_path / "s.csv"
    words = ("--given", "species=setosa", "-o", "temperature=0", "-n", 2, "--out", out, "--json", "--model-file", file)
    code, shown, err = cli("sample", run.path, *words)
    assert code == 0, err
    assert json.loads(shown)["given"] == {"species": "setosa"}
    assert json.loads(shown)["sampling"] == {"temperature": 0.0}
    with out.open(encoding="utf-8", newline="") as opened:
        first = next(csv.DictReader(opened))
    assert float(first["sepal length (cm)"]) == pytest.approx(means[0, 0], abs=0.2)


def test_the_least_likely_rows_are_explained_given_their_conditions(run):
    model = run.load()
    dataset = run.open_data()
    found = run.describe(rows=2).unlikely
    (level,) = dataset.conditions[found[0].row]
    own, space = model.generator, model.transform
    ends = [space.inverse(torch.full((1, 4), end, dtype=torch.float64))[0].numpy() for end in (0.0, 1.0)]
    mean = ends[0] + (ends[1] - ends[0]) * own.mean[int(level)].numpy()
    scale = (ends[1] - ends[0]) * own.scale[int(level)].numpy()
    wanted = stats.norm(mean, scale).logpdf(dataset.events[found[0].row])
    names = [feature.name for feature in model.data.features]
    assert len(found[0].contributions) == 4
    for one in found[0].contributions:
        assert one.log_prob == pytest.approx(wanted[names.index(one.column)], abs=0.02)


def test_a_comparison_in_other_processes_ranks_it_beside_a_joint_model(file, tmp_path):
    rng = np.random.default_rng(2)
    kind = rng.integers(2, size=120)
    rows = pd.DataFrame({"x": rng.normal(6 * kind, 1), "y": rng.normal(size=120), "kind": np.array(["a", "b"])[kind]})
    names = [f"{file}:PerLevel", f"{file}:PerLevel:sampling.temperature=0.5", "naive-bayes:n_components=2"]
    report = genzoo.compare(names, rows, condition=["kind"], jobs=2, progress=False, out=tmp_path / "out")
    assert {row.log_likelihood.measure for row in report.rows} == {"density given kind"}
    first, *others = (row.log_likelihood.test for row in report.rows)
    assert others == pytest.approx([first] * 2, abs=1e-3)  # the levels are so far apart that the joint model has them
    assert report.rows[0].bic is None
