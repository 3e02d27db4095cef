"""Scores and components of rows in the kind of table in which the rows came."""

import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest

import genzoo
from genzoo.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    a = np.concatenate([rng.normal(0, 1, 60), rng.normal(8, 1, 60)])
    kind = np.where(a > 4, "high", "low")
    frame = pandas.DataFrame({"id": [f"{n:03d}" for n in range(120)], "a": a, "b": rng.normal(size=120), "kind": kind})
    frame.index = pandas.Index(range(1000, 1120))
    frame.loc[1003, "kind"] = "high"
    return frame


@pytest.fixture(scope="module")
def model(frame, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return genzoo.train(
        "naive-bayes", frame.drop(columns="id"), n_components=2, split={"validation": 0.3}, out=out
    ).load()


def test_a_frame_gives_such_a_frame_with_kept_columns(frame, model):
    found = model.score(frame, threshold=0.1, keep=["id"])
    assert list(found.columns) == ["id", "log_likelihood", "flagged", "because"]
    assert found.index.equals(frame.index)
    assert found["log_likelihood"].to_numpy() == pytest.approx(model.log_prob(frame).to_numpy())
    assert found.loc[1003, "because"].startswith(("a", "kind"))
    lazy = model.score(polars.from_pandas(frame), threshold=0.1, keep=["id"])
    assert isinstance(lazy, polars.DataFrame)
    assert lazy["flagged"].to_list() == found["flagged"].to_list()
    arrow = model.score(pa.Table.from_pandas(frame), threshold=0.1, keep=["id"])
    assert arrow.column_names == list(found.columns)
    assert arrow["because"].to_pylist() == lazy["because"].to_list()


@pytest.mark.parametrize("made", [polars.from_pandas, pa.Table.from_pandas])
def test_no_column_need_be_kept(frame, model, made):
    table = made(frame)
    for rows in (table, table[:0]):
        assert len(model.score(rows, threshold=0.1)) == len(model.cluster(rows)) == len(rows)
    assert model.score(table)["log_likelihood"].to_numpy() == pytest.approx(model.score(frame)["log_likelihood"])


def test_an_array_gives_a_result(frame, model):
    codes = frame.assign(kind=(frame["kind"] == model.data.features[2].levels[1]).astype(float))
    result = model.score(codes[["a", "b", "kind"]].to_numpy(), threshold=0.1, explained=3)
    assert result.flagged.sum() == model.score(frame, threshold=0.1)["flagged"].sum()
    assert [one.score for one in result.unlikely] == sorted(one.score for one in result.unlikely)
    sizes = model.cluster(codes[["a", "b", "kind"]].to_numpy()).sizes
    assert sum(sizes.values()) == 120


def test_a_frame_without_rows_gives_one_without_rows(frame, model):
    assert list(model.score(frame.head(0), threshold=0.1, keep=["id"]).columns)[:3] == [
        "id",
        "log_likelihood",
        "flagged",
    ]
    assert list(model.cluster(frame.head(0)).columns) == ["cluster", "probability"]


def test_a_single_row_is_explained_by_the_model_alone(frame, model):
    strange = frame.iloc[:1].assign(a=30.0)
    assert model.score(strange)["because"].iloc[0].startswith("a")


def test_the_column_that_breaks_a_relation_comes_first(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    frame = pandas.DataFrame({"x": x, "y": 2 * x + rng.normal(0, 0.1, 200), "z": rng.normal(size=200)})
    frame.loc[7, "y"] += 3.0  # usual for y, but not given x
    frame.loc[8, "z"] = 9.0
    found = genzoo.train("gaussian", frame, out=tmp_path / "run").load().score(frame)
    assert found["because"].iloc[7].startswith("y")
    assert found["because"].iloc[8] == "z"


def test_a_date_is_shown_as_a_date(tmp_path):
    rng = np.random.default_rng(0)
    days = pandas.Series(pandas.date_range("2020-01-01", periods=90)[rng.permutation(90)].date)
    days[5] = pandas.Timestamp("2031-02-03").date()
    frame = pandas.DataFrame({"day": days, "x": rng.normal(size=90)})
    model = genzoo.train("naive-bayes", frame, n_components=1, out=tmp_path / "run").load()
    (row,) = model.describe(frame, seed=0).unlikely[:1]
    assert (row.row, row.contributions[0].column, row.contributions[0].value) == (5, "day", "2031-02-03")
    assert row.contributions[0].expected.startswith("2020-")


def test_an_unknown_category_is_the_reason(frame, model):
    found = model.score(frame.assign(kind=frame["kind"].where(frame.index != 1005, "new")), explained=1)
    assert found.loc[1005, "log_likelihood"] == -np.inf
    assert found.loc[1005, "because"] == found.loc[1005, "unseen"] == "kind = new"
    with pytest.raises(DataError, match="new"):
        model.cluster(frame.assign(kind="new"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"keep": ["idd"]}, "Did you mean 'id'"),
        ({"keep": "id"}, "keep is a list"),
        ({"threshold": 2}, "between 0 and 1"),
        ({"threshold": "0.1"}, "between 0 and 1"),
        ({"explained": -1}, "at least 0"),
        ({"explained": 1.5}, "whole number"),
    ],
)
def test_wrong_arguments_are_one_sentence(frame, model, given, said):
    with pytest.raises(ConfigError, match=said):
        model.score(frame, **given)


def test_columns_of_an_array_cannot_be_kept(model):
    with pytest.raises(ConfigError, match="are an array"):
        model.score(np.zeros((1, 3)), keep=["id"])
