"""A level that no training row has is said, with its column and row."""

import json
from pathlib import Path

import numpy as np
import pandas
import pytest

import genzoo
from genzoo.data.columns.unseen import about_unseen, unseen_levels

pytestmark = pytest.mark.once


def people(n=120, seed=0):
    rng = np.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "age": rng.normal(40, 9, n),
            "color": rng.choice(["blue", "green"], n),
            "shape": rng.choice(["disk", "ring"], n),
        }
    )


def with_rare_level(row):
    """Row `row` alone is red."""
    frame = people()
    frame.loc[row, "color"] = "red"
    return frame


def held_out_row(part="test"):
    """A row that the default split holds out."""
    dataset = genzoo.Dataset("x", genzoo.DataSpec((1,), "table", (genzoo.Feature("a"),)), np.zeros((120, 1)))
    from genzoo.config.data import SplitSettings

    return int(getattr(dataset.split(SplitSettings(), 0), part)[3])


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with_rare_level(held_out_row()).to_csv("people.csv", index=False)
    return genzoo.train("naive-bayes", "people.csv", n_components=2, out=Path("run"))


def test_the_trained_model_knows_the_levels_that_it_never_saw(run):
    features = run.load().data.features
    assert [feature.unseen for feature in features] == [(), ("red",), ()]
    assert genzoo.load("run/model").data.features[1].unseen == ("red",)
    found = unseen_levels(run.load().data, run.open_data(), np.arange(120))
    assert found == {held_out_row(): "color = red"}


@pytest.mark.parametrize("model", ["naive-bayes", "vae"])
def test_score_names_the_row_and_the_column(cli, model):
    with_rare_level(held_out_row()).to_csv("people.csv", index=False)
    budget = () if model == "naive-bayes" else ("--steps", 20)
    assert cli("train", model, "--data", "people.csv", *budget, "--out", "run")[0] == 0
    pandas.DataFrame({"age": [30, 31], "color": ["red", "blue"], "shape": ["disk", "disk"]}).to_csv(
        "new.csv", index=False
    )
    code, out, err = cli("score", "run", "--data", "new.csv", "--out", "scores.csv")
    assert code == 0, err
    assert "look at: 1 row holds a value that no training row has" in out + err
    assert "(row 0: color = red)" in out + err
    scores = pandas.read_csv("scores.csv")
    assert scores["unseen"].tolist()[0] == "color = red"
    assert scores["unseen"].isna().tolist() == [False, True]
    found = json.loads(cli("score", "run", "--data", "new.csv", "--json")[1])
    assert found["unseen"] == ["color = red", None]
    assert found["count_unseen"] == 1
    if model == "naive-bayes":
        assert scores["log_likelihood"][0] < scores["log_likelihood"][1] - 20
    pandas.DataFrame({"age": [30], "color": ["blue"], "shape": ["disk"]}).to_csv("plain.csv", index=False)
    assert "unseen" not in cli("score", "run", "--data", "plain.csv")[1]


def test_evaluate_and_impute_name_it_too(cli):
    row = held_out_row()
    with_rare_level(row).to_csv("people.csv", index=False)
    assert cli("train", "naive-bayes", "--data", "people.csv", "--out", "run")[0] == 0
    assert f"(row {row}: color = red)" in cli("evaluate", "run", "--metric", "log-likelihood")[1]
    assert json.loads(cli("evaluate", "run", "--json")[1])["unseen"] == {str(row): "color = red"}
    Path("holes.csv").write_text("age,color,shape\n,red,disk\n30,,ring\n", encoding="utf-8")
    assert "(row 0: color = red)" in cli("impute", "run", "--data", "holes.csv", "--out", "whole.csv")[1]


def test_the_row_of_a_comparison_names_it(cli):
    row = held_out_row()
    with_rare_level(row).to_csv("people.csv", index=False)
    report = genzoo.compare(["naive-bayes:n_components=1..2"], "people.csv", by="test")
    for one in report.rows:
        assert f"row {row}: color = red" in one.reasons["unseen"]
        assert one.ranked_by("test") is not None
    assert "1 row holds a value" in cli("compare", "naive-bayes", "--data", "people.csv")[1]


def test_folds_name_a_level_that_only_they_hold_out():
    row = held_out_row("train")
    report = genzoo.compare(["naive-bayes:n_components=1"], with_rare_level(row), by="cv", folds=3)
    assert report.rows[0].reasons["unseen"].startswith("in fold ")
    assert f"row {row}: color = red" in report.rows[0].reasons["unseen"]


def test_rows_of_weight_zero_show_no_level(tmp_path):
    frame = with_rare_level(held_out_row("train")).assign(w=1.0)
    frame.loc[held_out_row("train"), "w"] = 0.0
    found = genzoo.train("naive-bayes", {"source": frame, "weight": "w"}, out=tmp_path / "run")
    assert found.load().data.features[1].unseen == ("red",)


def test_many_rows_are_counted():
    text = about_unseen(dict.fromkeys(range(9), "color = red"))
    assert text.startswith("9 rows hold a value")
    assert text.endswith("row 4: color = red; and 4 more)")


def test_a_category_that_the_model_does_not_know_scores_minus_infinity(cli):
    with_rare_level(held_out_row()).to_csv("people.csv", index=False)
    assert cli("train", "naive-bayes", "--data", "people.csv", "--out", "run")[0] == 0
    Path("new.csv").write_text(
        "age,color,shape\n30,mauve,disk\n31,blue,disk\n32,red,cube\n33,blue,\n", encoding="utf-8"
    )
    code, out, err = cli("score", "run", "--data", "new.csv", "--threshold", 0.2, "--out", "scores.csv")
    assert code == 0, err
    assert "2 rows hold a value that no training row has" in out + err
    scores = pandas.read_csv("scores.csv")
    assert np.isneginf(scores["log_likelihood"]).tolist() == [True, False, True, False]
    assert scores["unseen"].fillna("").tolist() == ["color = mauve", "", "shape = cube, color = red", ""]
    assert scores["flagged"].tolist()[0]
    known = genzoo.load("run").log_prob(pandas.DataFrame({"age": [31], "color": ["blue"], "shape": ["disk"]}))
    assert scores["log_likelihood"][1] == pytest.approx(known.iloc[0], rel=1e-6)
    for words in (("cluster",), ("impute", "--out", "whole.csv")):
        code, _, err = cli(words[0], "run", "--data", "new.csv", *words[1:])
        assert code == 4, "other answers about such a row would be made up"
        assert "'mauve' in " in err
    evaluated = genzoo.evaluate("run", "new.csv", metrics="log-likelihood")
    assert evaluated.unknown == {0: "color = mauve", 2: "shape = cube"}
    assert evaluated.events == 2
    assert evaluated.scores["log-likelihood"].value == pytest.approx(scores["log_likelihood"][[1, 3]].mean(), rel=1e-6)
    code, out, _ = cli("evaluate", "run", "--data", "new.csv", "--metric", "log-likelihood")
    assert code == 0
    assert "2 rows hold a value that the model does not know, so they are impossible under it" in out
    assert "(row 0: color = mauve; row 2: shape = cube)" in out
    Path("new.csv").write_text("age,color,shape\n30,mauve,disk\n", encoding="utf-8")
    code, _, err = cli("evaluate", "run", "--data", "new.csv")
    assert code == 2
    assert "no rows to evaluate on: 1 row holds a value that the model does not know" in err
