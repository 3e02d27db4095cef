"""Texts: read from lines and lists, kept without padding, and handed back as they were."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import genzoo
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset
from genzoo.data.inspect import inspect
from genzoo.data.opening.given import given_data
from genzoo.data.splits.duplicates import same_rows
from genzoo.data.splits.notes import repeats
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.lines import listed
from genzoo.data.texts.lines import read_texts as reader
from genzoo.data.texts.symbols import as_bytes, as_lines, byte_spec, decoded, encoded
from genzoo.errors import ConfigError, DataError
from genzoo.spec.events import MOST_SYMBOLS

WORDS = ["anna", "", "jürgen", "bo", "anna", "x" * 20]
NAMES = [parent / "shared" / "data" / "names.txt" for parent in Path(genzoo.__file__).parents]


def read_texts(path):
    return reader(path, DataSettings(source=str(path)))


@pytest.fixture
def texts():
    return encoded(WORDS, "words")


def padded():
    rows = [list(word.encode()) for word in WORDS]
    return np.array([[*row, *[256] * (20 - len(row))] for row in rows], np.int16)


@pytest.mark.parametrize(
    "rows",
    [0, -1, slice(None), slice(1, 5, 2), slice(4, 0, -1), [3, 3, 0], [-1, 2], np.arange(6) % 2 == 0, [], (slice(2), 1)],
    ids=str,
)
def test_texts_are_indexed_as_the_padded_array(texts, rows):
    found = texts[rows]
    assert found.dtype == texts.dtype == np.int16
    assert np.array_equal(
        found,
        padded()[rows if isinstance(rows, tuple | slice | int) else np.array(rows, dtype=None if len(rows) else int)],
    )


def test_texts_look_like_an_array_and_take_no_more_memory(texts):
    assert (texts.shape, texts.ndim, len(texts)) == ((6, 20), 2, 6)
    assert np.array_equal(np.asarray(texts), padded())
    assert texts.nbytes == sum(len(word.encode()) for word in WORDS) + 7 * 8
    with pytest.raises(IndexError):
        texts[[6]]


def test_what_stands_after_the_first_end_does_not_count():
    block = np.array([[0, 2, 1, 0], [1, 1, 0, 1], [2, 0, 0, 0]])
    assert Texts.of(block, 2, "block")[:].tolist() == [[0, 2, 2, 2], [1, 1, 0, 1], [2, 2, 2, 2]]
    for bad in (3, -1, 0.5, np.nan):
        with pytest.raises(DataError, match="in event 1"):
            Texts.of(np.array([[0.0, 2], [bad, 2]]), 2, "block")


def test_a_digest_sees_where_texts_begin_and_equal_texts_have_one_number():
    one, two = listed(["ab", "c", "ddd"]), listed(["a", "bc", "ddd"])
    assert one.digest() != two.digest()
    assert one.digest() == listed(["ab", "c", "ddd"]).digest()
    assert same_rows(encoded(WORDS, "words")).tolist() == [0, 1, 2, 3, 0, 4]


def test_a_split_keeps_texts_whole():
    dataset = listed([f"text {number}" for number in range(100)])
    split = dataset.split(SplitSettings(), 0)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert sorted(decoded(dataset.events[rows], dataset.spec)) == sorted(f"text {n}" for n in range(100))


def test_repeats_are_counted_if_only_padded_texts_would_be_large():
    texts = Texts.joined([np.full(1, 97, np.uint8)] * 150_000, MOST_SYMBOLS, 256)
    dataset = Dataset("texts", byte_spec(MOST_SYMBOLS), texts.as_array())
    (note,) = repeats(dataset, dataset.split(SplitSettings(), 0), SplitSettings())
    assert note.startswith("149,999 of 150,000 texts repeat")


def test_bytes_survive_and_only_what_is_shown_is_changed(tmp_path):
    content = [b"caf\xc3\xa9", b"\xff\xfe", b"a\x1b[31m", b"\x00"]
    spec = byte_spec(8)
    texts = Texts.joined([np.frombuffer(text, np.uint8) for text in content], 8, 256)
    assert as_bytes(texts[:], spec) == content
    assert decoded(texts, spec) == ["café", "��", "a\x1b[31m", "\0"]
    assert as_lines(texts, spec) == b"".join(text + b"\n" for text in content)
    broken = Texts.joined([np.frombuffer(b"a\nb", np.uint8)], 8, 256)
    assert as_lines(broken, spec) == b"a b\n"


@pytest.mark.parametrize("name", ["names.txt", "names.TXT", "names.txt.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_line_of_a_file_is_a_text(tmp_path, name, end):
    content = end.join(["anna", "", "jürgen", " ", "bo\rb", ""]).encode("utf-8-sig")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    dataset = read_texts(tmp_path / name)
    assert dataset.name == "names"
    assert decoded(dataset.events, dataset.spec) == ["anna", "jürgen", " ", "bo\rb"]
    assert dataset.notes[0] == f"1 empty line of {name} left out"
    assert "carriage returns" in dataset.notes[1]
    assert dataset.spec.event_shape == (7,)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds no texts: 0 lines"),
        (b"\n\r\n\n", "holds no texts: 3 lines"),
        (b"anna\nb\xffrt\n", "is no UTF-8 text: line 2 holds the byte 255"),
        ("anna\nbert\n".encode("utf-16"), "is no UTF-8 text: line 1"),
        (b"anna\n\x00\x01\x02", "is no UTF-8 text: line 2 holds the byte 0"),
        ("anna\nbé".encode()[:-1], "is no UTF-8 text: line 2"),
        (b"anna\n" + b"x" * 16_385, "line 2 has 16385 bytes, and a text has at most 16384"),
    ],
    ids=["empty", "empty lines", "latin-1", "utf-16", "binary", "cut", "long"],
)
def test_a_file_that_holds_no_texts_is_one_clear_error(tmp_path, content, why):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=why):
        read_texts(tmp_path / "a.txt")


def test_a_damaged_archive_is_an_error(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"anna\n" * 1000)[:-9])
    with pytest.raises(DataError, match="cannot be read"):
        read_texts(tmp_path / "a.txt.gz")


def test_lists_are_texts_and_errors_name_the_event():
    dataset = listed(["a", "", "日本"])
    assert (dataset.spec.event_shape, dataset.spec.end, len(dataset)) == ((6,), 256, 3)
    with pytest.raises(DataError, match="event 1 is no valid text"):
        listed(["a", "\ud800"])
    with pytest.raises(DataError, match="event 1 is 2, of type int, and texts are str"):
        given_data(["a", 2])
    with pytest.raises(DataError, match="event 1 has 16385 bytes"):
        listed(["a", "x" * 16_385])


def test_texts_of_a_trained_model_are_no_longer_than_in_training():
    with pytest.raises(
        DataError, match=r"holds a text of 5 symbols, event 1, and the model was trained on .* at most 4"
    ):
        encoded(["anna", "berta"], "The list", byte_spec(4))
    toy = replace(byte_spec(4), features=(genzoo.Feature("letter", "categorical", ("a", "b")),), storage="uint8")
    assert encoded(["ab", ""], "The list", toy)[:].tolist() == [[0, 1, 2, 2], [2, 2, 2, 2]]
    with pytest.raises(DataError, match="event 1 holds 'c', which is none of the 2 symbols"):
        encoded(["ab", "ac"], "The list", toy)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"features": (genzoo.Feature("byte", "count"),)}, "levels of a categorical feature"),
        ({"features": (genzoo.Feature("symbol", "categorical", ("a", "\ud800")),)}, "half of a surrogate pair"),
        ({"event_shape": (2**14 + 1,)}, "at most 16384 symbols"),
        ({"bounds": (0.0, 1.0)}, "neither bounds"),
        ({"missing": True}, "neither bounds"),
        ({"storage": "uint8"}, "uint8 cannot store 256 symbols and the end"),
        ({"storage": "float32"}, "float32 cannot store"),
        ({"event_shape": (2, 2)}, "has the shape"),
    ],
)
def test_a_spec_of_texts_is_checked(changes, why):
    with pytest.raises(ValueError, match=why):
        replace(byte_spec(4), **changes)


def test_only_texts_have_an_end():
    assert byte_spec(4).end == 256
    assert genzoo.DataSpec((1,), "table", (genzoo.Feature("x"),)).end is None


def test_a_plugin_may_hand_over_a_padded_array():
    events = np.array([[0, 1, 2], [1, 2, 2]])
    spec = replace(byte_spec(3), features=(genzoo.Feature("letter", "categorical", ("a", "b")),), storage="uint8")
    dataset = Dataset("toy", spec, events)
    assert isinstance(dataset.events, Texts)
    with pytest.raises(DataError, match="holds 7 in event 0"):
        Dataset("toy", spec, events + 7)


def test_an_inspection_shows_lengths_bytes_and_repeats(tmp_path, cli):
    (tmp_path / "a.txt").write_text("anna\n\nbo\nanna\n" + "x" * 100 + "\n", "utf-8")
    lines = cli("data", str(tmp_path / "a.txt"))[1].splitlines()
    assert "bytes of a text: 2 to 100, median 4" in lines
    assert "different bytes: 5" in lines
    assert "repeated texts: 1" in lines
    assert "notes: 1 empty line of a.txt left out" in lines
    found = inspect(listed(["ab"] * 400 + ["x" * 100]))
    assert any(remark.startswith("the longest text has 100 symbols") for remark in found.remarks)


@pytest.mark.parametrize("option", [("--condition", "label"), ("--binarize",), ("--range=0..1",), ("--drop", "a")])
def test_settings_of_other_data_are_refused(tmp_path, cli, option):
    (tmp_path / "a.txt").write_text("anna\nbo\n", "utf-8")
    code, _, err = cli("data", str(tmp_path / "a.txt"), *option)
    assert code == 2
    assert "holds texts" in " ".join(err.split())


def test_settings_of_data_name_a_list(tmp_path):
    dataset, settings = given_data({"source": ["anna", "bo"]})
    assert (len(dataset), settings["source"]) == (2, "texts")
    assert given_data(np.array(["anna", "bo"]))[0].digest() == dataset.digest()
    with pytest.raises(ConfigError, match="holds texts"):
        given_data({"source": ["anna", "bo"], "binarize": True})


@pytest.mark.skipif(not any(path.exists() for path in NAMES), reason="needs the list of first names")
def test_a_list_of_32_033_names_is_read():
    path = next(path for path in NAMES if path.exists())
    dataset = read_texts(path)
    assert (len(dataset), dataset.spec.event_shape) == (32_033, (15,))
    assert as_lines(dataset.events, dataset.spec) == path.read_bytes().rstrip(b"\n") + b"\n"
    assert dataset.events.nbytes < 2.2 * path.stat().st_size
