"""What README promises after a comparison: every command takes its folder, and `best` in it."""

import json
from pathlib import Path

import numpy as np
import pandas
import pytest
from refusals import assert_refused
from sklearn.datasets import load_iris

import genzoo
from genzoo.metrics.held_out import HeldOutScores
from genzoo.persistence.run import Run


@pytest.fixture
def table(tmp_path):
    frame = load_iris(as_frame=True).data.iloc[:, :2].round(1)
    frame.columns = ["length", "width"]
    frame.insert(0, "customer_id", [f"{n:04d}" for n in range(len(frame))])
    frame.loc[7, "width"] = 9.5
    frame.to_csv(tmp_path / "new.csv", index=False)
    return frame


def compare(cli, *words):
    code = cli("compare", *words, "--data", "new.csv", "--drop", "customer_id", "--out", "answer")[0]
    assert code == 0


@pytest.mark.parametrize(("path", "folds"), [("answer", 5), ("answer/best", 0)])
def test_every_command_takes_the_folder_of_a_comparison(cli, table, path, folds):
    compare(cli, "gaussian", "gmm:n_components=2", "--folds", folds)
    data = ("--data", "new.csv")
    for words in (("score", path, *data, "--threshold", 0.05), ("cluster", path, *data), ("sample", path, "-n", 3)):
        assert cli(*words, "--out", "out.csv")[0] == 0, words
    assert cli("impute", path, *data, "--out", "whole.csv")[0] == 0
    for words in (("evaluate", path), ("describe", path), ("report", path)):
        assert cli(*words)[0] == 0, words
    found = json.loads(cli("score", path, *data, "--threshold", 0.05, "--json")[1])
    assert found["calibration"]["by"] == "comparison"
    assert found["calibration"]["rows"] == (150 if folds else 22)


def test_a_best_without_test_rows_is_evaluated_by_its_held_out_fit(cli, table):
    compare(cli, "gaussian", "--folds", 3)
    row = json.loads(Path("answer/report.json").read_text(encoding="utf-8"))["rows"][0]
    found = json.loads(cli("evaluate", "answer", "--json")[1])
    assert found["fit"] == {"by": "comparison", "train_rows": 128, "folds": 3}
    assert found["events"] == 22
    assert found["log_likelihood"]["test"] == row["log_likelihood"]["test"]
    assert found["metrics"]["cross-validation"]["value"] == row["cv"]["mean"]
    assert found["metrics"]["coverage"]["value"] == row["metrics"]["coverage"]["value"]
    out = cli("evaluate", "answer", "--metric", "coverage")[1]
    assert "to 128 rows, on 22 others; and 3 folds of cross-validation." in out
    assert "recall" not in out
    assert_refused(cli("evaluate", "answer", "--draws", 3), 2, "--draws", "--data")
    assert_refused(cli("evaluate", "answer", "--metric", "bits-per-dim"), 4, "the comparison did not compute it")


def test_without_held_out_rows_there_are_neither_scores_nor_thresholds(cli, table):
    compare(cli, "gaussian", "-o", "split.test=0")
    assert_refused(cli("evaluate", "answer"), 2, "no test rows")
    assert_refused(cli("score", "answer", "--data", "new.csv", "--threshold", 0.1), 2, "held out", "--folds 5")
    assert cli("report", "answer/best")[0] == 0


def test_scores_of_a_run_in_memory_are_kept_too(tmp_path):
    x = load_iris().data
    genzoo.compare(["gaussian"], x, out=tmp_path / "answer")
    kept = HeldOutScores.instead_of_test_rows(Run(tmp_path / "answer" / "best"))
    assert kept.rows == 22
    model = genzoo.load(tmp_path / "answer")
    assert len(model.validation_scores) == 22
    assert model.score(x, threshold=0.1).threshold.calibration == "comparison"


def test_a_model_with_an_anomaly_score_is_calibrated_on_test_rows(tmp_path):
    x = load_iris().data
    genzoo.compare(
        ["autoencoder:latent=1"], x, by="coverage", training={"steps": 20}, precision="fp32", out=tmp_path / "answer"
    )
    run = Run(tmp_path / "answer" / "best")
    model = run.load()
    rows = genzoo.Dataset("iris", model.data, x).split(run.config.split, 0).test
    assert model.calibration == "comparison"
    assert model.validation_scores == pytest.approx(np.sort(model.anomaly_score(x[rows])))


def test_a_comparison_without_a_best_says_so(cli, table):
    assert cli("compare", "ppca:n_factors=9", "--data", "new.csv", "--out", "answer")[0] > 0
    assert_refused(cli("sample", "answer"), 4, "has no best model")


def test_kept_columns_are_copied_as_they_were_written(cli, table):
    compare(cli, "gaussian")
    code, out, err = cli("score", "answer", "--data", "new.csv", "--keep", "customer_id", "--rows", 2)
    lines = out.splitlines()
    assert (code, lines[0], lines[8][:7]) == (0, "row,customer_id,log_likelihood,because", "7,0007,")
    assert lines[8].endswith(",width")
    assert "least likely rows:\nrow  customer_id  log-likelihood  because\n7    0007 " in err
    assert "width 9.5 (expected 3." in err
    assert "does not use" not in err
    dropped = cli("score", "answer", "--data", "new.csv", "--keep", "customer_id", "--drop", "customer_id", "--rows", 2)
    assert dropped[1] == out
    several = cli("score", "answer", "--data", "new.csv", "--keep", "width,customer_id", "--rows", 2)
    assert several[1].startswith("row,width,customer_id,log_likelihood")
    refused = cli("score", "answer", "--data", "new.csv", "--keep", "custmer_id")
    assert_refused(refused, 2, "Did you mean 'customer_id'")
    assert_refused(cli("score", "answer", "--data", "new.csv", "--keep", "length", "--out", "a.npy"), 2, ".parquet")
    table.assign(row=1).to_csv("more.csv", index=False)
    assert_refused(cli("score", "answer", "--data", "more.csv", "--keep", "row"), 2, "'row' cannot be kept")


def test_clusters_keep_columns(cli, table):
    assert (
        cli("train", "gmm", "-o", "n_components=2", "--data", "new.csv", "--drop", "customer_id", "--out", "r")[0] == 0
    )
    assert cli("cluster", "r", "--data", "new.csv", "--keep", "customer_id", "--out", "c.parquet")[0] == 0
    found = pandas.read_parquet("c.parquet")
    assert list(found.columns) == ["row", "customer_id", "cluster", "probability"]
    again = genzoo.load("r").cluster(table, keep=["customer_id"])
    assert again["cluster"].tolist() == found["cluster"].tolist()
    assert again["customer_id"].tolist() == table["customer_id"].tolist()


def test_flagged_rows_name_their_columns(cli, table):
    compare(cli, "gaussian", "--folds", 5)
    found = genzoo.load("answer").score(table, threshold=0.1, explained=1)
    assert found["flagged"].sum() > 1
    assert found.loc[7, "because"] == "width"
    assert found["because"].notna().sum() >= found["flagged"].sum() - 3  # no column may stand out
    assert found.loc[~found["flagged"], "because"].isna().all()


def test_json_lists_the_least_likely_rows(cli, table):
    compare(cli, "gaussian")
    words = ("--keep", "customer_id", "--rows", 2, "--json", "--out", "s.csv")
    found = json.loads(cli("score", "answer", "--data", "new.csv", *words)[1])
    first = found["least_likely"][0]
    assert (first["row"], first["kept"], first["unseen"]) == (7, {"customer_id": "0007"}, None)
    assert first["because"][0]["column"] == "width"
    assert first["because"][0]["surprise"] > 1


def test_the_report_of_a_comparison_renews_its_pictures(cli, table):
    compare(cli, "gaussian", "gmm:n_components=2")
    (picture, *_) = sorted(Path("answer/pictures").glob("*.png"))
    before = picture.read_bytes()
    picture.unlink()
    assert cli("report", "answer")[0] == 0
    assert picture.read_bytes() == before
    picture.unlink()
    assert cli("report", "answer", "--out", "page.html")[0] == 0
    assert not picture.exists()
