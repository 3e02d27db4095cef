"""Tables of pandas, polars and pyarrow go by the names of their columns into every method of a trained model."""

import numpy as np
import pyarrow as pa
import pytest

import genzoo

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

KINDS = ("pandas", "polars", "pyarrow")


def frame(kind, columns):
    table = pa.table(columns)
    if kind == "pandas":
        return table.to_pandas()
    return polars.from_arrow(table) if kind == "polars" else table


def names_of(x):
    return list(x.column_names if isinstance(x, pa.Table) else x.columns)


def plain(x):
    """The values of a table as plain lists, by column."""
    return (x if isinstance(x, pa.Table) else pa.table(x)).select(names_of(x)).to_pydict()


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(0)
    group = rng.choice(["left", "right"], 400)
    age = rng.normal(50.0, 2.0, 400) + 10.0 * (group == "left")
    return {"age": age.tolist(), "group": group.tolist(), "income": rng.normal(900.0, 30.0, 400).tolist()}


@pytest.fixture(scope="module")
def numeric(columns):
    return {name: columns[name] for name in ("age", "income")}


@pytest.fixture(scope="module")
def gaussian(numeric, tmp_path_factory):
    return genzoo.train("gaussian", pa.table(numeric), out=tmp_path_factory.mktemp("frames") / "gaussian").load()


@pytest.fixture(scope="module")
def classes(columns, tmp_path_factory):
    data = pa.table(columns)
    out = tmp_path_factory.mktemp("frames") / "classes"
    return genzoo.train("naive-bayes", data, n_components=2, out=out).load()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [("age", "income"), ("income", "age"), ("extra", "income", "age")])
def test_columns_are_found_by_name_in_any_order(gaussian, numeric, kind, order):
    given = {name: numeric.get(name, ["?"] * 400) for name in order}
    expected = gaussian.log_prob(np.column_stack([numeric["age"], numeric["income"]]))
    assert np.array_equal(gaussian.log_prob(frame(kind, given)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_strings_become_the_categories_of_training(classes, columns, kind):
    codes = [float(group == "right") for group in columns["group"]]
    array = np.column_stack([columns["age"], codes, columns["income"]])
    reversed_columns = dict(reversed(columns.items()))
    assert np.array_equal(classes.log_prob(frame(kind, reversed_columns)), classes.log_prob(array))
    assert np.array_equal(classes.log_posterior(frame(kind, columns)), classes.log_posterior(array))


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_takes_a_frame(gaussian, numeric, kind):
    given, array = frame(kind, dict(reversed(numeric.items()))), np.column_stack([numeric["age"], numeric["income"]])
    assert np.array_equal(gaussian.encode(given), gaussian.encode(array))
    assert np.array_equal(gaussian.log_posterior(given), gaussian.log_posterior(array))


@pytest.mark.parametrize("kind", KINDS)
def test_imputing_returns_the_kind_of_table_that_came_in(classes, kind):
    given = frame(kind, {"note": ["a", "b"], "income": [None, 910.0], "group": ["left", None], "age": [61.0, 49.5]})
    filled = classes.impute(given)
    assert type(filled) is type(given)
    assert names_of(filled) == ["note", "income", "group", "age"]
    values = plain(filled)
    assert values["note"] == ["a", "b"]
    assert values["age"] == [61.0, 49.5]
    assert values["income"][1] == 910.0
    assert 880.0 < values["income"][0] < 920.0
    assert values["group"] == ["left", "right"]


def test_imputing_keeps_the_index_and_types_of_pandas(classes):
    given = pandas.DataFrame(
        {
            "age": [61.0, np.nan, 49.5],
            "group": pandas.Categorical(["left", "right", None], categories=["right", "left"]),
            "income": [900.0, 905.0, np.nan],
            "day": pandas.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"]),
        },
        index=["p", "q", "r"],
    )
    before = given.copy()
    filled = classes.impute(given)
    assert list(filled.index) == ["p", "q", "r"]
    assert (filled.dtypes == given.dtypes).all()
    assert not filled.isna().any().any()
    assert filled["group"].tolist() == ["left", "right", "right"]
    pandas.testing.assert_frame_equal(given, before)


def test_an_array_comes_back_as_an_array(gaussian):
    filled = gaussian.impute(np.array([[60.0, np.nan]]))
    assert isinstance(filled, np.ndarray)
    assert filled[0, 0] == 60.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_without_a_column_of_training_raises(gaussian, numeric, kind):
    with pytest.raises(genzoo.DataError, match="has no column 'income', which the model was trained on"):
        gaussian.log_prob(frame(kind, {"age": numeric["age"], "incme": numeric["income"]}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_category_that_training_never_saw_raises(classes, kind):
    with pytest.raises(genzoo.DataError, match="column 'group' holds 'middle' in row 1"):
        classes.log_prob(frame(kind, {"age": [60.0, 50.0], "group": ["left", "middle"], "income": [900.0, 900.0]}))


def test_a_model_of_images_does_not_take_a_frame(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 6, 6), dtype=np.uint8)
    model = genzoo.train("gaussian", images, out=tmp_path / "run").load()
    with pytest.raises(genzoo.DataError, match="these data are a table"):
        model.log_prob_bound(pa.table({"a": [1.0]}))


@pytest.mark.parametrize(
    "column", [pandas.Series([1.0]), polars.Series([1.0]), pa.array([1.0]), pa.chunked_array([[1.0]])]
)
def test_a_single_column_is_no_table(gaussian, column, tmp_path):
    for ask in (gaussian.log_prob, lambda x: genzoo.train("gaussian", x, out=tmp_path / "run")):
        with pytest.raises(genzoo.DataError, match="is one column, and a table is needed"):
            ask(column)


def test_a_query_of_polars_has_no_rows_yet(gaussian, numeric):
    with pytest.raises(genzoo.DataError, match=r"frame\.collect\(\)"):
        gaussian.log_prob(polars.LazyFrame(numeric))


def test_columns_that_the_model_does_not_use_may_hold_anything(gaussian, numeric):
    given = pandas.DataFrame(numeric).assign(thing=[object()] * 400, mixed=[1, "a"] * 200)
    assert np.array_equal(gaussian.log_prob(given), gaussian.log_prob(pandas.DataFrame(numeric)))


def test_a_column_of_several_types_raises_with_its_name(classes, columns):
    with pytest.raises(genzoo.DataError, match="column 'group' mixes values of several types"):
        classes.log_prob(pandas.DataFrame(columns).assign(group=[1, "left"] * 200))


@pytest.mark.parametrize(
    "spell", [lambda x: x.astype("string"), lambda x: x.astype(object), lambda x: x.astype("category")]
)
def test_texts_of_pandas_may_have_any_type(classes, columns, spell):
    given = pandas.DataFrame(columns)
    spelt = given.assign(group=spell(given["group"]))
    assert np.array_equal(classes.log_prob(spelt), classes.log_prob(given))


@pytest.mark.parametrize("kind", [polars.Categorical, polars.Enum(["right", "other", "left"])])
def test_texts_of_polars_may_be_categories(classes, columns, kind):
    given = polars.DataFrame(columns)
    assert np.array_equal(classes.log_prob(given.cast({"group": kind})), classes.log_prob(given))


def test_an_index_of_pandas_is_no_column(numeric, tmp_path):
    given = pandas.DataFrame(numeric, index=pandas.Index(range(400), name="id"))
    assert [f.name for f in genzoo.train("gaussian", given, out=tmp_path / "run").data.features] == ["age", "income"]


def test_whole_numbers_may_name_columns(numeric, tmp_path):
    given = pandas.DataFrame(np.column_stack([numeric["age"], numeric["income"]]))
    model = genzoo.train("gaussian", given, out=tmp_path / "run").load()
    assert np.array_equal(model.log_prob(given[[1, 0]]), model.log_prob(given.to_numpy()))
    assert list(model.sample(2).columns) == [0, 1]
    assert list(model.impute(given[[1, 0]].mask(given[[1, 0]] > 60)).columns) == [1, 0]


@pytest.mark.parametrize("names", [[("a", 1), ("b", 2)], ["a", 1]])
def test_other_names_of_columns_raise(names, tmp_path):
    given = pandas.DataFrame(np.random.default_rng(0).normal(size=(40, 2)))
    given.columns = pandas.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else names
    with pytest.raises(genzoo.DataError, match="Names of columns must be texts"):
        genzoo.train("gaussian", given, out=tmp_path / "run")


def test_a_stream_of_batches_can_be_read_once(gaussian, numeric):
    table = pa.table(numeric)
    expected = gaussian.log_prob(table)
    assert gaussian.log_prob(table.to_reader(100)) == expected
    assert gaussian.log_prob(table.to_batches()[0]) == expected
    assert gaussian.impute(table.to_reader(100)) == table


def test_settings_choose_columns_of_a_frame(columns, tmp_path):
    given = pandas.DataFrame(columns).assign(day=pandas.Timedelta("1s"), count=[1, 2, 3, 4] * 100)
    settings = {"source": given, "drop": ["day"], "kinds": {"count": "count"}, "label": "group"}
    found = genzoo.train("naive-bayes", settings, n_components=2, out=tmp_path / "run").data
    assert [(f.name, f.kind) for f in found.features] == [
        ("age", "continuous"),
        ("income", "continuous"),
        ("count", "count"),
    ]


def test_a_sparse_column_is_a_column(gaussian, numeric):
    given = pandas.DataFrame(numeric)
    sparse = given.assign(age=given["age"].astype(pandas.SparseDtype("float64", 0.0)))
    assert np.array_equal(gaussian.log_prob(sparse), gaussian.log_prob(given))


def test_frames_train_whatever_their_library(numeric, tmp_path):
    digests = {
        kind: genzoo.train("gaussian", frame(kind, numeric), out=tmp_path / kind).record["weights"] for kind in KINDS
    }
    assert len(set(digests.values())) == 1


def test_imputing_adds_a_category_that_is_new_to_the_column(classes):
    given = pandas.DataFrame({"age": [61.0, 61.0], "group": pandas.Categorical(["right", None]), "income": [900.0] * 2})
    filled = classes.impute(given)
    assert filled["group"].tolist() == ["right", "left"]
    assert list(filled["group"].cat.categories) == ["right", "left"]


def test_imputing_fills_whole_numbers_with_whole_numbers(tmp_path):
    rng = np.random.default_rng(0)
    data = pandas.DataFrame({"a": rng.integers(20, 90, 200), "b": rng.normal(0, 1, 200)})
    model = genzoo.train("gaussian", data, out=tmp_path / "run").load()
    given = pandas.DataFrame({"a": pandas.array([30, None], dtype="Int64"), "b": [0.1, 0.2]})
    filled = model.impute(given)
    assert filled["a"].dtype == "Int64"
    assert filled["a"][0] == 30
    assert 40 < filled["a"][1] < 70
