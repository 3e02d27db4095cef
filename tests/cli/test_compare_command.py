"""The command lines of comparison and of what a trained model says of data."""

import json
import os
import signal
import time
from pathlib import Path

import elsewhere
import forked
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from refusals import assert_refused
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

import genzoo
from genzoo.config.data import SplitSettings
from genzoo.data.builtin import iris
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.errors import DivergenceError
from genzoo.persistence.run import Run

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def run(cli):
    assert cli("train", "gmm", "-o", "n_components=3", "--data", "iris", "--out", "run")[0] == 0
    return genzoo.load("run")


@pytest.mark.once
@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_fits_the_terminal_and_tells_why_figures_are_missing(cli, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = cli("compare", "gaussian", "gmm:n_components=1..3", "dcgan", "--data", "iris", "--folds", 2)
    assert code == 0
    lines = out.splitlines()
    assert max(len(line) for line in lines[:8]) <= width
    assert lines[0].split()[:2] == ["candidate", "BIC"]
    assert lines[1].startswith("gmm:n_components=2")
    assert "dcgan is not for these data: Model 'dcgan' takes images" in " ".join(out.split())
    assert "Ranked by bic" in out
    assert "--out DIR" in out
    assert "fits" in err


def test_json_goes_to_stdout_alone(cli):
    code, out, _ = cli("compare", "gmm:n_components=1..2", "--data", "iris", "--json")
    assert code == 0
    content = json.loads(out)
    assert content["best"] == "gmm:n_components=2"
    assert content["rows"][0]["bic"] == pytest.approx(574.02, abs=0.05)  # mclust's VVV with two components


def test_results_are_kept_and_the_best_samples(cli, tmp_path):
    code, out, _ = cli("compare", "gaussian", "--data", "iris", "--out", "found", "--json")
    assert code == 0
    assert json.loads(out)["rows"][0]["run"] == "found/best"
    assert cli("sample", "found/best", "-n", 3, "--out", "a.csv")[0] == 0
    assert json.loads((tmp_path / "found" / "report.json").read_text(encoding="utf-8")) == json.loads(out)


def test_gates_decide_the_exit_code_after_the_table(cli):
    words = ("compare", "gaussian", "gmm:n_components=2", "--data", "iris")
    assert cli(*words, "--gate", "bic<600", "--gate", "coverage>0.5", "--expect", "gmm")[0] == 0
    failed = cli(*words, "--gate", "bic<500")
    assert_refused(failed, 5, "bic<500", "gmm:n_components=2")
    assert "gmm:n_components=2" in failed[1]
    assert_refused(cli(*words, "--expect", "gaussian"), 5, "expected to be best")


@pytest.mark.once
def test_failed_candidates_have_an_exit_code_after_gates(cli):
    exploding = "toy:objective=toy-exploding"
    words = ("compare", "gaussian", exploding, "dcgan", "--data", "iris")
    failed = cli(*words)
    assert_refused(failed, 7, f"1 of 3 candidates failed: {exploding}. The reasons")
    assert "dcgan is not for these data: Model 'dcgan' takes images" in " ".join(failed[1].split())
    assert_refused(cli(*words, "--gate", "bic<1"), 5, "bic<1")
    assert_refused(cli("compare", "dcgan", "--data", "iris"), 4, "No candidate could be fitted. dcgan: Model")
    assert_refused(cli("compare", "dcgan", exploding, "--data", "iris"), 6, f"could be fitted. {exploding}: ")


def test_candidates_that_fail_alike_share_a_sentence(cli):
    out = " ".join(
        cli("compare", "gaussian", "gmm:n_components=200|300", "ppca:n_factors=9", "--data", "iris")[1].split()
    )
    alike = "gmm:n_components=200, gmm:n_components=300 are not for these data in the same way."
    assert f"{alike} gmm:n_components=200: Model 'gmm'" in out
    assert out.count("training rows, and there are 150") == 1
    assert "ppca:n_factors=9 is not for these data: n_factors=9 needs" in out


@pytest.mark.once
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("compare", "gaussian"), 2, ("--data",)),
        (("compare", "--data", "iris"), 2, ("MODEL",)),
        (("compare", "gausian", "--data", "iris"), 2, ("Did you mean 'gaussian'",)),
        (("compare", "gmm:compnents=1..3", "--data", "iris"), 2, ("Did you mean 'n_components'",)),
        (("compare", "gmm", "--data", "nowhere"), 4, ("nowhere",)),
        (("compare", "gmm", "--data", "iris", "--gate", "bic"), 2, ("bic<2400",)),
        (("compare", "gmm", "--data", "iris", "--expect", "gnm"), 2, ("Did you mean 'gmm'",)),
        (("compare", "gmm", "--data", "iris", "-o", "n_components=3"), 2, ("MODEL:n_components=VALUE",)),
        (("compare", "dcgan", "--data", "iris"), 4, ("No candidate could be fitted", "takes images")),
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
    assert lines[0] == "row,log_likelihood,because"
    assert np.allclose([float(line.split(",")[1]) for line in lines[1:]], expected)
    assert "150 rows" in err
    for suffix in (".csv", ".tsv", ".parquet", ".npy"):
        assert cli("score", "run", "--data", "iris", "--out", f"scores{suffix}")[0] == 0
    assert np.allclose(np.load("scores.npy"), np.stack([np.arange(150), expected], axis=1))
    assert np.allclose(parquet.read_table("scores.parquet")["log_likelihood"], expected)
    assert_refused(cli("score", "run", "--data", "iris", "--out", "scores.png"), 2, ".png", ".csv")
    assert json.loads(cli("score", "run", "--data", "iris", "--json")[1])["mean"] == pytest.approx(expected.mean())


def test_the_threshold_is_one_of_the_validation_scores(cli, run):
    rows = iris().split(Run(Path("run")).config.split, 0).validation
    own = np.sort(run.log_prob(load_iris().data[rows]))
    assert np.array_equal(run.validation_scores, own)
    cut = own[int(0.1 * (len(own) + 1)) - 1]
    code, out, _ = cli("score", "run", "--data", "iris", "--threshold", 0.1, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["threshold"] == pytest.approx(cut)
    assert found["flagged"] == (run.log_prob(load_iris().data) < cut).tolist()
    assert found["count_flagged"] == sum(found["flagged"])
    assert found["calibration"] == {"rows": len(own), "by": "validation", "warning": None}
    err = cli("score", "run", "--data", "iris", "--threshold", 0.1)[2]
    assert "rows are flagged" in err
    assert f"calibrated on {len(own)} rows: the validation rows" in err
    err = cli("score", "run", "--data", "iris", "--threshold", 0.001)[2]
    assert "0 of 150 rows are flagged" in err
    assert "look at" in err
    assert "needs 1000, so no row is flagged" in err
    found = json.loads(cli("score", "run", "--data", "iris", "--threshold", 0.001, "--json")[1])
    assert found["threshold"] is None
    assert found["count_flagged"] == 0
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
    config = json.loads(Path("run/config.json").read_text(encoding="utf-8"))
    rows = iris().split(SplitSettings(**config["split"]), config["seed"]).test
    found = json.loads(cli("evaluate", "run", "--json")[1])
    scores = run.log_prob(load_iris().data[rows])
    assert found["events"] == len(rows)
    assert found["log_likelihood"]["test"] == pytest.approx(scores.mean())
    assert found["log_likelihood"]["se"] == pytest.approx(scores.std(ddof=1) / np.sqrt(len(rows)))
    assert {"log-likelihood", "precision", "recall", "density", "coverage"} <= set(found["metrics"])
    whole = json.loads(cli("evaluate", "run", "--data", "iris", "--metric", "coverage", "--json")[1])
    assert (whole["events"], set(whole["metrics"])) == (150, {"coverage"})
    told = cli("evaluate", "run")[1]
    assert "log-likelihood" in told
    assert f"on {len(rows)} test events, which it was not trained on" in told
    assert "genzoo-mixture/gmm on 150 events of iris\n" in cli("evaluate", "run", "--data", "iris")[1]
    assert_refused(cli("evaluate", "run", "--metric", "coverge"), 2, "Did you mean 'coverage'")


@pytest.mark.once
def test_a_density_at_points_of_a_grid_is_told_in_nats_alone(cli):
    assert cli("train", "toy", "--data", "digits", "--out", "run")[0] == 0
    code, out, _ = cli("evaluate", "run")
    assert code == 0
    assert "nats per event" in " ".join(out.split()), "however wide the terminal is"
    found = json.loads(cli("evaluate", "run", "--json")[1])
    assert "bits-per-dim" not in found["metrics"]
    assert "measures density" in found["reasons"]["bits-per-dim"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("verb", "able"),
    [
        ("score", "arf, autoencoder, copula, diffusion, factor-analysis, flow, gaussian, gmm, gpt, kde, made, mfa, "),
        ("cluster", "factor-analysis, gaussian, gmm, mfa, naive-bayes, "),
        ("impute", "arf, copula, factor-analysis, flow, gaussian, gmm, kde, made, mfa, mvae, naive-bayes, "),
    ],
)
def test_a_model_without_the_capability_says_so(cli, verb, able):
    assert cli("train", "dcgan", "-o", "training.steps=2", "--data", "digits", "--out", "run")[0] == 0
    out = ("--out", "a.npy") if verb == "impute" else ()
    words = f"Model 'dcgan' cannot {verb}. Models that can: {able}"
    assert_refused(cli(verb, "run", "--data", "digits", *out), 2, words)


@pytest.mark.once
def test_densities_and_masses_are_not_ranked_together(cli, tmp_path):
    words = ("compare", "gaussian", "gmm", "toy:mass=true", "--data", "iris", "--out", "found")
    code, out, _ = cli(*words)
    assert code == 0
    assert "not ranked: its likelihood is a mass" in out
    code, out, _ = cli(*words, "--by", "test")
    assert code == 0
    shown = " ".join(out.split())
    assert "not ranked: its likelihood is a mass" in shown
    assert shown.index("mass for toy:mass=true. Ranked by them are only candidates with density") < shown.index(
        "Ranked by test."
    )
    assert (tmp_path / "found" / "report.json").exists()
    assert cli(*words, "--by", "coverage")[0] == 0


def holes(name, seed=0, share=0.1):
    x = load_iris().data.copy()
    gone = np.random.default_rng(seed).random(x.shape) < share
    gone[:, 0] = False
    x[gone] = np.nan
    gone = np.isnan(x)
    lines = ["a,b,c,d", *(",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in x)]
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return x, gone


def test_missing_values_are_filled_in_and_nothing_else(cli, tmp_path):
    x, gone = holes("holes.csv")
    assert cli("train", "gmm", "--data", "holes.csv", "--out", "run")[0] == 0
    code, out, _ = cli("impute", "run", "--data", "holes.csv", "--out", "whole.csv")
    assert code == 0
    assert f"{gone.sum()} values filled in (b {gone[:, 1].sum()}" in out
    table = csv.read_csv("whole.csv")
    assert table.column_names == ["a", "b", "c", "d"]
    whole = np.stack([column.to_numpy() for column in table.columns], axis=1)
    assert np.array_equal(whole[~gone], x[~gone])
    assert np.allclose(whole, genzoo.load("run").impute(x))
    assert np.abs(whole[gone] - load_iris().data[gone]).mean() < 0.5
    found = [
        cli("impute", "run", "--data", "holes.csv", "--out", f"{n}.parquet", "--draws", "--seed", n % 2, "--json")
        for n in range(3)
    ]
    assert json.loads(found[0][1])["filled"]["b"] == gone[:, 1].sum()
    draws = [parquet.read_table(f"{n}.parquet") for n in range(3)]
    assert draws[0] == draws[2] != draws[1]
    assert_refused(cli("impute", "run", "--data", "holes.csv", "--out", "a.png"), 2, "a.png")


def test_an_imputed_table_keeps_its_other_columns_their_order_and_types(cli):
    x, gone = holes("holes.csv")
    assert cli("train", "gmm", "--data", "holes.csv", "--out", "run")[0] == 0
    full = genzoo.load("run").impute(x)
    words = [f"{v:.1f}" for v in x[:, 0]]
    text = ["id,d,note,b,w,c,when,a"]
    for i, row in enumerate(x):
        b, c, d = ("" if np.isnan(v) else repr(float(v)) for v in row[1:])
        text.append(f'{i:04d},{d},"a, {i % 3}",{b},{0.25 + i},{c},2020-01-{1 + i % 28:02d},{words[i]}')
    Path("wide.csv").write_text("\n".join(text) + "\n", encoding="utf-8")
    code, _, err = cli("impute", "run", "--data", "wide.csv", "--weight", "w", "--out", "whole.csv")
    assert code == 0
    assert "id, note, when" in err
    found = [line.split(",") for line in Path("whole.csv").read_text(encoding="utf-8").splitlines()]
    assert ",".join(found[0]) == text[0]
    for i, (new, old) in enumerate(zip(found[1:], (line.split(",") for line in text[1:]), strict=True)):
        kept = [0, 2, 3, 5, 7]  # the note has a comma of its own
        assert [new[place].strip('"') for place in kept] == [old[place].strip('"') for place in kept]
        assert np.allclose([float(new[place].strip('"')) for place in (8, 4, 6, 1)], full[i])
    columns = {
        "note": pa.array([None, "b", "c"] * 50),
        "d": pa.array(x[:, 3], pa.float32(), from_pandas=True),
        "id": pa.array(range(2**62, 2**62 + 150)),
        "c": pa.array(np.where(gone[:, 2], None, np.nan_to_num(x[:, 2]).round().astype(int)), pa.int16()),
        "b": pa.array(x[:, 1]),
        "list": pa.array([[1, 2]] * 150),
        "a": pa.array(x[:, 0]),
    }
    table = pa.table(columns)
    parquet.write_table(table, "wide.parquet")
    assert cli("impute", "run", "--data", "wide.parquet", "--out", "whole.parquet")[0] == 0
    whole = parquet.read_table("whole.parquet")
    assert whole.schema.types == table.schema.types
    assert whole.column_names == table.column_names
    assert whole.select(["note", "id", "list", "a"]) == table.select(["note", "id", "list", "a"])
    events = np.stack([table[name].to_numpy().astype(float) for name in "abcd"], axis=1)
    assert np.array_equal(whole["c"].to_numpy(), genzoo.load("run").impute(events)[:, 2].round())
    assert not any(np.isnan(whole[name].to_numpy()).any() for name in "bcd")
    assert_refused(cli("impute", "run", "--data", "wide.parquet", "--out", "bad.csv"), 2, "bad.csv", "Write .parquet")
    assert cli("impute", "run", "--data", "wide.parquet", "--drop", "list,id", "--out", "less.csv")[0] == 0
    assert csv.read_csv("less.csv").column_names == ["note", "d", "c", "b", "a"]


def test_rows_without_any_value_have_no_score_and_count_nowhere(cli):
    x, _ = holes("holes.csv")
    x = np.concatenate([x, np.full((50, 4), np.nan)])
    np.save("x.npy", x)
    assert cli("train", "gmm", "-o", "split.validation=0.3", "--data", "x.npy", "--out", "run")[0] == 0
    model = genzoo.load("run")
    split = array_dataset("x", x).split(Run(Path("run")).config.split, 0)
    own = model.log_prob(x[[row for row in split.validation if row < 150]])
    assert len(own) < len(split.validation)
    assert np.array_equal(model.validation_scores, np.sort(own))
    scores = model.log_prob(x[:150])
    assert cli("score", "run", "--data", "x.npy", "--out", "scores.parquet")[0] == 0
    assert parquet.read_table("scores.parquet")["log_likelihood"].to_pylist() == [*scores, *[None] * 50]
    out, err = cli("score", "run", "--data", "x.npy", "--threshold", 0.9)[1:]
    assert out.splitlines()[151] == "150,,false,"
    assert "150 rows, " in err
    assert "of 150 rows are flagged" in err
    assert "50 rows (150, 151, " in err
    found = json.loads(cli("score", "run", "--data", "x.npy", "--threshold", 0.9, "--json")[1])
    assert found["log_likelihood"][150:] == [None] * 50
    assert found["mean"] == pytest.approx(scores.mean())
    assert found["count_flagged"] == (scores < np.quantile(own, 0.9)).sum()
    assert found["unobserved"] == list(range(150, 200))
    judged = json.loads(cli("evaluate", "run", "--data", "x.npy", "--json")[1])
    assert (judged["events"], judged["unobserved"]) == (150, list(range(150, 200)))
    assert judged["log_likelihood"]["test"] == pytest.approx(scores.mean())
    assert judged["log_likelihood"]["se"] == pytest.approx(scores.std(ddof=1) / np.sqrt(150))
    assert "50 rows (150, 151, " in cli("evaluate", "run", "--data", "x.npy")[1]
    np.save("none.npy", x[150:])
    assert_refused(cli("evaluate", "run", "--data", "none.npy"), 4, "no value at all")
    Path("none.csv").write_text("x0,x1,x2,x3\n,,,\n,NA,,\n", encoding="utf-8")
    assert json.loads(cli("score", "run", "--data", "none.csv", "--json")[1])["mean"] is None
    assert_refused(cli("evaluate", "run", "--data", "none.csv"), 2, "none has any value")


def test_rows_are_not_dropped_when_a_trained_model_is_asked(cli):
    holes("holes.csv")
    assert cli("train", "gmm", "--data", "holes.csv", "--drop-missing", "--out", "run")[0] == 0
    for words in (("score",), ("cluster",), ("evaluate",), ("impute", "--out", "whole.csv")):
        refused = cli(words[0], "run", "--data", "holes.csv", "--drop-missing", *words[1:])
        assert_refused(refused, 2, "--drop-missing is for training")


@pytest.mark.once
def test_missing_values_take_part_in_a_comparison(cli):
    x, _ = holes("holes.csv")
    code, out, _ = cli(
        "compare", "gaussian", "gmm:n_components=2", "toy", "--data", "holes.csv", "--folds", 2, "--json"
    )
    rows = {row["id"]: row for row in json.loads(out)["rows"]}
    assert code == 0
    assert rows["toy"]["status"] == "failed"
    assert rows["toy"]["verdict"] == "not for these data"
    assert "missing values" in rows["toy"]["reasons"]["status"]
    assert rows["gmm:n_components=2"]["verdict"] == "best"
    complete = int((~np.isnan(x)).all(axis=1).sum())
    assert rows["gaussian"]["metrics"]["coverage"]["protocol"]["real"] <= complete
    assert rows["gaussian"]["cv"]["mean"] < rows["gmm:n_components=2"]["cv"]["mean"]


def test_outliers_are_minus_one_and_rows_outside_their_box_are_named(cli):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(300, 2)) * 0.2, rng.uniform(-8, 8, (30, 2))])
    np.save("x.npy", x)
    far = np.concatenate([x, [[50.0, 0.0], [0.0, -50.0]]])
    np.save("far.npy", far)
    assert cli("train", "gmm", "-o", "n_components=1", "-o", "noise=true", "--data", "x.npy", "--out", "run")[0] == 0
    found = json.loads(cli("cluster", "run", "--data", "x.npy", "--json")[1])
    assert set(found["sizes"]) == {"-1", "0"}
    assert 20 <= found["sizes"]["-1"] <= 40
    assert np.mean(np.array(found["cluster"])[300:] == -1) > 0.8
    scored = cli("score", "run", "--data", "far.npy")
    box = x[array_dataset("x", x).split(Run(Path("run")).config.split, 0).train]
    outside = ((far < box.min(axis=0)) | (far > box.max(axis=0))).any(axis=1)
    assert f"outside the box that holds the training rows: {outside.sum()} rows" in scored[2]
    assert ", ".join(map(str, np.flatnonzero(outside))) in scored[2]
    assert (
        cli("compare", "gmm:n_components=1,noise=true|false", "--data", "x.npy", "--expect", "gmm:noise=true")[0] == 0
    )


def test_the_table_is_shown_where_the_best_cannot_be_trained(cli, monkeypatch):
    def broken(*_):
        raise DivergenceError("EM diverged. The last good state is kept in found/.genzoo/best.") from DivergenceError(
            "EM diverged."
        )

    monkeypatch.setattr("genzoo.comparison.comparison.run_training", broken)
    done = cli("compare", "gaussian", "gmm", "--data", "iris", "--out", "found")
    assert_refused(done, 6, "EM diverged", "The report is kept")
    assert ".genzoo" not in done[2]
    assert "Ranked by bic" in done[1]
    assert "report.md" in done[1]
    assert "genzoo sample" not in done[1]


@pytest.mark.once
@pytest.mark.parametrize(
    ("number", "code", "word", "jobs"), [(signal.SIGTERM, 143, "Terminated", "1"), (signal.SIGINT, 130, "Inter", "2")]
)
def test_a_signal_ends_a_comparison_and_keeps_what_is_done(tmp_path, number, code, word, jobs):
    grid = "gmm:n_components=1..40,training.max_iter=2000,training.tol=0,training.n_init=1"
    words = ["compare", "gaussian", grid, "--data", "iris", "--out", "kept", "--jobs", jobs]
    process = forked.start(tmp_path / "said", elsewhere.command_in, str(tmp_path), words)
    rows = tmp_path / "kept" / "rows"
    deadline = time.monotonic() + 120
    while not (rows.is_dir() and any(rows.iterdir())) and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, number)
    ended = forked.end(tmp_path / "said", process)
    assert ended.code == code, ended.err
    assert word in ended.err
    assert "Run the same command to continue" in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
