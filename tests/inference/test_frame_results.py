"""Answers about a table come back as such a table, and samples as the kind of table that the model was trained on."""

import json
import sys

import numpy as np
import pyarrow as pa
import pytest

import genzoo

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

ROWS = 300
RNG = np.random.default_rng(0)
AGES = RNG.integers(0, 90, ROWS)
GROUPS = RNG.choice(["lo", "mid", "hi"], ROWS)
HEIGHTS = RNG.normal(170.0, 8.0, ROWS)


def people():
    """Every type of pandas that a model takes."""
    rng = np.random.default_rng(1)
    return pandas.DataFrame(
        {
            "age": AGES,
            "small": rng.integers(0, 200, ROWS).astype("uint8"),
            "visits": pandas.array([None, *rng.integers(0, 9, ROWS - 1)], dtype="Int64"),
            "height": HEIGHTS.astype("float32"),
            "half": rng.normal(size=ROWS).astype("float16"),
            "member": HEIGHTS > 170,
            "known": pandas.array(AGES > 40, dtype="boolean"),
            "group": pandas.Categorical(GROUPS, categories=["lo", "mid", "hi", "never"], ordered=True),
            "code": pandas.Categorical(np.where(AGES % 2, 30, 4), categories=[30, 4]),
            "text": GROUPS,
            "thing": pandas.Series(GROUPS, dtype=object),
            "string": pandas.Series(GROUPS, dtype="string"),
            "arrow": pandas.Series(rng.integers(0, 50, ROWS), dtype="int64[pyarrow]"),
        }
    )


def trained(folder, data, model="naive-bayes", **options):
    options = {"n_components": 2} if model == "naive-bayes" else options
    return genzoo.train(model, data, out=folder / "run", precision="fp32", **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("pandas"), people())


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    data = people()[["height", "age", "group"]]
    return trained(tmp_path_factory.mktemp("vae"), data, "vae", training={"steps": 5}, latent=3).load()


def test_samples_of_pandas_have_the_types_of_the_data(run):
    samples = run.sample(40)
    pandas.testing.assert_series_equal(samples.dtypes, people().dtypes)
    assert list(samples["group"].cat.categories) == ["lo", "mid", "hi", "never"]
    assert samples["group"].cat.ordered
    assert list(samples["code"].cat.categories) == [30, 4]
    assert set(samples["text"]) <= set(GROUPS)


def test_samples_hold_the_values_of_the_array(run):
    array, frame = run.sample(40, output="array"), run.sample(40)
    assert isinstance(array, np.ndarray)
    names = list(frame.columns)
    assert np.array_equal(frame["age"], array[:, names.index("age")].round().clip(min=-(2**53)))
    assert np.array_equal(frame["height"], array[:, names.index("height")].astype("float32"))
    assert np.array_equal(frame["group"].cat.codes, array[:, names.index("group")])
    assert np.array_equal(frame["code"], np.where(array[:, names.index("code")] == 0, 30, 4))


def test_samples_of_polars_have_the_types_of_the_data(tmp_path):
    data = polars.DataFrame(
        {
            "age": AGES,
            "height": HEIGHTS.astype("float32"),
            "member": AGES > 40,
            "text": GROUPS,
            "kind": GROUPS,
            "e": GROUPS,
        }
    ).cast({"kind": polars.Categorical, "e": polars.Enum(["lo", "mid", "hi", "never"])})
    samples = trained(tmp_path, data).sample(20)
    assert isinstance(samples, polars.DataFrame)
    assert samples.schema == data.schema


def test_samples_of_pyarrow_have_the_types_of_the_data(tmp_path):
    coded = pa.DictionaryArray.from_arrays(pa.array(AGES % 2, pa.int8()), pa.array(["b", "a"]), ordered=True)
    number = pa.DictionaryArray.from_arrays(pa.array(AGES % 2, pa.int16()), pa.array([7, 3]))
    data = pa.table(
        {
            "age": AGES,
            "height": pa.array(HEIGHTS, pa.float32()),
            "text": pa.array(GROUPS, pa.large_string()),
            "coded": coded,
            "number": number,
        }
    )
    assert trained(tmp_path, data).sample(20).schema == data.schema


@pytest.mark.parametrize("data", [np.column_stack([HEIGHTS, AGES]), "iris"])
def test_arrays_and_built_in_data_give_arrays(data, tmp_path):
    run = trained(tmp_path, data, "gaussian")
    assert type(run.sample(3)) is np.ndarray
    assert "frame" in run.data.as_dict()
    assert run.data.frame is None


def test_a_file_gives_arrays_and_tables_if_asked(tmp_path):
    people()[["age", "text"]].to_csv(tmp_path / "people.csv", index=False)
    run = trained(tmp_path, str(tmp_path / "people.csv"))
    assert type(run.sample(3)) is np.ndarray
    assert list(run.sample(3, output="pandas").dtypes.astype(str)) == ["int64", str(people()["text"].dtype)]
    assert run.sample(3, output="polars").schema == {"age": polars.Int64, "text": polars.String}
    assert run.sample(3, output="pyarrow").schema == pa.schema({"age": pa.int64(), "text": pa.string()})


def test_the_kind_of_table_changes_no_digest_and_no_weight(tmp_path):
    runs = {
        kind: trained(tmp_path / kind, data, "gaussian")
        for kind, data in {
            "pandas": pandas.DataFrame({"a": HEIGHTS}),
            "polars": polars.DataFrame({"a": HEIGHTS}),
            "pyarrow": pa.table({"a": HEIGHTS}),
        }.items()
    }
    for kind, run in runs.items():
        assert run.data.frame.library == kind
        assert run.config.data_digest == runs["pandas"].config.data_digest
        assert run.record["weights"] == runs["pandas"].record["weights"]


def test_a_model_folder_without_the_kind_of_table_gives_arrays(run, tmp_path):
    for file in run.model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = json.loads((tmp_path / "config.json").read_text())
    assert content["data"].pop("frame")["library"] == "pandas"
    (tmp_path / "config.json").write_text(json.dumps(content))
    samples = genzoo.load(tmp_path).sample(40)
    assert np.array_equal(samples, run.sample(40, output="array"))


def test_a_library_that_is_not_installed_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(genzoo.ConfigError, match="pandas is not installed"):
        genzoo.load(run.path).sample(2)
    assert genzoo.load(run.path).sample(2, output="array").shape == (2, 13)


def test_other_outputs_raise(run, tmp_path):
    with pytest.raises(genzoo.ConfigError, match="output is 'frame'"):
        run.sample(2, output="frame")
    images = np.random.default_rng(0).integers(0, 256, (60, 6, 6), dtype=np.uint8)
    with pytest.raises(genzoo.ConfigError, match="images are no table"):
        trained(tmp_path, images, "gaussian").sample(2, output="pandas")


def test_answers_of_pandas_keep_any_index(run):
    given = people().iloc[[5, 5, 2], ::-1].set_axis([7, 7, "q"])
    array = run.load().log_prob(given.reset_index(drop=True)).to_numpy()
    scores = run.log_prob(given)
    assert isinstance(scores, pandas.Series)
    assert (scores.name, list(scores.index)) == ("log_prob", [7, 7, "q"])
    assert np.array_equal(scores, array)
    posterior = run.log_posterior(given)
    assert (list(posterior.columns), list(posterior.index)) == (["0", "1"], [7, 7, "q"])
    assert np.allclose(np.exp(posterior).sum(axis=1), 1.0)
    filled = run.impute(given.assign(visits=pandas.array([None, 3, 4], dtype="Int64")))
    assert list(filled.index) == [7, 7, "q"]
    assert list(filled["visits"])[1:] == [3, 4]


def test_answers_of_polars_and_pyarrow_are_of_the_same_library(vae):
    given = people()[["height", "age", "group"]].head(5)
    table = polars.from_pandas(given)
    assert vae.log_prob_bound(table).to_list() == vae.log_prob_bound(given).to_list()
    assert vae.log_prob_bound(table.to_arrow()).to_pylist() == vae.log_prob_bound(given).to_list()
    assert vae.encode(table).columns == ["z0", "z1", "z2"]
    assert vae.encode(table.to_arrow()).column_names == ["z0", "z1", "z2"]
    assert vae.reconstruct(table).columns == ["height", "age", "group"]
    assert vae.reconstruct(table.to_arrow()).column_names == ["height", "age", "group"]


def test_reconstructions_have_the_columns_of_training(vae):
    given = people()[["group", "age", "height"]].iloc[[3, 3]]
    again = vae.reconstruct(given.assign(other=1))
    assert list(again.columns) == ["height", "age", "group"]
    assert list(again.index) == [3, 3]
    assert again["group"].dtype == given["group"].dtype
    assert again["age"].dtype == np.int64


def test_latent_vectors_in_a_table_are_decoded_by_name(vae):
    given = people()[["height", "age", "group"]].iloc[[9, 4]]
    z = vae.encode(given)
    decoded = vae.decode(z[["z2", "z0", "z1"]])
    pandas.testing.assert_frame_equal(decoded, vae.reconstruct(given))
    from_array = vae.decode(z.to_numpy())
    pandas.testing.assert_frame_equal(from_array, decoded.reset_index(drop=True))
    assert isinstance(vae.decode(z, output="array"), np.ndarray)
    with pytest.raises(genzoo.DataError, match="z1 is missing"):
        vae.decode(z.drop(columns="z1"))


def test_a_table_without_rows_has_answers_without_rows(run, vae):
    none = people().iloc[:0]
    assert run.log_prob(none).dtype == np.float64
    assert run.log_posterior(none).shape == (0, 2)
    pandas.testing.assert_series_equal(run.impute(none).dtypes, none.dtypes)
    for answer in (vae.encode(none), vae.decode(vae.encode(none)), vae.reconstruct(none)):
        assert answer.shape == (0, 3)
    assert len(vae.log_prob_bound(polars.from_pandas(none))) == 0
    with pytest.raises(genzoo.DataError, match="has no column 'age'"):
        run.log_prob(none.drop(columns="age"))


def test_the_component_of_outliers_has_its_name(tmp_path):
    data = pandas.DataFrame({"a": HEIGHTS, "b": np.random.default_rng(1).normal(size=ROWS)})
    model = trained(tmp_path, data, "gmm", n_components=2, noise=True).load()
    far = pandas.DataFrame({"b": [0.0, 99.0], "a": [170.0, 170.0]}, index=["in", "out"])
    assert list(model.log_posterior(far).columns) == ["0", "1", "outliers"]
    covered = model.covers(far)
    assert (covered.name, covered.to_dict()) == ("covers", {"in": True, "out": False})


def test_a_comparison_takes_and_returns_tables(tmp_path):
    data = pandas.DataFrame({"a": HEIGHTS, "text": GROUPS})
    report = genzoo.compare(["naive-bayes:n_components=1..2"], data, out=tmp_path / "report")
    assert report.best is not None
    samples = genzoo.load(tmp_path / "report" / "best").sample(5)
    pandas.testing.assert_series_equal(samples.dtypes, data.dtypes)


def test_a_run_resumes_with_another_kind_of_table(tmp_path):
    data = pandas.DataFrame({"a": HEIGHTS, "age": AGES})
    run = trained(tmp_path, data, "vae", training={"steps": 3})
    with pytest.warns(UserWarning, match="schedule|share of the budget"):
        again = genzoo.resume(run.path, polars.from_pandas(data), steps=5)
    assert isinstance(again.sample(2), polars.DataFrame)


@pytest.mark.parametrize("kind", [polars.Categorical, polars.Enum(["lo", "mid", "hi"])], ids=["categorical", "enum"])
def test_a_polars_frame_with_categories_is_filled(tmp_path, kind):
    frame = polars.DataFrame({"age": AGES, "group": polars.Series(GROUPS.tolist(), dtype=kind)})
    run = trained(tmp_path, frame)
    holes = frame.with_columns(polars.when(polars.int_range(ROWS) > 2).then(polars.col("group")).alias("group"))
    filled = run.impute(holes)
    assert filled.schema == frame.schema
    assert filled["group"].null_count() == 0
    assert filled[3:].equals(frame[3:])


@pytest.mark.parametrize(("own", "given", "words"), [(None, "UTC", "without a"), ("UTC", None, "with a")])
def test_times_with_and_without_a_zone_are_told_apart(tmp_path, own, given, words):
    days = pandas.date_range("2020-01-01", periods=ROWS, freq="h")
    frame = pandas.DataFrame({"age": AGES, "when": days.tz_localize(own)})
    run = trained(tmp_path, frame, "gaussian")
    with pytest.raises(genzoo.DataError, match=f"trained on timestamps {words} time zone"):
        run.log_prob(frame.assign(when=days.tz_localize(given)))
