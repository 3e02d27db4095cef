"""Many files as one table: folders, patterns, Hive partitions, and what goes wrong with them."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv, dataset, feather, parquet
from refusals import assert_refused

from genzoo import DataError
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.config.settings import validate
from genzoo.data.loading import anchor, open_dataset
from genzoo.data.opening.sources import name_of
from genzoo.data.partitions.listing import is_pattern, with_braces
from genzoo.data.row_groups import RowGroupEvents
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check


def read(source, **settings):
    found = validate(DataSettings, {"source": str(source), **settings}, "Data")
    return open_dataset(found, get_registry())


def some_rows(seed, count=40):
    rng = np.random.default_rng(seed)
    words = [["oak", "elm", "ash"][i] for i in rng.integers(0, 3, count)]
    return pa.table({"x": rng.normal(size=count), "tree": words, "n": rng.integers(0, 90, count)})


@pytest.fixture
def hive(tmp_path):
    """A folder of Parquet files in Hive partitions."""
    for number, (year, kind) in enumerate([(2023, "a"), (2023, "b%20c"), (2024, "a"), (2024, "b%20c")]):
        folder = tmp_path / "hive" / f"year={year}" / f"kind={kind}"
        folder.mkdir(parents=True)
        parquet.write_table(some_rows(number), folder / "part-0.parquet")
    (tmp_path / "hive" / "_SUCCESS").write_text("")
    (tmp_path / "hive" / ".crc").mkdir()
    (tmp_path / "hive" / ".crc" / "x.parquet").write_text("no table")
    return tmp_path / "hive"


def test_a_folder_of_hive_partitions_reads_as_pyarrow_reads_it(hive):
    found = read(hive)
    expected = dataset.dataset(hive, format="parquet", partitioning="hive").to_table().to_pandas()
    assert [feature.name for feature in found.spec.features] == list(expected.columns)
    for place, (feature, column) in enumerate(zip(found.spec.features, expected.columns, strict=True)):
        values = found.events[:, place]
        own = values if feature.levels is None else np.array(feature.levels)[values.astype(int)]
        assert own.tolist() == expected[column].tolist()
    assert (found.name, found.facts["files"]) == ("hive", "4")


def test_only_partitions_below_the_fixed_part_of_a_pattern_are_columns(hive):
    found = read(f"{hive}/year=2024/*/*.parquet")
    assert [feature.name for feature in found.spec.features] == ["x", "tree", "n", "kind"]
    assert len(found) == 80
    whole = read(hive, columns="x,year")
    assert whole.events[:, 1].tolist() == [2023] * 80 + [2024] * 80


@pytest.mark.parametrize("write", [csv.write_csv, feather.write_feather, parquet.write_table])
def test_files_of_each_format_are_one_table(tmp_path, write):
    suffix = {csv.write_csv: "csv", feather.write_feather: "arrow", parquet.write_table: "parquet"}[write]
    tables = [some_rows(number) for number in range(3)]
    for number, table in enumerate(tables):
        write(table, tmp_path / f"{number}.{suffix}")
    found = read(tmp_path / f"*.{suffix}")
    expected = pa.concat_tables(tables).to_pandas()
    assert found.events[:, 0].tolist() == expected["x"].tolist()
    assert [found.spec.features[1].levels[int(code)] for code in found.events[:, 1]] == expected["tree"].tolist()
    assert read(tmp_path).digest() == found.digest()
    assert len(read(f"{tmp_path}/{{0..1}}.{suffix}")) == 80


def test_text_files_whose_columns_differ_in_type_are_read_as_texts(tmp_path):
    (tmp_path / "a.csv").write_text("code,x\n" + "".join(f"{i},{i}.5\n" for i in range(30)))
    (tmp_path / "b.csv").write_text("code,x\n" + "".join(f"c{i % 3},{i}\n" for i in range(30)))
    found = read(tmp_path)
    assert set(found.spec.features[0].levels) == {f"{i}" for i in range(30)} | {"c0", "c1", "c2"}
    assert found.events[30:, 1].tolist() == list(range(30))


def test_a_bad_value_is_named_by_its_file_and_line(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1.5\n2.5\n")
    (tmp_path / "b.csv").write_text("x\n3.5\ninf\n")
    with pytest.raises(DataError, match=r"holds inf in line 3 of .*b\.csv"):
        read(tmp_path)


def test_large_partitions_stream_their_columns_and_numbers_of_partitions(hive, monkeypatch):
    in_memory = read(hive, columns="x,n,year")
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    found = read(hive, columns="x,n,year")
    assert isinstance(found.events, RowGroupEvents)
    assert np.array_equal(found.events[:], in_memory.events)
    assert np.array_equal(found.events[[159, 0, 41]], in_memory.events[[159, 0, 41]])
    assert found.has_digest(found.digest())
    assert found.has_digest(in_memory.digest()), "the same rows, read by an earlier version or in memory"
    assert not found.has_digest(read(hive, columns="x,n").digest())
    rows = found.events.survey.rows
    assert 1 < len(rows) < len(found.events)
    assert np.array_equal(found.events[rows], in_memory.events[rows])
    assert isinstance(read(hive).events, np.ndarray)  # texts are not streamed


def test_braces_stand_for_alternatives_and_for_numbers():
    assert with_braces("a-{08..10}.{csv,tsv}")[:3] == ["a-08.csv", "a-08.tsv", "a-09.csv"]
    assert [is_pattern(text) for text in ("a.csv", "a*.csv", "a[1-2]", "a{1,2}")] == [False, True, True, True]
    with pytest.raises(DataError, match="more than 100000 files"):
        with_braces("{0..999}{0..999}")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("s3://bucket/run/part-*.parquet", "part"),
        ("s3://bucket/year=*/*.parquet", "bucket"),
        ("https://example.org/a/iris.csv?version=3", "iris"),
        ("data/**/*.csv", "data"),
    ],
)
def test_the_name_of_several_files_is_the_last_fixed_part(source, name):
    assert name_of(DataSettings(source=source)) == name


def test_a_pattern_is_stored_with_an_absolute_path(tmp_path, monkeypatch):
    csv.write_csv(some_rows(0), tmp_path / "a.csv")
    monkeypatch.chdir(tmp_path)
    assert anchor(DataSettings(source="*.csv"), get_registry()).source == str(tmp_path / "*.csv")


def test_other_columns_in_a_later_file_are_named(tmp_path):
    parquet.write_table(some_rows(0), tmp_path / "a.parquet")
    parquet.write_table(some_rows(1).rename_columns(["x", "trees", "n"]), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet has no column 'tree', which .*a\.parquet has.*'trees'"):
        read(tmp_path)


def test_other_types_in_a_later_file_are_named(tmp_path):
    parquet.write_table(some_rows(0), tmp_path / "a.parquet")
    parquet.write_table(some_rows(1).set_column(1, "tree", pa.array(range(40))), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"'tree' holds string in .*a\.parquet and int64 in .*b\.parquet"):
        read(tmp_path)


def test_files_of_several_kinds_and_of_none_are_refused(tmp_path, cli):
    folder = tmp_path / "mixed"
    folder.mkdir()
    assert_refused(cli("data", folder / "*.csv"), 4, "no file that")
    csv.write_csv(some_rows(0), folder / "a.csv")
    parquet.write_table(some_rows(0), folder / "b.parquet")
    assert_refused(cli("data", folder), 4, "several kinds", ".csv (1)", ".parquet (1)", "by a pattern")
    (folder / "year=1").mkdir()
    parquet.write_table(some_rows(0), folder / "year=1" / "c.parquet")
    assert_refused(cli("data", f"{folder}/**/*.parquet"), 4, "different partitions", "year=")


@pytest.mark.parametrize("change", ["vanishes", "changes", "is damaged"])
def test_a_partition_that_vanishes_changes_or_is_damaged_is_named(tmp_path, monkeypatch, change):
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    for number in range(3):
        parquet.write_table(some_rows(number, 500).select(["x"]), tmp_path / f"{number}.parquet", row_group_size=100)
    path = tmp_path / "1.parquet"
    if change == "is damaged":
        content = bytearray(path.read_bytes())
        content[1000:1400] = bytes(400)
        path.write_bytes(content)
        with pytest.raises(
            DataError, match=r"1\.parquet cannot be read as a table: row group \d is damaged.*leave the file out"
        ):
            read(tmp_path)
        return
    monkeypatch.setattr("genzoo.data.row_groups.KEPT", 1)
    found = read(tmp_path)
    if change == "vanishes":
        path.unlink()
        wanted = r"1\.parquet does not exist, and it was there when the data were opened\. Put it back"
    else:
        parquet.write_table(some_rows(9, 600).select(["x"]), path, row_group_size=100)
        wanted = r"1\.parquet has changed since the data were opened.*start again"
    assert len(found.events[:500]) == 500
    with pytest.raises(DataError, match=wanted):
        found.events[500:600]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array(["a", "b"]).dictionary_encode(), pa.array(["c", "b"])),
        (pa.array(["a", "b"]), pa.DictionaryArray.from_arrays([0, 1], ["c", "b"], ordered=True)),
        (pa.array([1, 2], pa.timestamp("s")), pa.array([3, 4], pa.timestamp("ns"))),
        (pa.array([1, 2], pa.int8()), pa.array([2.5, None])),
        (pa.array([1, 2], pa.decimal128(9, 2)), pa.array([2.5, 4])),
        (pa.array([None, None]), pa.array(["x", "y"])),
    ],
)
def test_files_may_store_a_column_in_different_ways(tmp_path, first, second):
    for name, column in (("a", first), ("b", second)):
        parquet.write_table(pa.table({"k": column, "x": [1.5, 2.5]}), tmp_path / f"{name}.parquet")
    plain = [column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column for column in (first, second)]
    values = pd.concat([pd.Series(column.to_pandas()) for column in plain], ignore_index=True)
    pd.DataFrame({"k": values, "x": [1.5, 2.5] * 2}).to_parquet(tmp_path / "one.pq.parquet")
    one, several = read(tmp_path / "one.pq.parquet"), read(tmp_path / "?.parquet")
    assert np.array_equal(several.events, one.events, equal_nan=True)
    assert several.spec.features[0].levels == one.spec.features[0].levels


def test_types_that_suit_no_column_are_named(tmp_path):
    for name, column in (("a", pa.array([1, 2])), ("b", pa.array([0.5, 1.5])), ("c", pa.array([True, False]))):
        parquet.write_table(pa.table({"k": column, "x": [1.5, 2.5]}), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"'k' holds int64 in .*a\.parquet and bool in .*c\.parquet"):
        read(tmp_path)


def test_files_without_rows_are_left_out_and_missing_ones_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1.5,2\n2.5,3\n")
    (tmp_path / "b.csv").write_text("x,y\n")
    (tmp_path / "_SUCCESS").touch()
    found = read(tmp_path)
    assert found.events.tolist() == [[1.5, 2], [2.5, 3]]
    assert any("1 file without rows left out" in note and "b.csv" in note for note in found.notes)
    with pytest.raises(DataError, match=r"c\.csv does not exist"):
        read(f"{tmp_path}/{{a,c}}.csv")
    (tmp_path / "c.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"c\.csv does not exist"):
        read(tmp_path)
    (tmp_path / "c.csv").unlink()
    (tmp_path / "round").symlink_to(tmp_path)
    assert len(read(tmp_path).events) == 2


def sides(path, method="hash=id", seed=0):
    """Return the part of the split that each key is in."""
    settings = SplitSettings(method=method)
    found = open_dataset(DataSettings(source=str(path)), get_registry(), settings)
    split = found.split(settings, seed)
    where = np.empty(len(found), object)
    for name in ("train", "validation", "test"):
        where[getattr(split, name)] = name
    return where


def keyed(first, count=2000):
    return pd.DataFrame({"id": np.arange(first, first + count), "x": np.arange(count) / 7})


def test_rows_split_by_a_hash_stay_where_they_are_when_files_are_added(tmp_path):
    keyed(5000).to_parquet(tmp_path / "b.parquet")
    before = sides(tmp_path)
    keyed(0).to_parquet(tmp_path / "a.parquet")
    after = sides(tmp_path)
    assert after[2000:].tolist() == before.tolist()
    shares = [np.mean(after == name) for name in ("train", "validation", "test")]
    # Five standard deviations of a share of 4,000 independent rows.
    np.testing.assert_allclose(shares, [0.7, 0.15, 0.15], atol=5 * np.sqrt(0.7 * 0.3 / 4000))
    assert (sides(tmp_path, seed=1) != after).any()


def test_equal_keys_stay_together_however_they_are_stored(tmp_path):
    table = keyed(0)
    table.to_csv(tmp_path / "a.csv", index=False)
    expected = sides(tmp_path / "a.csv")
    for name, ids in {
        "narrow": table["id"].astype("int16"),
        "texts": table["id"].astype(str),
        "categories": table["id"].astype(str).astype("category"),
        "numbers": table["id"].astype(float),
    }.items():
        table.assign(id=ids).to_parquet(tmp_path / f"{name}.parquet")
        assert sides(tmp_path / f"{name}.parquet").tolist() == expected.tolist()
    table.assign(id="0" + table["id"].astype(str)).to_csv(tmp_path / "codes.csv", index=False)
    assert sides(tmp_path / "codes.csv").tolist() != expected.tolist()
    twice = pd.concat([table, table])
    twice.to_csv(tmp_path / "twice.csv", index=False)
    assert sides(tmp_path / "twice.csv").tolist() == [*expected, *expected]


@pytest.mark.parametrize("first", [0, 2**53, 10**18 + 7, 2**63 - 50, 2**64 - 100, -(2**63)])
def test_long_whole_keys_are_the_same_as_texts_and_numbers(tmp_path, first):
    ids = [first + 2 * place for place in range(40)]
    numbers = pa.array(ids, pa.int64() if ids[-1] < 2**63 else pa.uint64())
    for name, keys in {"numbers": numbers, "texts": pa.array(list(map(str, ids)))}.items():
        parquet.write_table(pa.table({"id": keys, "x": np.arange(40.0)}), tmp_path / f"{name}.parquet")
    assert sides(tmp_path / "numbers.parquet").tolist() == sides(tmp_path / "texts.parquet").tolist()


def test_times_and_decimals_are_one_key_in_every_unit(tmp_path):
    times = np.datetime64("2024-01-01", "s") + np.arange(200) * 1800
    stored = [pa.array(times).cast(pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")]
    stored += [pa.array([str(time).replace("T", " ") for time in times])]
    amounts = [Decimal(place) / 2 for place in range(200)]
    scales = [pa.array(amounts, pa.decimal128(10, scale)) for scale in (1, 2, 7)]
    for group in (stored, scales):
        found = []
        for place, keys in enumerate(group):
            path = tmp_path / f"{place}.parquet"
            parquet.write_table(pa.table({"id": keys, "x": np.arange(200.0)}), path)
            found.append(sides(path).tolist())
        assert all(one == found[0] for one in found)


def test_signed_zero_is_zero_and_a_key_that_is_no_number_is_missing(tmp_path):
    def stored(ids):
        feather.write_feather(pa.table({"id": ids, "x": np.arange(len(ids)) * 1.0}), str(tmp_path / "a.feather"))
        return sides(tmp_path / "a.feather").tolist()

    numbers = np.arange(60.0)
    assert stored(pa.array([-0.0, *numbers[1:]])) == stored(pa.array(numbers)) == stored(pa.array(numbers.astype(str)))
    coded = pa.DictionaryArray.from_arrays([0, 1, 0, 2], pa.array(["a", None, "b"]))
    for ids, row in ((pa.array([1.0, 2.0, np.nan]), 2), (coded, 1)):
        with pytest.raises(DataError, match=f"no 'id' in row {row}"):
            stored(ids)


def test_keys_of_large_files_are_hashed_block_by_block(tmp_path, monkeypatch):
    keyed(0).to_parquet(tmp_path / "a.parquet", row_group_size=300)
    expected = sides(tmp_path / "a.parquet")
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    monkeypatch.setattr("genzoo.data.dataset.LARGE_ROWS", 1000)
    assert sides(tmp_path / "a.parquet").tolist() == expected.tolist()


def test_a_row_without_a_key_and_a_key_of_fractions_are_named(tmp_path):
    table = keyed(0, 20)
    table.assign(id=table["id"].where(table["id"] != 7)).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no 'id' in row 7"):
        sides(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="'x' holds numbers that are not whole"):
        sides(tmp_path / "a.parquet", "hash=x")
