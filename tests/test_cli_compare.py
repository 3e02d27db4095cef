"""The command lines of comparison and of what a trained model says of data."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import assert_refused
from pyarrow import csv, parquet
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import genzoo
from genzoo.config import SplitSettings
from genzoo.data.bundled import iris
from genzoo.run import Run


@pytest.fixture
def run(cli):
    assert cli("train", "gmm", "-o", "components=3", "--data", "iris", "--out", "run")[0] == 0
    return genzoo.load("run")


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_fits_the_terminal_and_tells_why_figures_are_missing(cli, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = cli("compare", "gaussian", "gmm:components=1..3", "dcgan", "--data", "iris", "--folds", 2)
    assert code == 0
    lines = out.splitlines()
    assert max(len(line) for line in lines[:8]) <= width
    assert lines[0].split()[:2] == ["candidate", "BIC"]
    assert lines[1].startswith("gmm:components=2")
    assert "dcgan failed: Model 'dcgan' takes images" in " ".join(out.split())
    assert "Ranked by bic" in out
    assert "--out DIR" in out
    assert "fits" in err


def test_json_goes_to_stdout_alone(cli):
    code, out, _ = cli("compare", "gmm:components=1..2", "--data", "iris", "--json")
    assert code == 0
    content = json.loads(out)
    assert content["best"] == "gmm:components=2"
    assert content["rows"][0]["bic"] == pytest.approx(574.02, abs=0.05)  # mclust's VVV with two components


def test_results_are_kept_and_the_best_samples(cli, tmp_path):
    code, out, _ = cli("compare", "gaussian", "--data", "iris", "--out", "found", "--json")
    assert code == 0
    assert json.loads(out)["rows"][0]["run"] == "found/best"
    assert cli("sample", "found/best", "-n", 3, "--out", "a.csv")[0] == 0
    assert json.loads((tmp_path / "found" / "report.json").read_text()) == json.loads(out)


def test_gates_decide_the_exit_code_after_the_table(cli):
    words = ("compare", "gaussian", "gmm:components=2", "--data", "iris")
    assert cli(*words, "--gate", "bic<600", "--gate", "coverage>0.5", "--expect", "gmm")[0] == 0
    failed = cli(*words, "--gate", "bic<500")
    assert_refused(failed, 5, "bic<500", "gmm:components=2")
    assert "gmm:components=2" in failed[1]
    assert_refused(cli(*words, "--expect", "gaussian"), 5, "expected to be best")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("compare", "gaussian"), 2, ("--data",)),
        (("compare", "--data", "iris"), 2, ("MODEL",)),
        (("compare", "gausian", "--data", "iris"), 2, ("Did you mean 'gaussian'",)),
        (("compare", "gmm:compnents=1..3", "--data", "iris"), 2, ("Did you mean 'components'",)),
        (("compare", "gmm", "--data", "nowhere"), 4, ("nowhere",)),
        (("compare", "gmm", "--data", "iris", "--gate", "bic"), 2, ("bic<2400",)),
        (("compare", "gmm", "--data", "iris", "--expect", "gnm"), 2, ("Did you mean 'gmm'",)),
        (("compare", "gmm", "--data", "iris", "-o", "components=3"), 2, ("MODEL:components=VALUE",)),
        (("compare", "dcgan", "--data", "iris"), 4, ("Every candidate failed", "takes images")),
        (("score", "nowhere", "--data", "iris"), 4, ("nowhere",)),
    ],
)
def test_what_cannot_be_done_is_one_paragraph(cli, words, code, told):
    assert_refused(cli(*words), code, *told)


def test_scores_are_the_models_own(cli, run, tmp_path):
    expected = run.log_prob(load_iris().data)
    code, out, err = cli("score", "run", "--data", "iris")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "row,log_likelihood"
    assert np.allclose([float(line.split(",")[1]) for line in lines[1:]], expected)
    assert "150 rows" in err
    for suffix in (".csv", ".tsv", ".parquet", ".npy"):
        assert cli("score", "run", "--data", "iris", "--out", f"scores{suffix}")[0] == 0
    assert np.allclose(np.load("scores.npy"), np.stack([np.arange(150), expected], axis=1))
    assert np.allclose(parquet.read_table("scores.parquet")["log_likelihood"], expected)
    assert_refused(cli("score", "run", "--data", "iris", "--out", "scores.png"), 2, ".png", ".csv")
    assert json.loads(cli("score", "run", "--data", "iris", "--json")[1])["mean"] == pytest.approx(expected.mean())


def test_the_threshold_is_a_quantile_of_the_validation_scores(cli, run):
    rows = iris().split(Run(Path("run")).config.split, 0).validation
    own = np.sort(run.log_prob(load_iris().data[rows]))
    assert np.array_equal(run.validation_scores, own)
    cut = np.quantile(own, 0.1)
    code, out, _ = cli("score", "run", "--data", "iris", "--threshold", 0.1, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["threshold"] == pytest.approx(cut)
    assert found["flagged"] == (run.log_prob(load_iris().data) < cut).tolist()
    assert found["count_flagged"] == sum(found["flagged"])
    assert "rows are flagged" in cli("score", "run", "--data", "iris", "--threshold", 0.1)[2]
    assert_refused(cli("score", "run", "--data", "iris", "--threshold", 1.5), 2, "between 0 and 1")
    assert cli("train", "gaussian", "-o", "split.validation=0", "--data", "iris", "--out", "bare")[0] == 0
    assert_refused(cli("score", "bare", "--data", "iris", "--threshold", 0.1), 2, "validation rows")


def test_columns_are_matched_by_name(cli, run):
    table = pa.table(load_iris().data.T.tolist(), names=[feature.name for feature in iris().spec.features])
    csv.write_csv(table.select([3, 1, 0, 2]).append_column("extra", pa.array(["a"] * 150)), "other.csv")
    code, out, err = cli("score", "run", "--data", "other.csv")
    assert code == 0
    assert np.allclose([float(line.split(",")[1]) for line in out.splitlines()[1:]], run.log_prob(load_iris().data))
    assert "extra" in err


def test_clusters_are_the_most_probable_components(cli, run):
    code, out, _ = cli("cluster", "run", "--data", "iris", "--json")
    found = json.loads(out)
    posterior = run.log_posterior(load_iris().data)
    assert code == 0
    assert found["cluster"] == posterior.argmax(axis=1).tolist()
    assert np.allclose(found["probability"], np.exp(posterior.max(axis=1)))
    assert found["adjusted_rand_index"] == pytest.approx(adjusted_rand_score(load_iris().target, posterior.argmax(1)))
    assert sum(found["sizes"].values()) == 150
    out = cli("cluster", "run", "--data", "iris", "--out", "clusters.csv")[1]
    assert "adjusted Rand index" in out
    assert csv.read_csv("clusters.csv").column_names == ["row", "cluster", "probability"]


def test_a_model_is_evaluated_on_its_test_rows_or_on_other_data(cli, run):
    config = json.loads(Path("run/config.json").read_text())
    rows = iris().split(SplitSettings(**config["split"]), config["seed"]).test
    found = json.loads(cli("evaluate", "run", "--json")[1])
    scores = run.log_prob(load_iris().data[rows])
    assert found["events"] == len(rows)
    assert found["log_likelihood"]["test"] == pytest.approx(scores.mean())
    assert found["log_likelihood"]["se"] == pytest.approx(scores.std(ddof=1) / np.sqrt(len(rows)))
    assert set(found["metrics"]) == {"precision", "recall", "density", "coverage"}
    whole = json.loads(cli("evaluate", "run", "--data", "iris", "--metric", "coverage", "--json")[1])
    assert (whole["events"], set(whole["metrics"])) == (150, {"coverage"})
    assert "higher is better" in cli("evaluate", "run")[1]
    assert_refused(cli("evaluate", "run", "--metric", "coverge"), 2, "Did you mean 'coverage'")


def test_bits_per_dimension_are_told_for_values_on_a_grid(cli):
    assert cli("train", "toy", "--data", "digits", "--out", "run")[0] == 0
    found = json.loads(cli("evaluate", "run", "--json")[1])
    nats = found["log_likelihood"]["test"]
    assert found["bits_per_dim"] == pytest.approx(-nats / 64 / np.log(2))
    assert "bits per dimension" in cli("evaluate", "run")[1]


@pytest.mark.parametrize("verb", ["score", "cluster", "impute"])
def test_a_model_without_the_capability_says_so(cli, verb):
    assert cli("train", "dcgan", "-o", "training.steps=2", "--data", "digits", "--out", "run")[0] == 0
    out = ("--out", "a.npy") if verb == "impute" else ()
    assert_refused(cli(verb, "run", "--data", "digits", *out), 2, "cannot do this")
