"""Tables: read, matched and written, beside pyarrow and values worked out by hand."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import feather, parquet
from refusals import assert_refused

import genzoo
from genzoo import ConfigError, DataError, Dataset, DataSpec, Feature
from genzoo.config.data import DataSettings
from genzoo.data.align import match_dataset
from genzoo.data.column import Column
from genzoo.data.inspect import ColumnFacts, inspect
from genzoo.data.loading import open_dataset, open_matching
from genzoo.data.opening.given import matching_data
from genzoo.data.row_groups import RowGroupEvents
from genzoo.data.table import fill_column, table_of
from genzoo.plugins.manager import get_registry
from genzoo.storage.tables import write_table

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check

NAN = np.nan


def read(source, **settings):
    return open_dataset(DataSettings(source=str(source), **settings), get_registry())


def matching(source, spec, **settings):
    return open_matching(DataSettings(source=str(source), **settings), spec, get_registry())


MIXED = """age,city,member,score,visits
31,Bonn,true,1.5,3
NA,Aachen,false,,0
45,,true,-2e3,12
27,Bonn,NaN,null,1
"""


def test_columns_have_the_types_and_kinds_of_what_they_hold(table):
    found = table(MIXED)
    assert [(f.name, f.kind, f.levels, f.type) for f in found.spec.features] == [
        ("age", "continuous", None, "int64"),
        ("city", "categorical", ("Aachen", "Bonn"), "string"),
        ("member", "binary", ("false", "true"), "bool"),
        ("score", "continuous", None, "float64"),
        ("visits", "continuous", None, "int64"),
    ]
    expected = [[31, 1, 1, 1.5, 3], [NAN, 0, 0, NAN, 0], [45, NAN, 1, -2000, 12], [27, 1, NAN, NAN, 1]]
    assert np.array_equal(found.events, expected, equal_nan=True)
    assert (found.spec.missing, found.spec.storage, found.name) == (True, "float64", "a")


@pytest.mark.parametrize("token", ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"])
def test_every_token_of_a_missing_value_is_one_in_numbers_and_in_text(table, token):
    found = table(f"a,b\n1,x\n{token},{token}\n3,y\n")
    assert np.array_equal(found.events, [[1, 0], [NAN, NAN], [3, 1]], equal_nan=True)


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("a,b\n1,2\n", ["a", "b"], 1),
        ("1,2\n3,4\n", ["x0", "x1"], 2),
        ("x,1\ny,2\nx,3\n", ["x0", "x1"], 3),
        ("colour,shape\nred,round\nblue,flat\n", ["colour", "shape"], 2),
        ("red,red\nred,blue\n", ["x0", "x1"], 2),
        (",a\n1,2.5\n2,3.5\n", ["x0", "a"], 2),
        ("NA,b\n1,c\n", ["x0", "x1"], 2),
        ("\ufeffa,b\n1,2\n", ["a", "b"], 1),
        ("\na , b\n\n1,2\n", ["a", "b"], 1),
        ('"a,b","c"\n1,2\n', ["a,b", "c"], 1),
        ("a;b\n1;2\n", ["a", "b"], 1),
        ("a\n1\n2\n", ["a"], 2),
    ],
)
def test_a_header_is_told_from_values(table, text, names, rows):
    found = table(text)
    assert ([f.name for f in found.spec.features], len(found)) == (names, rows)


def test_a_header_can_be_insisted_on(table):
    assert len(table("1,2\n3,4\n", header=True)) == 1
    assert [f.name for f in table("1,2\n3,4\n", header=True).spec.features] == ["1", "2"]
    assert len(table("a,b\nc,d\n", header=False)) == 2


def test_tabs_separate_a_tsv_file(table):
    found = table("a\tb\n1,5\tx\n2,5\ty\n", "a.tsv")
    assert [f.levels for f in found.spec.features] == [None, ("x", "y")]
    assert found.events[:, 0].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3,x\n5,6\n7,8\n", r"column 'b' .*'x' in line 3.*--kind b=categorical"),
        ("a,b\n\n1,2\n\n3,x\n5,6\n7,8\n", r"'x' in line 5"),
        ('a,b\n1,"2\n"\n3,x\n5,6\n', r"'x' in line 4"),
        ("a,b\n1,inf\n2,3\n", r"column 'b' holds inf in line 2"),
        ("a,b\n1,2\n-Infinity,3\n", r"column 'a' holds -inf in line 3"),
        ("a,b\n1,9007199254740993\n", r"column 'b' holds 9007199254740993 in line 2.*--drop b"),
        ("a,b\n1,12345678901234567890\n", r"column 'b' holds 12345678901234567890 in line 2"),
        ("a,b\n1,2\n3\n", r"line 3 has 1 field, .* 2"),
        ("a,b\n1,2\n3,4,5\n", r"line 3 has 3 fields.* 2"),
        ("a,b\n1,\n2,NA\n", r"column 'b' has no value at all.*--drop b"),
        ("a,b\n", r"no rows"),
        ("", r"no rows"),
        (
            "day,a\n1-1-2020,1\n1-2-2020,2\n?,3\n",
            r"'day' holds dates, such as .1-1-2020., and .\?. in line 4.*--missing",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_place(table, text, words):
    with pytest.raises(DataError, match=rf"a\.csv.*{words}"):
        table(text)


def test_the_case_of_a_suffix_does_not_matter(table, tmp_path):
    assert table("a\tb\n1\t2\n", "A.TSV").spec.event_shape == (2,)
    parquet.write_table(pa.table({"a": [1.5]}), tmp_path / "A.PARQUET")
    assert len(read(tmp_path / "A.PARQUET")) == 1


def test_utf8_with_damaged_bytes_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes("a,b\n1,café\n".encode() + "1,café\n".encode() * 200_000 + b"1,\xff\n")
    with pytest.raises(DataError, match="not UTF-8 text throughout"):
        read(tmp_path / "a.csv")


def test_mostly_text_is_categorical_and_any_spelling_of_numbers_counts(table):
    assert table("a,b\n1,x\n2,7\n3,y\n").spec.features[1].levels == ("7", "x", "y")
    assert table("a,b\n1, +2.50 \n2,7\n").events[:, 1].tolist() == [2.5, 7]
    assert table("a,b\n1,1e400\n2,7\n", drop="b").spec.event_shape == (1,)


def test_columns_are_chosen_in_the_order_asked_for(table):
    found = table(MIXED, columns="visits,age")
    assert [f.name for f in found.spec.features] == ["visits", "age"]
    assert found.events[0].tolist() == [3, 31]
    assert [f.name for f in table(MIXED, drop=("city", "score")).spec.features] == ["age", "member", "visits"]
    assert [f.name for f in table('"a,b",c\n1,2\n', columns='"a,b"').spec.features] == ["a,b"]


def test_labels_and_weights_are_kept_out_of_training(table):
    found = table("x,species,w\n1,cat,2\n2,dog,1\n3,,0.5\n", label="species", weight="w")
    assert [f.name for f in found.spec.features] == ["x"]
    assert found.labels.tolist() == ["cat", "dog", ""]
    assert found.weights.tolist() == [2, 1, 0.5]
    assert table("x,class\n1,2\n2,10\n", label="class").labels.tolist() == [2, 10]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"columns": "age,vists"}, "no column 'vists'. Did you mean 'visits'"),
        ({"drop": "ctiy"}, "Did you mean 'city'"),
        ({"label": "town"}, "no column 'town'"),
        ({"weight": "w"}, "no column 'w'"),
        ({"kinds": {"vists": "count"}}, "Did you mean 'visits'"),
        ({"kinds": {"age": "count"}, "drop": "age"}, "no column 'age'"),
        ({"columns": "age,age"}, "twice"),
        ({"columns": "age", "label": "age"}, "no column is left"),
        ({"size": 8}, "--size is for folders"),
    ],
)
def test_a_setting_that_names_no_column_is_met_with_help(table, settings, words):
    with pytest.raises(ConfigError, match=words):
        table(MIXED, **settings)


@pytest.mark.parametrize(
    ("values", "words"),
    [("1,-1", r"holds -1 in line 3"), ("1,2.5", r"2\.5 in line 3"), ("1,x,3", r"'x' in line 3")],
)
def test_a_count_is_a_whole_number_from_zero(table, values, words):
    with pytest.raises(DataError, match=words):
        table("a\n" + values.replace(",", "\n") + "\n", kinds={"a": "count"})


def test_kinds_are_as_they_are_told(table):
    kinds = {"age": "categorical", "visits": "count", "member": "categorical"}
    found = table(MIXED, kinds=kinds)
    assert [(f.kind, f.levels) for f in found.spec.features][:3:2] == [
        ("categorical", ("27", "31", "45")),
        ("categorical", ("false", "true")),
    ]
    assert found.spec.features[0].type == "int64"
    assert np.array_equal(found.events[:, 0], [1, NAN, 2, 0], equal_nan=True)
    assert table("a\n10\n9\n10\n", kinds={"a": "binary"}).spec.features[0].levels == ("9", "10"), "in order of number"
    codes = table("zip\n01067\n1067\n", kinds={"zip": "categorical"})
    assert codes.spec.features[0].levels == ("01067", "1067"), "as they are written"
    assert table("day\n2020-01-02\n2020-01-01\n", kinds={"day": "categorical"}).spec.features[0].type == "string"
    with pytest.raises(
        DataError, match=r"holds 3 values \(27, 31, 45\), and a binary column has 2.*--kind age=categorical"
    ):
        table(MIXED, kinds={"age": "binary"})
    with pytest.raises(ConfigError, match=r"kinds\.age"):
        genzoo.train("gaussian", data={"source": "a.csv", "kinds": {"age": "number"}})


@pytest.mark.parametrize(
    ("text", "words"),
    [("x,w\n1,1\n2,-1\n", "-1 in line 3"), ("x,w\n1,1\n2,\n", "no weight in line 3"), ("x,w\n1,0\n2,0\n", "is zero")],
)
def test_bad_weights_are_refused(table, text, words):
    with pytest.raises(DataError, match=words):
        table(text, weight="w")


def test_rows_with_missing_values_can_be_left_out(table):
    found = table("x,y,l,w\n1,,a,1\n2,5,b,2\n3,6,c,3\n,7,d,4\n", drop_missing=True, label="l", weight="w")
    assert found.events.tolist() == [[2, 5], [3, 6]]
    assert (found.labels.tolist(), found.weights.tolist(), found.dropped) == (["b", "c"], [2, 3], 2)
    assert not found.spec.missing
    with pytest.raises(DataError, match="leaves none"):
        table("x,y\n1,\n,7\n", drop_missing=True)


ARROW = pa.table(
    {
        "flag": pa.array([True, None, False]),
        "small": pa.array([1, 2, None], pa.int8()),
        "single": pa.array([0.5, None, NAN], pa.float32()),
        "grade": pa.array(["low", "high", None]).dictionary_encode(),
        "name": pa.array(["b", "a", "b"], pa.large_string()),
        "half": pa.array(np.float16([1, 2, 3])),
        "price": pa.array([1, 2, 3], pa.decimal128(5, 2)),
    }
)


def write_any(path, table):
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".feather":
        feather.write_feather(table, str(path))
    elif path.suffix == ".ipc":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather", ".ipc"])
def test_typed_files_keep_their_types_and_the_order_of_their_categories(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_any(path, ARROW)
    found = read(path)
    assert [(f.kind, f.levels, f.type) for f in found.spec.features] == [
        ("binary", ("false", "true"), "bool"),
        ("continuous", None, "int8"),
        ("continuous", None, "float32"),
        ("categorical", ("low", "high"), "dictionary"),
        ("categorical", ("a", "b"), "string"),
        ("continuous", None, "float32"),
        ("continuous", None, "float64"),
    ]
    expected = [[1, 1, 0.5, 0, 1, 1, 1], [NAN, 2, NAN, 1, 0, 2, 2], [0, NAN, NAN, NAN, 1, 3, 3]]
    assert np.array_equal(found.events, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([[1], [2]]), "column 'a' holds values of type list"),
        (pa.array([b"x", b"y"]), "column 'a' holds values of type binary"),
        (pa.array([1.0, np.inf]), "column 'a' holds inf in row 1"),
        (pa.array([None, 2**60]), "in row 1.*2\\^53"),
        (pa.array([None, None], pa.float64()), "no value at all"),
        (pa.nulls(2), "no value at all"),
    ],
)
def test_typed_columns_that_no_model_takes_are_refused(tmp_path, column, words):
    parquet.write_table(pa.table({"a": column, "b": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=words):
        read(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", drop="a").spec.event_shape == (1,)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
def test_a_damaged_typed_file_is_refused(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"PAR1 no table")
    with pytest.raises(DataError, match="cannot be read as a table"):
        read(tmp_path / f"a{suffix}")


def test_narrow_columns_alone_stay_narrow(tmp_path):
    parquet.write_table(pa.table({"a": pa.array([1, 2], pa.float32())}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").events.dtype == np.float32


def test_numbers_that_were_made_categories_stay_categories(tmp_path):
    values = pa.chunked_array([pa.array(part, pa.int64()).dictionary_encode() for part in ([3, 1, None], [7, 3, 3])])
    write_any(tmp_path / "a.ipc", pa.table({"a": values}))
    found = read(tmp_path / "a.ipc")
    assert (found.spec.features[0].levels, found.spec.features[0].stored) == (("3", "1", "7"), "int64")
    assert np.array_equal(found.events[:, 0], [0, 1, NAN, 2, 0, 0], equal_nan=True)
    assert table_of(found.events, found.spec).column("a").to_pylist() == [3, 1, None, 7, 3, 3]


def test_pandas_index_is_no_column(tmp_path):
    parquet.write_table(pa.table({"a": [1.5, 2], "__index_level_0__": [7, 8]}), tmp_path / "a.parquet")
    assert [f.name for f in read(tmp_path / "a.parquet").spec.features] == ["a"]


def test_settings_of_tables_suit_arrays_and_built_in_names(tmp_path):
    assert read("iris", columns="petal width (cm)").events[:3, 0].tolist() == [0.2, 0.2, 0.2]
    found = read("iris", drop="petal length (cm)", label="sepal length (cm)")
    assert found.spec.event_shape == (2,)
    assert found.labels[0] == "5.1"
    rows = np.array([[1.0, 2, 0, NAN], [3, 4, 1, 1], [5, 6, 1, 2]])
    np.save(tmp_path / "a.npy", rows)
    last = read(tmp_path / "a.npy", weight="x2", drop="x3")
    assert isinstance(last.events, np.memmap)
    assert (last.events.tolist(), last.weights.tolist()) == ([[1, 2], [3, 4], [5, 6]], [0, 1, 1])
    assert not last.spec.missing
    mixed = read(tmp_path / "a.npy", columns="x2,x0", kinds={"x2": "binary"})
    assert mixed.spec.features[0].levels == ("0", "1")
    assert mixed.events.tolist() == [[0, 1], [1, 3], [1, 5]]
    assert read(tmp_path / "a.npy", drop_missing=True).dropped == 1
    assert read("iris", columns="sepal width (cm),sepal length (cm)").labels.shape == (150,)
    for settings in ({"columns": "a"}, {"kinds": {"a": "count"}}, {"drop_missing": True}):
        with pytest.raises(ConfigError, match="is for tables"):
            read("digits", **settings)
    with pytest.raises(ConfigError, match=r"--header is for \.csv"):
        read("iris", header=True)
    with pytest.raises(ConfigError, match="--kind is for tables"):
        read("digits", kinds={"a": "count"})


def test_rows_of_a_test_set_stay_one_when_some_are_left_out():
    from genzoo.data.table import select

    rows = np.array([[1.0], [NAN], [2.0], [3.0], [NAN], [4.0]])
    data = Dataset("x", DataSpec((1,), "table", (Feature("a"),), missing=True), rows, test_rows=3)
    found = select(data, DataSettings(source="x", drop_missing=True))
    assert (found.events[:, 0].tolist(), found.test_rows) == ([1, 2, 3, 4], 2)


def trained_on(table):
    return table(MIXED, kinds={"visits": "count"}).spec


def test_columns_are_matched_by_name_in_any_order(table, tmp_path):
    spec = trained_on(table)
    (tmp_path / "b.csv").write_text(
        "id,visits,score,member,city,age\n7,4,1,TRUE,Bonn,1\n8,,2,,,2.5\n", encoding="utf-8"
    )
    found = matching(tmp_path / "b.csv", spec)
    assert np.array_equal(found.events, [[1, 1, 1, 1, 4], [2.5, NAN, NAN, 2, NAN]], equal_nan=True)
    assert found.ignored == ("id",)
    assert found.spec.features == spec.features
    table_two = pa.table({"visits": [4.0], "score": [1], "member": ["true"], "city": ["Bonn"], "age": [1]})
    parquet.write_table(table_two, tmp_path / "c.parquet")
    assert matching(tmp_path / "c.parquet", spec).events.tolist() == [[1, 1, 1, 1, 4]]
    assert matching(tmp_path / "b.csv", spec, label="id").ignored == ()
    assert not matching(tmp_path / "c.parquet", spec).spec.missing


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("age,city,member,score\n1,Bonn,true,1\n", "no column 'visits'"),
        ("age,cty,member,score,visits\n1,Bonn,true,1,1\n", "no column 'city'.*Did you mean 'cty'"),
        (
            "age,city,member,score,visits\n1,Bonn,true,1,1\n1,Ulm,true,1,1\n",
            "'city' holds 'Ulm' in line 3.*Aachen, Bonn",
        ),
        ("age,city,member,score,visits\n1,Bonn,maybe,1,1\n", "'member' holds 'maybe' in line 2"),
        ("age,city,member,score,visits\nold,Bonn,true,1,1\n", "'age' .*'old' in line 2"),
        ("age,city,member,score,visits\n1,Bonn,true,1,0.5\n", r"'visits' holds 0\.5 in line 2"),
        ("age,city,member,score,visits\n", "no rows"),
    ],
)
def test_what_training_could_not_have_seen_is_refused_with_its_place(table, tmp_path, text, words):
    spec = trained_on(table)
    (tmp_path / "b.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        matching(tmp_path / "b.csv", spec)


def test_a_whole_column_may_be_missing_when_a_model_is_asked(table, tmp_path):
    spec = trained_on(table)
    (tmp_path / "b.csv").write_text("age,city,member,score,visits\n1,,,,1\n2,,,,\n", encoding="utf-8")
    assert np.isnan(matching(tmp_path / "b.csv", spec).events[:, 1:4]).all()


def test_columns_without_names_are_taken_by_position(tmp_path, table):
    spec = table("3,x\n4,y\n").spec
    (tmp_path / "b.csv").write_text("7,y\n", encoding="utf-8")
    assert matching(tmp_path / "b.csv", spec).events.tolist() == [[7, 1]]
    (tmp_path / "c.csv").write_text("1,7,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="3 columns and the model was trained on 2"):
        matching(tmp_path / "c.csv", spec)
    assert matching(tmp_path / "c.csv", spec, columns="x1,x2").events.tolist() == [[7, 1]]
    iris = read("iris").spec
    np.save(tmp_path / "a.npy", read("iris").events[:2].astype(np.float32))
    found = matching(tmp_path / "a.npy", iris)
    assert isinstance(found.events, np.memmap)
    assert found.spec.features == iris.features
    with pytest.raises(ConfigError, match="--kind is for training"):
        matching_data({"source": tmp_path / "b.csv", "kinds": {"x0": "count"}}, spec, get_registry())


def test_a_dataset_in_memory_is_matched_like_a_file():
    spec = DataSpec((2,), "table", (Feature("a"), Feature("b", "categorical", ("x", "y"))), storage="float64")
    other = DataSpec((3,), "table", (Feature("b", "categorical", ("y", "z", "x")), Feature("c"), Feature("a")))
    found = match_dataset(Dataset("d", other, np.array([[2.0, 9, 1], [0, 9, NAN]]), np.array([5, 6])), spec)
    assert np.array_equal(found.events, [[1, 0], [NAN, 1]], equal_nan=True)
    assert (found.ignored, found.labels.tolist(), found.spec.missing) == (("c",), [5, 6], True)
    with pytest.raises(DataError, match="'z' in row 0"):
        match_dataset(Dataset("d", other, np.array([[1.0, 9, 1]])), spec)
    assert match_dataset(read("iris"), read("iris").spec).events is not None
    with pytest.raises(DataError, match="trained on image"):
        match_dataset(read("iris"), read("digits").spec)
    assert match_dataset(read("digits"), read("digits").spec).spec == read("digits").spec


def test_a_table_becomes_events_and_the_same_table_again(tmp_path):
    for suffix in (".parquet", ".arrow"):
        write_any(tmp_path / f"a{suffix}", ARROW.drop_columns(["half", "price"]))
        found = read(tmp_path / f"a{suffix}")
        back = table_of(found.events, found.spec)
        assert back.column("name").to_pylist() == ["b", "a", "b"]
        for name in back.column_names:
            expected = ARROW.column(name).to_pylist()
            assert back.column(name).to_pylist() == [None if value != value else value for value in expected]
        assert back.schema.field("small").type == pa.int8()
        assert back.schema.field("grade").type.value_type == pa.string()
        assert back.schema.field("single").type == pa.float32()
        assert back.schema.field("flag").type == pa.bool_()
        write_table(tmp_path / f"b{suffix}", back)
        again = read(tmp_path / f"b{suffix}")
        assert again.spec == found.spec
        assert np.array_equal(again.events, found.events, equal_nan=True)


def test_whole_numbers_are_rounded_into_the_range_of_their_type():
    kinds = ("uint8", "int64", "bool", "float32")
    spec = DataSpec((4,), "table", tuple(Feature(kind, type=kind) for kind in kinds), storage="float64")
    found = table_of(np.array([[-3.2, 1e30, 0.7, 0.1], [255.6, 2.5, 0.2, NAN]]), spec)
    assert found.column("uint8").to_pylist() == [0, 255]
    assert found.column("int64").to_pylist() == [2**53, 2]
    assert found.column("bool").to_pylist() == [True, False]
    assert found.column("float32").to_pylist() == [np.float32(0.1), None]


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_text_is_quoted_where_it_must_be_and_reads_back(tmp_path, suffix, delimiter):
    plain = pa.table({"a,b": [1.5, None], "c": ["x", None], "d": [True, False]})
    write_table(tmp_path / f"a{suffix}", plain)
    head = '"a,b"' if delimiter == "," else "a,b"
    lines = [delimiter.join(row) for row in ([head, "c", "d"], ["1.5", "x", "true"], ["", "", "false"])]
    assert (tmp_path / f"a{suffix}").read_text(encoding="utf-8").splitlines() == lines
    awkward = pa.table({"a": ['say "hi"', "one\ntwo", f"1{delimiter}2"], "b": [0.1, 1e300, 1 / 3]})
    write_table(tmp_path / f"b{suffix}", awkward)
    with (tmp_path / f"b{suffix}").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter=delimiter))
    assert [row[0] for row in rows[1:]] == awkward.column("a").to_pylist()
    assert [float(row[1]) for row in rows[1:]] == awkward.column("b").to_pylist()
    with pytest.raises(ConfigError, match=r"a\.xls.*\.parquet"):
        write_table(tmp_path / "a.xls", plain)


def penguins(path, rows=400):
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "flipper": rng.normal(200, 14, rows).round().astype(np.int16),
            "bill": rng.normal(44, 5, rows).astype(np.float32),
            "mass": pa.array(rng.normal(4200, 800, rows)),
        }
    )
    if path.suffix == ".csv":
        arrow_csv.write_csv(table, path)
    else:
        parquet.write_table(table, path)
    return table


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_samples_come_back_as_a_table_with_the_same_columns_and_types(cli, tmp_path, suffix):
    table = penguins(tmp_path / f"a{suffix}")
    assert cli("train", "gaussian", "--data", f"a{suffix}", "--out", "run")[0] == 0
    for out in (".csv", ".tsv", ".parquet", ".arrow"):
        code, _, err = cli("sample", "run", "-n", 50, "--out", f"s{out}")
        assert code == 0, err
    back = parquet.read_table(tmp_path / "s.parquet")
    assert back.column_names == table.column_names
    if suffix == ".parquet":
        assert back.schema.types == table.schema.types
    assert read(tmp_path / "s.csv").spec.features[0].type == "int64"
    assert np.allclose(read(tmp_path / "s.csv").events, read(tmp_path / "s.arrow").events, rtol=1e-6)
    assert abs(read(tmp_path / "s.csv").events.mean(0) - [200, 44, 4200]).max() < 500


def test_weights_of_whole_numbers_are_as_good_as_repeated_rows(cli, tmp_path):
    rng = np.random.default_rng(0)
    rows, weights = rng.normal([3, -2], [1, 5], (80, 2)), rng.integers(1, 4, 80)
    np.savetxt("w.csv", np.c_[rows, weights], delimiter=",", header="a,b,w", comments="")
    np.savetxt("r.csv", np.repeat(rows, weights, axis=0), delimiter=",", header="a,b", comments="")
    whole = ("-o", "split.validation=0", "-o", "split.test=0", "--precision", "fp64")
    assert cli("train", "gaussian", "--data", "w.csv", "--weight", "w", *whole, "--out", "one")[0] == 0
    assert cli("train", "gaussian", "--data", "r.csv", *whole, "--out", "two")[0] == 0
    one, two = (genzoo.load(name).log_prob(rows) for name in ("one", "two"))
    assert np.allclose(one, two, rtol=1e-8)


@pytest.mark.once
def test_table_options_stand_wherever_data_stand(cli, tmp_path):
    (tmp_path / "a.csv").write_text("a,b,c\n" + "".join(f"{i},{i % 7},x{i % 2}\n" for i in range(60)), encoding="utf-8")
    words = ("train", "gaussian", "--data", "a.csv")
    code, out, err = cli(*words, "--drop", "c", "--label", "b", "--dry-run", "--json")
    assert code == 0, err
    assert '"table 1, float64"' in out
    assert_refused(cli(*words, "--drop", "d"), 2, "no column 'd'", "a, b, c")
    assert_refused(cli(*words, "--kind", "b"), 2, "COL=KIND")
    assert_refused(cli(*words, "--kind", "b=integer"), 2, "--kind b=integer: the kind must be continuous,")
    assert_refused(
        cli("train", "toy", "--data", "a.csv", "--columns", "a", "--weight", "b"), 2, "does not support weighted rows"
    )
    (tmp_path / "b.csv").write_text("a,b\n1,2\n3,four\n5,6\n7,8\n", encoding="utf-8")
    assert_refused(cli("train", "gaussian", "--data", "b.csv"), 4, "b.csv", "'b'", "'four'", "line 3", "b=categorical")
    (tmp_path / "c.csv").write_text("a,b\n1,2\n3,\n5,6\n7,8\n9,9\n", encoding="utf-8")
    assert_refused(cli("train", "toy", "--data", "c.csv"), 4, "missing values", "--drop-missing")
    code, out, _ = cli("train", "toy", "--data", "c.csv", "--drop-missing", "--batch-size", 1, "--dry-run", "--json")
    assert code == 0
    assert '"dropped": 1' in out


def test_a_table_in_memory_is_trained_on(tmp_path):
    run = genzoo.train("gaussian", data=penguins(tmp_path / "a.parquet"), out=tmp_path / "run")
    assert [feature.type for feature in run.data.features] == ["int16", "float32", "float64"]


def test_inspection_says_what_each_column_holds(table):
    found = inspect(table(MIXED, kinds={"visits": "count"}))
    facts = {column.name: column for column in found.columns}
    assert facts["age"] == ColumnFacts("age", "int64", "continuous", None, 27, 45, pytest.approx(103 / 3), 1)
    assert (facts["city"].levels, facts["city"].missing, facts["city"].values) == (
        ("Aachen", "Bonn"),
        1,
        "2: Aachen, Bonn",
    )
    assert facts["visits"].kind == "count"
    assert found.as_dict()["columns"][3]["low"] == -2000


def test_inspection_names_the_option_that_sets_a_column_right(table):
    rng = np.random.default_rng(0)
    rows = [[i, rng.integers(1, 6), rng.integers(0, 2), 7, f"name {i}", rng.normal(), "xy"[i % 2]] for i in range(200)]
    text = ",grade,sex,same,id,size of it,class,again\n" + "".join(
        ",".join(map(str, [*row, row[5]])) + "\n" for row in rows
    )
    remarks = inspect(table(text + ",,,,,,,\n")).remarks
    assert remarks == [
        "rows without any value: 1",
        "column 'x0' counts the rows; leave it out with --drop x0 or --label x0",
        "column 'grade' holds only 5 whole numbers; if they are categories, --kind grade=categorical",
        "column 'sex' holds only 2 whole numbers; if they are categories, --kind sex=binary",
        "column 'same' never changes; leave it out with --drop same",
        "column 'id' has 200 different texts in 200 rows; leave it out with --drop id or --label id",
        "column 'again' repeats column 'size of it'; leave it out with --drop again",
    ]


def test_a_table_is_shown_column_by_column(cli, tmp_path):
    (tmp_path / "a.csv").write_text(MIXED, encoding="utf-8")
    code, out, err = cli("data", "a.csv", "--kind", "visits=count", "--drop", "score")
    assert code == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "column type kind values missing" in lines
    assert "city string categorical 2: Aachen, Bonn 1" in lines
    assert "age int64 continuous 27 to 45, mean 34.33 1" in lines
    assert '"missing": 1' in cli("data", "a.csv", "--json")[1]


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A Parquet file of five row groups that counts as large, and its numbers."""
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 3)).astype(np.float32)
    rows[::17, 1] = NAN
    columns = {name: pa.array(rows[:, i], mask=np.isnan(rows[:, i])) for i, name in enumerate("abc")}
    columns |= {"label": pa.array([f"l{i % 3}" for i in range(1000)]), "w": pa.array(np.arange(1000) % 4)}
    parquet.write_table(pa.table(columns), tmp_path / "big.parquet", row_group_size=220)
    return tmp_path / "big.parquet", rows


def test_a_large_parquet_file_is_read_as_it_is_indexed(large):
    path, rows = large
    found = read(path, label="label", weight="w")
    events = found.events
    assert isinstance(events, RowGroupEvents)
    assert (events.shape, events.dtype, found.spec.missing) == ((1000, 3), np.float32, True)
    assert found.labels[4] == "l1"
    assert found.weights.tolist() == (np.arange(1000) % 4).tolist()
    mask = np.arange(1000) % 3 == 0
    for index in (slice(None), slice(30, 200), slice(210, 700), slice(0, 990, 7), slice(5, 5), slice(880, None)):
        assert np.array_equal(events[index], rows[index], equal_nan=True)
    for index in (np.array([0, 219, 220, 999]), np.array([800, 3, 450]), mask, 7, -1, np.array([], np.int64)):
        assert np.array_equal(events[index], rows[index], equal_nan=True)
    assert np.array_equal(np.asarray(events), rows, equal_nan=True)
    in_memory = read(path, label="label", weight="w", columns="a,b,c", kinds={"a": "continuous"})
    assert isinstance(in_memory.events, np.ndarray)
    assert found.has_digest(in_memory.digest())
    assert inspect(found).columns[1].missing == 59
    assert isinstance(read(path, drop="label,w", drop_missing=True).events, np.ndarray)


def test_training_from_a_large_file_equals_training_from_memory(large, tmp_path, monkeypatch):
    path, rows = large
    settings = {"source": str(path), "columns": "a,c"}
    one = genzoo.train("gaussian", data=settings, out=tmp_path / "one", precision="fp64")
    monkeypatch.undo()
    two = genzoo.train("gaussian", data=settings, out=tmp_path / "two", precision="fp64")
    asked = matching(path, one.data)
    assert np.allclose(one.log_prob(asked.events), two.log_prob(rows[:, [0, 2]]), rtol=1e-12)


def test_a_large_file_is_matched_by_name_without_being_held(large):
    path, rows = large
    spec = DataSpec((2,), "table", (Feature("c"), Feature("a")))
    found = matching(path, spec)
    assert isinstance(found.events, RowGroupEvents)
    assert (found.spec.features, found.ignored) == (spec.features, ("b", "label", "w"))
    assert np.array_equal(found.events[100:300], rows[100:300][:, [2, 0]])


def test_a_bad_value_deep_in_a_large_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    rows = np.zeros(500)
    rows[321] = np.inf
    parquet.write_table(pa.table({"a": rows}), tmp_path / "a.parquet", row_group_size=100)
    with pytest.raises(DataError, match="column 'a' holds inf in row 321"):
        read(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"a": pa.nulls(500, pa.float64()), "b": np.zeros(500)}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="'a' has no value at all"):
        read(tmp_path / "b.parquet")


def test_unsigned_numbers_beyond_what_floats_hold_are_refused(cli):
    parquet.write_table(pa.table({"a": pa.array([2**63 + 1, 2], pa.uint64()), "b": [1.0, 2.0]}), "big.parquet")
    assert_refused(cli("train", "gmm", "--data", "big.parquet"), 4, "'a'", str(2**63 + 1))


@pytest.mark.parametrize(
    ("unit", "words"),
    [(1e30, ("'a'", "larger unit")), (1e200, ("'a'", "overflow")), (1e-20, ("'a'", "smaller unit"))],
)
def test_numbers_whose_squares_no_float_holds_are_refused_by_column(cli, unit, words):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 2)) * (unit, 1)
    Path("wide.csv").write_text("a,b\n" + "\n".join(f"{a!r},{b!r}" for a, b in rows.tolist()), encoding="utf-8")
    assert_refused(cli("train", "gmm", "--data", "wide.csv"), 4, *words)


def test_a_comparison_without_test_rows_still_has_criteria(cli):
    code, out, _ = cli("compare", "gaussian", "--data", "iris", "-o", "split.test=0")
    assert code == 0
    assert "829.98" in out
    assert "there are no test rows" in out


@pytest.mark.parametrize(
    ("values", "levels", "codes", "expected"),
    [
        (pa.array(["b", None, "b"]), ("a", "b"), [1, 0, 1], ["b", "a", "b"]),
        (pa.array([True, None, False]), ("false", "true"), [1, 1, 0], [True, True, False]),
        (pa.array([3, None, 7], pa.uint8()), ("3", "7"), [0, 1, 1], [3, 7, 7]),
        (pa.array([2, None, 9], pa.uint8()), None, [2, 300.4, 9], [2, 255, 9]),
        (pa.array([None, None], pa.null()), None, [1.5, 2], [1.5, 2]),
        (pa.array(["b", None, "b"]).dictionary_encode(), ("a", "b"), [1, 0, 1], ["b", "a", "b"]),
        (
            pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), ["z", "a"], ordered=True),
            ("a", "z"),
            [0, 1, 1],
            ["a", "z", "z"],
        ),
    ],
)
def test_holes_of_a_column_are_filled_in_its_own_type(values, levels, codes, expected):
    feature = Feature("x", "continuous" if levels is None else "categorical", levels)
    column = Column("x", pa.chunked_array([values]), "table", str)
    filled = fill_column(column, np.array(codes, float), feature)
    assert filled.to_pylist() == expected
    assert filled.type == (pa.float64() if pa.types.is_null(values.type) else values.type)
