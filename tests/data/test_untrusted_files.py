"""Data files that lie: they are used, or refused in words, and never end the process."""

import contextlib
import gzip
import json
import os
import shlex
import struct
import subprocess
import sys
import zipfile

import fuzz_data
import numpy as np
import openpyxl
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from genzoo.config.data import DataSettings
from genzoo.data.loading import open_dataset
from genzoo.data.readers import text_input
from genzoo.data.readers.unpacked import check_unpacked
from genzoo.errors import DataError
from genzoo.plugins.manager import get_registry

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check


def opened(path, **settings):
    return open_dataset(DataSettings(source=str(path), **settings), get_registry())


def write_arrow(path, table, compression=None):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(path, table.schema, options=options) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("name", ["arrow", "parquet", "csv", "images", "idx", "numpy", "json", "xlsx"])
def test_mutants_of_data_files_are_used_or_refused(name):
    tally = fuzz_data.fuzz(name, 25, 7)
    assert not tally.failures
    assert sum(tally.ends.values()) == 25


def test_string_offsets_out_of_range_are_a_data_error(tmp_path):
    texts = pa.array(["red", "green", "blue"] * 20)
    write_arrow(tmp_path / "a.arrow", pa.table({"color": texts, "x": np.arange(60.0)}))
    offsets = texts.buffers()[1].to_pybytes()
    lying = offsets[:80] + struct.pack("<i", 2**30) + offsets[84:]
    content = (tmp_path / "a.arrow").read_bytes()
    assert offsets in content
    (tmp_path / "a.arrow").write_bytes(content.replace(offsets, lying))
    with pytest.raises(DataError, match=r"a\.arrow: column 'color' is damaged: Offset invariant failure"):
        opened(tmp_path / "a.arrow")
    assert len(opened(tmp_path / "a.arrow", drop=("color",))) == 60


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("oldest", [False, True])
def test_arrow_files_of_polars_are_read(tmp_path, compression, oldest):
    polars = pytest.importorskip("polars", "2.0")  # pyarrow cannot read all files of older ones
    colors = ["red", "green", "blue", "red"] * 10
    frame = polars.DataFrame({"x": np.arange(40.0), "s": colors, "c": polars.Series(colors, dtype=polars.Categorical)})
    level = polars.CompatLevel.oldest() if oldest else None
    frame.write_ipc(tmp_path / "a.arrow", compression=compression, compat_level=level)
    polars.concat([frame, frame]).lazy().sink_ipc(tmp_path / "b.arrow", compression=compression, compat_level=level)
    for name, rows in (("a.arrow", 40), ("b.arrow", 80)):
        found = opened(tmp_path / name)
        assert [sorted(feature.levels or ()) for feature in found.spec.features] == [[]] + [sorted(set(colors))] * 2
        np.testing.assert_array_equal(found.events[:][:, 0], np.arange(rows) % 40)


@pytest.mark.parametrize("size", [0, 7, 9, 300, -1])
def test_arrow_files_that_were_cut_are_a_data_error(tmp_path, size):
    write_arrow(tmp_path / "a.arrow", pa.table({"x": np.arange(40.0)}))
    (tmp_path / "a.arrow").write_bytes((tmp_path / "a.arrow").read_bytes()[:size])
    with pytest.raises(DataError, match="cannot be read as a table"):
        opened(tmp_path / "a.arrow")


def test_arrow_files_whose_footer_names_no_message_are_a_data_error(tmp_path):
    write_arrow(tmp_path / "a.arrow", pa.table({"x": np.arange(40.0)}))
    content = (tmp_path / "a.arrow").read_bytes()
    place = content.index(b"\xff" * 4, content.index(b"\xff" * 4) + 4) + 4
    (tmp_path / "a.arrow").write_bytes(content[:place] + bytes(4) + content[place + 4 :])
    with pytest.raises(DataError, match=r"a\.arrow cannot be read as a table"):
        opened(tmp_path / "a.arrow")


def test_indices_out_of_a_dictionary_are_a_data_error(tmp_path):
    codes = pa.array(np.array([0, 1, 2, 50] * 10, np.int32))
    coded = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b", "c"]), safe=False)
    write_arrow(tmp_path / "a.arrow", pa.table({"c": coded, "x": np.arange(40.0)}))
    with pytest.raises(DataError, match=r"a\.arrow: column 'c' is damaged: Value at position 3 out of bounds: 50"):
        opened(tmp_path / "a.arrow")


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
def test_texts_that_are_not_utf8_are_a_data_error(tmp_path, suffix):
    texts = pa.array([b"red", b"\xff\xfe"] * 20, pa.binary()).view(pa.string())
    table, path = pa.table({"c": texts, "x": np.arange(40.0)}), tmp_path / f"a.{suffix}"
    write_arrow(path, table) if suffix == "arrow" else parquet.write_table(table, path)
    with pytest.raises(DataError, match=rf"a\.{suffix}: column 'c' is damaged: .*UTF8"):
        opened(path)


def test_a_name_of_a_column_that_is_not_utf8_is_a_data_error(tmp_path):
    write_arrow(tmp_path / "a.arrow", pa.table({"size_of_it": np.arange(40.0)}))
    content = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(content.replace(b"size_of_it", b"size\xffof_it"))
    with pytest.raises(DataError, match="cannot be read as a table"):
        opened(tmp_path / "a.arrow")


def test_small_tables_that_unpack_to_too_much_are_refused(tmp_path):
    rows = pa.table({"x": np.zeros(140_000_000, np.int8)})
    wide = pa.table(dict.fromkeys("abcd", rows["x"][:35000000]))
    parquet.write_table(wide, tmp_path / "a.parquet", compression="zstd", row_group_size=len(wide))
    parquet.write_table(rows, tmp_path / "groups.parquet", compression="zstd", row_group_size=1_000_000)
    write_arrow(tmp_path / "a.arrow", rows, "zstd")
    coded = pa.DictionaryArray.from_arrays(np.zeros(600_000, np.int32), pa.array(["x" * 2_000]))
    parquet.write_table(pa.table({"s": coded, "x": np.arange(600_000) % 7}), tmp_path / "s.parquet", store_schema=False)
    nothing = pa.record_batch([pa.nulls(2 * 10**9)], ["n"])
    write_arrow(tmp_path / "n.arrow", pa.Table.from_batches([nothing]))
    for name, remedy in (
        ("a.parquet", "in smaller row groups"),
        ("groups.parquet", "in several files, or choose fewer --columns"),
        ("a.arrow", "in several files"),
        ("s.parquet", "in several files"),
        ("n.arrow", "in several files"),
    ):
        with pytest.raises(DataError, match=f"{name} would unpack .* write it again {remedy}"):
            opened(tmp_path / name)


def test_tables_that_repeat_themselves_are_read(tmp_path):
    zeros = np.zeros(600_000, np.int8)
    parquet.write_table(pa.table({f"x{k}": zeros for k in range(100)}), tmp_path / "hot.parquet")
    same = pa.DictionaryArray.from_arrays(np.zeros(7_000_000, np.int32), pa.array(["x" * 42]))
    parquet.write_table(pa.table({"s": same}), tmp_path / "s.parquet", store_schema=False)
    row = b"1,%s\n" % (b"x" * 4_000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(row * 67_500, 1))
    for name, rows in (("hot.parquet", 600_000), ("s.parquet", 7_000_000), ("a.csv.gz", 67_500)):
        assert len(opened(tmp_path / name)) == rows


@pytest.mark.parametrize(
    ("packed", "unpacked", "fine"),
    [
        (4_800_000_000, 9_600_000_000, True),  # float32 as it is written by Arrow, counted as float64
        (1_200_000_000, 9_000_000_000, True),
        (10_000_000, 1_900_000_000, True),
        (4_000, 1_500_000_000, False),
        (65_000, 2_000_000_000, False),
        (60_000_000, 9_000_000_000, False),
    ],
)
def test_files_may_unpack_in_proportion_to_their_size(packed, unpacked, fine):
    with contextlib.nullcontext() if fine else pytest.raises(DataError, match="trust the file, try that"):
        check_unpacked("a", packed, unpacked, "try that")


def test_dictionaries_of_large_parquet_files_become_texts(tmp_path, monkeypatch):
    monkeypatch.setattr("genzoo.data.readers.arrow.parquet.HARMLESS", 0)
    table = pa.table({"s": ["red", "green", None] * 20, "x": np.arange(60.0)})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert next(feature.levels for feature in opened(tmp_path / "a.parquet").spec.features) == ("green", "red")


def test_lines_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_input, "_LONGEST", 1_000)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n" + "1," * 5_000, encoding="utf-8")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"x" * 5_000))
    for name in ("a.csv", "a.csv.gz"):
        with pytest.raises(DataError, match="characters, which is no row"):
            opened(tmp_path / name)


def test_compressed_texts_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_input.TextInput.__init__, "__kwdefaults__", {"harmless": 2**20})
    monkeypatch.setattr("genzoo.data.readers.json_files._HARMLESS", 2**20)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"1,2\n" * 2**20))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}\n' * 2**19))
    for name in ("a.csv.gz", "a.jsonl.gz"):
        with pytest.raises(DataError, match=r"would unpack .* gunzip"):
            opened(tmp_path / name)


def test_a_sheet_of_padding_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active.append([1, 2])
    book.active["XFD2000"] = 3
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="out of proportion"):
        opened(tmp_path / "a.xlsx")


def test_arrays_that_declare_more_than_there_is_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("x.npy", "w") as member:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 2)}
        np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(DataError, match="'x' declares 16000000000000 bytes"):
        opened(tmp_path / "a.npz")
    (tmp_path / "a-ubyte").write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1))
    with pytest.raises(DataError, match="would unpack"):
        opened(tmp_path / "a-ubyte")


@pytest.mark.parametrize("labels", [np.array(3), np.zeros((50, 2))])
def test_labels_that_are_no_list_are_a_data_error(tmp_path, labels):
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=(50, 3)), y=labels)
    with pytest.raises(DataError, match="a holds 50 events and labels of shape"):
        opened(tmp_path / "a.npz")


def test_labels_may_be_a_column(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=(50, 3)), y=np.arange(50)[:, None])
    assert opened(tmp_path / "a.npz").labels.tolist() == list(range(50))


def test_large_empty_pictures_are_scaled_down_or_refused(tmp_path):
    Image.new("L", (8190, 8190)).save(tmp_path / "a.png")
    assert opened(tmp_path, size=64).spec.event_shape == (1, 64, 64)
    Image.new("RGBA", (8200, 8200)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="to 268960000 bytes of pixels; scale it down"):
        opened(tmp_path, size=64)


def test_folders_of_large_empty_masks_are_read(tmp_path):
    Image.new("L", (2048, 2048)).save(tmp_path / "0.png")
    for number in range(1, 70):
        os.link(tmp_path / "0.png", tmp_path / f"{number}.png")
    assert len(opened(tmp_path)) == 70


@pytest.mark.parametrize("color", ["black", "red"])
def test_pictures_too_large_for_a_model_are_a_data_error(tmp_path, color):
    Image.new("RGB", (4800, 4800), color).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="at most 67108864 numbers"):
        opened(tmp_path)


def test_numbers_of_thousands_of_digits_are_read_or_refused(tmp_path):
    digits = "9" * 5_000
    (tmp_path / "a.csv").write_text("a,b\n" + "".join(f"{k},{k}.5\n" for k in range(50)) + f"{digits},1.5\n")
    with pytest.raises(DataError, match="column 'a'"):
        opened(tmp_path / "a.csv")
    (tmp_path / "a.json").write_text(f'[{{"a": {digits}}}]')
    with pytest.raises(DataError, match="thousands of digits"):
        opened(tmp_path / "a.json")


def test_halves_of_characters_in_json_are_a_data_error(tmp_path):
    (tmp_path / "a.json").write_text('[{"a": "\\ud800"}, {"a": "x"}]')
    with pytest.raises(DataError, match="half a character in record 1"):
        opened(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('[{"\\ud800": 1}]')
    with pytest.raises(DataError, match="half a character"):
        opened(tmp_path / "a.json")


@pytest.mark.parametrize("kind", ["csv", "arrow", "parquet"])
def test_files_whose_names_are_not_utf8_are_read(tmp_path, kind):
    table, plain = pa.table({"x": np.arange(40.0), "y": np.arange(40.0) ** 2}), tmp_path / f"a.{kind}"
    if kind == "csv":
        table.to_pandas().to_csv(plain, index=False)
    else:
        write_arrow(plain, table) if kind == "arrow" else parquet.write_table(table, plain)
    odd = os.fsdecode(os.fsencode(tmp_path) + f"/\udcff.{kind}".encode("utf-8", "surrogateescape"))
    plain.rename(odd)
    np.testing.assert_array_equal(opened(odd).events[:][:, 1], np.arange(40.0) ** 2)


def test_names_of_columns_are_understood_in_an_ascii_locale(tmp_path):
    (tmp_path / "größe.csv").write_text("größe,b\n" + "".join(f"{k},{k * k % 7}\n" for k in range(40)), "utf-8")
    changes = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-m", "genzoo", "data", "größe.csv", "--columns", "größe", "--json"]
    command = shlex.join(words).encode()
    ended = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, env=os.environ | changes, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert [column["name"] for column in json.loads(ended.stdout)["columns"]] == ["größe"]
