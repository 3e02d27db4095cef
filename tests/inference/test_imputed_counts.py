"""Imputed counts are means, unless draws are asked for."""

from pathlib import Path

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from scipy import stats

import genzoo
from genzoo.cli.main import main


def visits(n=400, seed=0):
    rng = np.random.default_rng(seed)
    often = rng.random(n) < 0.4
    return pandas.DataFrame(
        {
            "group": np.where(rng.random(n) < np.where(often, 0.9, 0.1), "b", "a"),
            "visits": rng.poisson(np.where(often, 9.0, 1.3)),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    data = {"source": visits(), "kinds": {"visits": "count"}}
    return genzoo.train("naive-bayes", data, n_components=2, out=tmp_path_factory.mktemp("counts") / "run")


def posterior_means(run):
    """The mean of visits given each group, from the weights, rates and probabilities of the fit."""
    generator = run.load().generator
    emissions = {type(emission).__name__: emission for emission, _ in generator.parts}
    joint = generator.log_weights.double().exp()[:, None] * emissions["Categories"].log_probability.double().exp()
    return (joint / joint.sum(0)).T.numpy() @ emissions["Counts"].rate.double().numpy()[:, 0]


def test_a_missing_count_becomes_its_posterior_mean(run):
    expected = posterior_means(run)
    assert abs(expected - np.rint(expected)).max() > 0.05, "a rounded value would differ"
    filled = run.impute(np.array([[0.0, np.nan], [1.0, np.nan], [1.0, 3.0]]))
    assert np.allclose(filled[:, 1], [*expected, 3.0], rtol=1e-5)
    rows = pandas.DataFrame({"group": ["a", "b", "b"], "visits": pandas.array([None, None, 3], dtype="Int64")})
    for table in (rows, polars.from_pandas(rows), pyarrow.Table.from_pandas(rows), rows.astype({"visits": float})):
        found = run.impute(table)
        assert np.allclose(np.asarray(found["visits"], float), [*expected, 3.0], rtol=1e-5)
        assert list(np.asarray(found["group"])) == ["a", "b", "b"]


def test_drawn_counts_are_whole_and_keep_the_type(run):
    rows = pandas.DataFrame({"group": ["a"] * 4000, "visits": pandas.array([None] * 3999 + [2], dtype="Int64")})
    drawn = run.impute(rows, draw=True)["visits"]
    assert str(drawn.dtype) == "Int64"
    assert drawn.mean() == pytest.approx(posterior_means(run)[0], abs=0.3)
    array = run.impute(np.tile([[0.0, np.nan]], (2000, 1)), draw=True)[:, 1]
    assert np.array_equal(array, np.rint(array))
    assert stats.describe(array).variance > 1


def test_the_command_writes_means_or_whole_draws(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("holes.csv").write_text("group,visits\na,\nb,7\n", encoding="utf-8")
    path = str(run.path)
    assert main(["impute", path, "--data", "holes.csv", "--out", "means.csv"]) == 0
    lines = Path("means.csv").read_text(encoding="utf-8").splitlines()
    assert float(lines[1].split(",")[1]) == pytest.approx(posterior_means(run)[0], rel=1e-5)
    assert lines[2] == "b,7", "what was there stays as written"
    assert main(["impute", path, "--data", "holes.csv", "--out", "draws.csv", "--draws"]) == 0
    assert Path("draws.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[1].isdecimal()


@pytest.mark.parametrize("whole", [True, False])
def test_numbers_of_a_whole_column_are_rounded_unless_switched_off(whole, tmp_path):
    """`visits` read as numbers, not as a count."""
    data = {"source": visits(), "whole": whole}
    found = genzoo.train("naive-bayes", data, n_components=2, out=tmp_path / "run")
    filled = found.impute(np.array([[0.0, np.nan], [1.0, np.nan]]))[:, 1]
    assert np.array_equal(filled, np.rint(filled)) == whole
    samples = found.sample(200, output="array")[:, 1]
    assert np.array_equal(samples, np.rint(samples)) == whole
