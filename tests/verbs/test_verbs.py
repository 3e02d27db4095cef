"""What runs and models answer in Python: the same as on the command line, in the form that was asked."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

import genzoo
from genzoo.errors import ConfigError, DataError

FAITHFUL = "tests/data/faithful.csv"


@pytest.fixture(scope="module")
def table():
    frame = pd.read_csv(FAITHFUL)
    frame.index = [f"r{row}" for row in range(len(frame))]
    return frame


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return genzoo.train("ppca", FAITHFUL, n_factors=1, out=tmp_path_factory.mktemp("runs") / "ppca")


@pytest.fixture(scope="module")
def mixture(tmp_path_factory, table):
    return genzoo.train("gmm", table, n_components=2, out=tmp_path_factory.mktemp("runs") / "gmm")


def test_evaluate_is_what_the_command_prints(run, capsys):
    from genzoo.cli.main import main

    found = run.evaluate(metrics="log-likelihood")
    assert main(["evaluate", str(run.path), "--metric", "log-likelihood", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("status") == "finished"
    assert printed.pop("unfinished") is None
    assert json.loads(json.dumps(found.as_dict())) == printed
    assert "log-likelihood" in repr(found)
    assert all(len(line) <= 80 for line in repr(found).splitlines())
    assert list(found.to_frame("polars").columns) == ["metric", "value", "error", "better"]


def test_all_forms_of_the_same_data_give_the_same_score(run, table):
    forms = (FAITHFUL, table, table.to_numpy(), pl.from_pandas(table), pa.Table.from_pandas(table), {"source": table})
    values = {run.evaluate(form, metrics=["log-likelihood"]).scores["log-likelihood"].value for form in forms}
    assert len(values) == 1
    assert genzoo.evaluate(run.path, FAITHFUL, metrics="log-likelihood").events == len(table)
    model = genzoo.load(run.model)
    assert genzoo.evaluate(model, table, metrics="log-likelihood").scores["log-likelihood"].value in values


def test_a_run_remembers_the_data_in_memory_that_it_was_trained_on(mixture, table):
    assert mixture.evaluate(metrics="log-likelihood").split == "test"
    assert mixture.describe().rows == len(table)
    assert len(mixture.impute()) == len(table)
    again = genzoo.Run(mixture.path)
    with pytest.raises(DataError, match="trained on data in memory"):
        again.evaluate()
    assert again.evaluate(table, metrics="log-likelihood").events == len(table)


def test_embed_answers_a_table_with_a_table(run, table):
    found = run.embed(table)
    assert list(found.columns) == [f"z{place}" for place in range(found.shape[1])]
    assert list(found.index) == list(table.index)
    assert isinstance(run.embed(table.to_numpy()), np.ndarray)
    for given in (None, FAITHFUL):
        assert np.allclose(run.embed(given), found)
    with pytest.raises(ConfigError, match="does not name its data"):
        genzoo.embed(run.model)


def test_impute_keeps_all_columns_of_a_table_in_memory_and_in_a_file(mixture, table, tmp_path):
    holes = table.assign(note="x")
    holes.loc["r0", "waiting"] = None
    filled = mixture.impute(holes)
    assert list(filled.columns) == ["eruptions", "waiting", "note"]
    assert not filled.isna().any().any()
    holes.to_csv(tmp_path / "holes.csv", index=False)
    again = mixture.impute(str(tmp_path / "holes.csv"))
    assert isinstance(again, pd.DataFrame)
    assert again["waiting"].tolist() == filled["waiting"].tolist()
    assert again["note"].tolist() == filled["note"].tolist()
    with pytest.raises(ConfigError, match="cannot embed"):
        mixture.embed(table)


def test_a_report_is_a_page_that_can_be_written(run, tmp_path):
    found = run.report(metrics="log-likelihood")
    assert found.path is None
    assert found.as_html().startswith("<!doctype html>")
    assert len(repr(found)) < 120
    saved = run.report(tmp_path / "page.html", metrics="log-likelihood")
    assert saved.path.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(ConfigError, match=r"Known: \.html"):
        run.report("page.pdf")


def test_walks_through_latent_space_have_tables(run):
    walk = run.traverse(steps=3)
    assert walk.events.shape[1:] == (3, 2)
    assert list(walk.to_frame().columns) == ["dimension", "value", "eruptions", "waiting"]
    path = run.interpolate((0, 1), steps=4)
    ends = run.load().reconstruct(pd.read_csv(FAITHFUL).head(2)).to_numpy()
    assert np.allclose(path.events[[0, -1]], ends, rtol=1e-4)
    assert len(path.to_frame("pyarrow")) == 4
    assert np.allclose(run.interpolate(path.latent[[0, -1]], steps=4).events, path.events, rtol=1e-4)
    for ends in ((1.5, 2), (1, 2, 3), "ab", None):
        with pytest.raises(ConfigError, match="two rows"):
            run.interpolate(ends)
    assert len(repr(walk)) < 120
    assert len(repr(path)) < 120


def test_a_description_has_a_table_and_a_short_repr(mixture, run, table):
    found = mixture.describe(FAITHFUL)
    assert found.to_frame()["column"].tolist() == ["eruptions", "waiting"]
    assert len(repr(found)) < 160
    assert run.describe().rows == run.describe(table).rows == len(table)
    kinds = genzoo.train("naive-bayes", table.assign(k=["a", "b"] * 136), out=mixture.path.parent / "kinds").describe()
    assert "k=a" in kinds.to_frame()["column"].tolist()


@pytest.mark.parametrize("asked", [None, 3, object()])
def test_what_cannot_be_asked_is_named(asked):
    with pytest.raises(ConfigError, match="a trained model or a path"):
        genzoo.embed(asked)


def test_a_table_of_polars_gets_any_number_of_columns(mixture, table):
    frame = pl.from_pandas(table)
    for given in (frame, frame[:1], frame[:0]):
        assert mixture.cluster(given).shape == (len(given), 2)
        assert mixture.score(given).columns == ["log_likelihood", "because"]
        assert mixture.score(given, keep=["waiting"]).columns == ["waiting", "log_likelihood", "because"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_a_run_answers_for_its_own_table_with_such_a_table(make, table, tmp_path):
    frame = make(table.reset_index(drop=True))
    run = genzoo.train("ppca", frame, n_factors=1, out=tmp_path / "run")
    for answer in (run.score(), run.embed(), run.impute()):
        assert type(answer) is type(frame)
        assert len(answer) == len(frame)
    with pytest.raises(ConfigError, match="Hand over the table"):
        run.score(keep=["waiting"])


def test_texts_of_a_result_are_texts_in_each_library(run):
    result = run.score(pd.read_csv(FAITHFUL).to_numpy())
    assert result.to_frame("polars")["because"].dtype == pl.String
    assert pa.types.is_string(result.to_frame("pyarrow")["because"].type)
    assert result.to_frame("pandas")["because"].notna().sum() == sum(bool(one.because) for one in result.unlikely)


def test_results_of_rows_are_short_and_ready_for_json(run, mixture):
    rows = pd.read_csv(FAITHFUL).to_numpy()
    scored, found = run.score(rows), mixture.cluster(rows)
    assert json.loads(json.dumps(scored.as_dict()))["rows"] == len(rows)
    assert json.loads(json.dumps(found.as_dict()))["sizes"] == {str(k): n for k, n in found.sizes.items()}
    assert repr(scored).startswith("<ScoreResult of 272 rows: log_likelihood (exact)")
    assert repr(found).startswith("<ClusterResult of 272 rows, sizes 0: ")
    assert max(len(repr(scored)), len(repr(found))) < 120
    assert "<table" in scored._repr_html_()
    assert "<table" in found._repr_html_()


def test_a_description_takes_what_other_questions_take(run, table):
    whole = run.describe(device="cpu")
    assert repr(genzoo.describe(run.path)) == repr(genzoo.describe(run, table)) == repr(whole)
    assert genzoo.describe(run.load()).rows == genzoo.describe(run.model).rows == 0
    assert genzoo.describe(run.load(), FAITHFUL).rows == len(table)


def test_weights_of_rows_that_are_gone_are_no_silent_matter(table, tmp_path):
    run = genzoo.train("ppca", table, n_factors=1, out=tmp_path / "run")
    again = genzoo.Run(run.path)
    assert again.describe().rows == 0
    with pytest.raises(DataError, match="data in memory"):
        again.describe(weights=np.ones(len(table)))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.score(FAITHFUL, threshold="x"), "'x' is not a share"),
        (lambda run: run.score(FAITHFUL, explained=1.5), "explained must be a whole number"),
        (lambda run: run.traverse(steps=2.5), "2.5 events cannot show a change"),
        (lambda run: run.traverse(most=0), "most must be a whole number"),
        (lambda run: run.interpolate(np.zeros((2, 3))), r"\(2, 1\), not \(2, 3\)"),
        (lambda run: run.evaluate(samples="x"), "samples must be a whole number"),
        (lambda run: run.describe(rows="x"), "rows must be a whole number"),
        (lambda run: run.describe(weights="x"), "weights must be numbers"),
        (lambda run: genzoo.report([run]), "this is of type list"),
    ],
)
def test_wrong_arguments_are_named(run, ask, message):
    with pytest.raises(ConfigError, match=message):
        ask(run)


def test_a_run_resumes_with_the_table_that_it_was_trained_on(table, tmp_path):
    groups = np.arange(len(table)) // 2
    run = genzoo.train("vae", table, steps=2, batch_size=16, split_by=groups, precision="fp32", out=tmp_path / "vae")
    with pytest.warns(UserWarning, match="budget") as found:
        longer = genzoo.resume(run, steps=4)
    assert {one.filename for one in found} == {__file__}  # the line that calls
    assert longer.record["steps"] == 4
    assert len(longer.score()) == len(table)
    with pytest.raises(DataError, match="Name them, or other data: data=DATA"):
        genzoo.resume(run.path, steps=6)


def test_new_images_are_cropped_as_the_training_images_were(tmp_path):
    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 8, 24), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "photos" / f"{number}.png")
    data = {"source": tmp_path / "photos", "size": 8, "crop": "pad"}
    genzoo.train("autoencoder", data=data, steps=1, batch_size=4, precision="fp32", out=tmp_path / "run")
    run = genzoo.Run(str(tmp_path / "run"))
    again = run.score(str(tmp_path / "photos")).values
    np.testing.assert_array_equal(again, run.score().values)
