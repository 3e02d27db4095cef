"""Data behind URLs, read from a small server of this process."""

import io

import numpy as np
import pyarrow as pa
import pytest
from object_store import CREDENTIALS, serving
from pyarrow import parquet
from refusals import assert_refused

import genzoo
from genzoo import ConfigError, DataError
from genzoo.config.data import DataSettings
from genzoo.config.settings import validate
from genzoo.data.download import without_fetching
from genzoo.data.loading import open_dataset, open_source
from genzoo.data.row_groups import RowGroupEvents
from genzoo.plugins.manager import get_registry

s3fs = pytest.importorskip("s3fs")

pytestmark = [
    pytest.mark.usefixtures("in_a_shell", "own_cache"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # of sockets that aiohttp keeps open
]


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Keep copies in an empty folder, and give no credentials."""
    monkeypatch.setenv("GENZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(monkeypatch):
    """A private bucket of five Parquet files in partitions and a text file, and its credentials."""
    objects = {}
    for number in range(5):
        rows = np.random.default_rng(number).normal(size=(400, 3))
        content = io.BytesIO()
        table = pa.table({name: rows[:, place] for place, name in enumerate("abc")})
        parquet.write_table(table, content, row_group_size=100)
        objects[f"bucket/set/year={2020 + number}/part.parquet"] = content.getvalue()
    objects["bucket/set.csv"] = b"a,b\n" + b"".join(b"%d,%d.5\n" % (i % 7, i) for i in range(60))
    with serving(objects, private=True) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def read(source, **settings):
    return open_dataset(validate(DataSettings, {"source": source, **settings}, "Data"), get_registry())


def expected_rows():
    return np.concatenate([np.random.default_rng(number).normal(size=(400, 3)) for number in range(5)])


@pytest.mark.parametrize("source", ["s3://bucket/set", "s3://bucket/set/*/*.parquet", "s3://bucket/set/"])
def test_files_of_a_bucket_are_one_table(bucket, source):
    found = read(source)
    assert np.array_equal(found.events[:, :3], expected_rows())
    assert found.events[:, 3].tolist() == np.repeat(np.arange(2020, 2025), 400).tolist()


def test_marks_and_hidden_objects_of_a_bucket_are_left_out(bucket):
    part = bucket.objects["bucket/set/year=2020/part.parquet"]
    bucket.objects = {"bucket/k=x%2Fy/1.parquet": part, "bucket/k=__HIVE_DEFAULT_PARTITION__/1.parquet": part}
    bucket.objects |= {
        "bucket/k=z/": b"",
        "bucket/_SUCCESS": b"",
        "bucket/.1.parquet.crc": b"x",
        "bucket/_old/1.parquet": b"",
    }
    for source in ("s3://bucket", "s3://bucket/**"):
        found = read(source)
        assert np.array_equal(found.events[400:, 0], expected_rows()[:400, 0])
        assert found.spec.features[3].levels == ("x/y",)
        assert np.isnan(found.events[:, 3]).sum() == 400


def test_only_the_chosen_columns_are_read(bucket, monkeypatch):
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    found = read("s3://bucket/set", columns="b")
    assert isinstance(found.events, RowGroupEvents)
    bucket.sent = 0
    monkeypatch.setattr("genzoo.data.row_groups.KEPT", 1)
    assert np.array_equal(found.events[:], expected_rows()[:, [1]])
    assert bucket.sent < sum(len(content) for content in bucket.objects.values()) / 2


def test_training_from_a_bucket_equals_training_from_memory(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    settings = {"source": "s3://bucket/set", "columns": "a,b,c"}
    one = genzoo.train("gaussian", data=settings, out=tmp_path / "one", precision="fp64")
    two = genzoo.train("gaussian", data=expected_rows(), out=tmp_path / "two", precision="fp64")
    rows = expected_rows()[:50]
    np.testing.assert_allclose(one.log_prob(rows), two.log_prob(rows), rtol=1e-12)


def test_a_file_of_another_kind_is_copied_once(bucket):
    for _ in range(2):
        assert read("s3://bucket/set.csv").events[:, 1].tolist() == [i + 0.5 for i in range(60)]
    assert sum("GET /bucket/set.csv" in line for line in bucket.requests) == 1
    bucket.objects["bucket/set.csv"] += b"1,99.5\n"
    assert len(read("s3://bucket/set.csv")) == 61


@pytest.mark.parametrize("ranges", [True, False])
def test_a_web_server_needs_no_ranges(ranges):
    content, array = io.BytesIO(), io.BytesIO()
    parquet.write_table(pa.table({"x": np.arange(50.0)}), content)
    np.save(array, np.arange(60.0).reshape(30, 2))
    with serving({"a/x.parquet": content.getvalue(), "a/y.npy": array.getvalue()}, ranges=ranges) as server:
        assert read(f"{server.url}/a/x.parquet").events[:, 0].tolist() == list(range(50))
        long = f"{server.url}/a/x.parquet?download=true&name={'n' * 300}"
        assert len(read(long).events) == 50
        assert read(f"{server.url}/a/y.npy").events.tolist() == np.arange(60.0).reshape(30, 2).tolist()


@pytest.mark.parametrize("given", ["none", "others"])
def test_missing_credentials_are_one_paragraph(bucket, monkeypatch, cli, given):
    if given == "none":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    for source in ("s3://bucket/set.csv", "s3://bucket/set/*/*.parquet"):
        assert_refused(cli("data", source), 4, "your credentials", "AWS_PROFILE", "FSSPEC_S3_ANON")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s3://bucket/none.csv", ("does not exist",)),
        ("s3://bucket/none/*.csv", ("no file that",)),
        ("http://127.0.0.1:1/a.csv", ("cannot be read", "Check the address")),
        ("http://[::1", ("is no address",)),
        ("ftp://host/a.csv", ("cannot read ftp://", "s3://")),
        ("s3://bucket/set.xyz", ("does not exist",)),
    ],
)
def test_what_is_not_there_is_one_paragraph(bucket, cli, source, words):
    assert_refused(cli("data", source), 4, *words)


def test_a_missing_package_is_named_with_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(DataError, match=r"package gcsfs.*\(import of gcsfs halted.*pip install .* gcsfs"):
        read("gs://bucket/a.parquet")


@pytest.mark.parametrize(
    "url",
    [
        "https://me:SECRET@example.org/a.csv",
        "https://me:SEC#RET@example.org/a.csv",
        "https://me:SEC/RET@example.org/a.csv",
        "ftp://me:SECRET@example.org/a.csv",
        "simplecache::https://me:SECRET@example.org/a.csv",
        "s3://me:SECRET@bucket/*.parquet",
        "https://example.org/a.csv?X-Amz-Signature=SECRET&x=1",
    ],
)
def test_a_password_in_a_url_is_neither_stored_nor_shown(url):
    with pytest.raises(ConfigError, match="would be stored with the run") as found:
        read(url)
    assert "SEC" not in str(found.value)


def test_a_model_of_a_stranger_fetches_nothing(bucket):
    with without_fetching(), pytest.raises(DataError, match="only you may ask"):
        read("s3://bucket/set.csv")


@pytest.mark.parametrize("change", ["vanishes", "changes"])
def test_an_object_that_vanishes_or_changes_is_named(bucket, monkeypatch, change):
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.LARGE", 1000)
    monkeypatch.setattr("genzoo.data.row_groups.KEPT", 1)
    found = read("s3://bucket/set", columns="a,b")
    name = "bucket/set/year=2022/part.parquet"
    if change == "vanishes":
        del bucket.objects[name]
    else:
        bucket.objects[name] = bucket.objects["bucket/set/year=2021/part.parquet"]
    with pytest.raises(DataError, match=r"year=2022/part\.parquet (does not exist|has changed).*Put it back"):
        found.events[:]


@pytest.mark.parametrize("behind", ["s3", "http"])
def test_blocks_of_rows_come_from_files_behind_urls(bucket, behind):
    bucket.private = behind == "s3"
    source = "s3://bucket/set" if behind == "s3" else f"{bucket.url}/bucket/set/year={{2020..2024}}/part.parquet"
    table = open_source(DataSettings(source=source), get_registry())
    found = [block.to_pandas().to_numpy() for block in table.blocks(["c", "year", "a"], 300, 250, 1950)]
    assert [len(block) for block in found] == [300] * 5 + [200]
    years = np.repeat(np.arange(2020, 2025), 400)
    assert np.array_equal(np.concatenate(found), np.column_stack([expected_rows(), years])[250:1950][:, [2, 3, 0]])


@pytest.mark.parametrize("behind", ["s3", "http"])
@pytest.mark.parametrize(
    ("change", "words"),
    [("vanishes", "does not exist"), ("changes", "has changed since"), ("closes", "with your credentials")],
)
def test_a_file_that_changes_while_blocks_are_read_is_named(bucket, behind, change, words):
    bucket.private = behind == "s3"
    first = "bucket/set/year=2020/part.parquet"
    source = f"s3://{first}" if behind == "s3" else f"{bucket.url}/{first}"
    table = open_source(DataSettings(source=source), get_registry())
    blocks = table.blocks(["a"], 100, 0, 400)
    next(blocks)
    if change == "vanishes":
        del bucket.objects[first]
    elif change == "changes":
        bucket.objects[first] = bucket.objects["bucket/set/year=2021/part.parquet"]
    else:
        bucket.closed = True
    with pytest.raises(DataError, match=rf"year=2020/part\.parquet .*{words}"):
        list(blocks)
