"""Texts from folders, columns of tables and built-in names, and what `genzoo data` says about them."""

import gzip
import json
from collections import Counter
from pathlib import Path
from pydoc_data import topics

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import genzoo
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.loading import open_dataset
from genzoo.data.opening.given import given_data, matching_data
from genzoo.data.texts.builtin import _shakespeare
from genzoo.data.texts.symbols import byte_spec, decoded
from genzoo.errors import DataError
from genzoo.plugins.manager import get_registry

SHARED = [parent / "shared" / "data" for parent in Path(genzoo.__file__).parents]
SHARED = next((folder for folder in SHARED if (folder / "tinyshakespeare.txt").exists()), None)
TEXTS = ["Quiet, and fast", None, "", "naïve\nline", " ", "007", "Quiet, and fast"]
KEPT = ["Quiet, and fast", "naïve\nline", " ", "007", "Quiet, and fast"]
STARS = [5, 4, 3, 2, 1, 2, 3]


def opened(source, split=None, **settings):
    return open_dataset(DataSettings(source=str(source), **settings), get_registry(), split)


def strings(dataset):
    return decoded(dataset.events, dataset.spec)


def written(folder, name):
    table = pd.DataFrame({"stars": STARS, "review": TEXTS})
    path = folder / name
    if name.endswith(".csv"):
        table.to_csv(path, index=False)
    elif name.endswith(".jsonl"):
        table.to_json(path, orient="records", lines=True)
    elif name.endswith(".json"):
        table.to_json(path, orient="records")
    else:
        column = pa.chunked_array([TEXTS[:3], TEXTS[3:]], pa.string())
        column = column.dictionary_encode() if name.startswith("coded") else column
        parquet.write_table(pa.table({"stars": STARS, "review": column}), path)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet", "coded.parquet"])
def test_a_column_of_a_table_holds_texts(tmp_path, name):
    dataset = opened(written(tmp_path, name), text="review")
    assert strings(dataset) == KEPT
    assert dataset.notes[-1].endswith("without a text left out")
    assert dataset.notes[-1].startswith("2 rows of")
    assert dataset.spec == byte_spec(15)


def test_a_column_is_cut_into_windows_text_by_text(tmp_path):
    dataset = opened(written(tmp_path, "a.csv"), text="review", window=8)
    assert strings(dataset) == ["Quiet, a", "naïve\nl", " ", "007", "Quiet, a"]
    assert dataset.spec.windows


def test_other_columns_are_conditions_and_divide_the_rows(tmp_path):
    path = written(tmp_path, "a.csv")
    split = SplitSettings(by=("stars",))
    dataset = opened(path, split, text="review", condition=("stars",), kinds={"stars": "categorical"})
    assert strings(dataset) == KEPT
    levels = np.array(dataset.spec.condition[0].levels)
    assert levels[dataset.conditions[:, 0].astype(int)].tolist() == ["5", "2", "1", "2", "3"]
    assert len(np.unique(dataset.groups)) == 4
    assert dataset.groups[1] == dataset.groups[3]
    found = matching_data({"source": path, "text": "review"}, dataset.spec, get_registry())
    assert len(found) == len(TEXTS)  # rows keep their numbers
    assert levels[found.conditions[:, 0].astype(int)].tolist() == [str(star) for star in STARS]
    with pytest.raises(DataError, match="Name its column of texts with text=COLUMN"):
        matching_data(path, dataset.spec, get_registry())


def test_a_table_in_memory_has_a_column_of_texts(tmp_path):
    frame = pd.DataFrame({"stars": STARS, "review": TEXTS})
    dataset, _ = given_data({"source": frame, "text": "review", "condition": "stars"})
    assert strings(dataset) == KEPT
    assert dataset.conditions[:, 0].tolist() == [5, 2, 1, 2, 3]
    assert len(matching_data({"source": frame, "text": "review"}, dataset.spec, get_registry())) == len(TEXTS)


def test_a_folder_holds_one_text_a_file(tmp_path):
    folder = tmp_path / "letters"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"one\r\ntwo\n")
    (folder / "b" / "c.txt.gz").write_bytes(gzip.compress("zoé".encode()))
    (folder / "b" / "empty.TXT").write_bytes(b"")
    (folder / "notes.md").write_text("no text")
    (folder / ".hidden.txt").write_text("hidden")
    dataset = opened(folder)
    assert strings(dataset) == ["one\ntwo\n", "zoé"]
    assert dataset.notes == (
        "1 end of lines in letters, a carriage return and a line feed, is a line feed alone",
        "1 empty file of letters left out",
        "files of other types left out: 1",
    )
    given = opened(folder, condition=("label",))
    assert (given.spec.condition[0].levels, given.conditions[:, 0].tolist()) == ((".", "b"), [0, 1])
    assert strings(opened(folder, window=4)) == ["one\n", "two\n", "zoé"]
    (folder / "long.txt").write_text("x" * 16_385)
    with pytest.raises(DataError, match=r"long\.txt: the file has 16385 bytes.* window=256"):
        opened(folder)


def test_a_folder_with_a_picture_holds_images_and_an_empty_one_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("licence")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be read as an image|None of the 1 images"):
        opened(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        opened(tmp_path / "none")


def test_an_inspection_counts_characters_scripts_and_odd_ones(tmp_path, cli):
    content = "añb\ufeff\n\nПривет \x1b[0m\n日本 \ufffd\rñ\n"
    (tmp_path / "a.txt").write_text(content, "utf-8", newline="")
    found = json.loads(cli("data", str(tmp_path / "a.txt"), "--json")[1])
    wanted = Counter(content.replace("\n", ""))
    assert found["texts"]["characters"] == dict(wanted)
    assert list(found["texts"]["characters"].values()) == sorted(wanted.values(), reverse=True)
    assert found["texts"]["scripts"] == {"Cyrillic": 6, "Latin": 5, "CJK": 2}
    assert found["texts"]["odd_characters"] == {
        "byte order marks within texts": 1,
        "control characters U+001B": 1,
        "carriage returns that no line feed follows": 1,
        "replacement characters, U+FFFD": 1,
    }
    lengths = [len(line.encode()) for line in content.split("\n") if line]
    assert (found["texts"]["shortest"], found["texts"]["longest"]) == (min(lengths), max(lengths))
    assert found["texts"]["quantiles"]["0.5"] == sorted(lengths)[1]
    assert any(remark.startswith("odd characters") for remark in found["remarks"])


def test_a_long_text_among_short_ones_is_named(tmp_path, cli):
    (tmp_path / "a.txt").write_text("ab\n" * 300 + "Once upon a time there was\n" + "\n" * 40)
    printed = cli("data", str(tmp_path / "a.txt"))[1]
    assert "it is event 300, which begins with 'Once upon a time the'" in printed
    assert "if the empty lines divide paragraphs of one long text, learn it with --window 256" in printed


def test_paragraphs_of_the_help_come_with_python():
    dataset = opened("topics")
    texts = strings(dataset)
    assert len(set(texts)) == len(texts) > 1_000
    whole = " ".join(" ".join(text.split()) for text in topics.topics.values())
    assert sum(" ".join(text.split()) in whole for text in texts) > 0.9 * len(texts)
    assert not any("\n" in text for text in texts)


def test_a_file_with_another_content_is_not_taken_for_the_built_in_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_DATA", str(tmp_path))
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache")
    monkeypatch.setattr("pooch.retrieve", lambda *args, **named: (_ for _ in ()).throw(ConnectionError()))
    (tmp_path / "names.txt").write_text("anna\n")
    with pytest.raises(DataError, match=r"Put names\.txt into .*cache"):
        opened("names")


@pytest.mark.skipif(SHARED is None, reason="needs the files of names and of Shakespeare")
def test_built_in_files_are_found_and_shakespeare_has_nanogpts_split(monkeypatch):
    monkeypatch.setenv("GENZOO_DATA", str(SHARED))
    assert len(opened("names")) == 32_033
    text = (SHARED / "tinyshakespeare.txt").read_bytes()
    held_out = text[int(len(text) * 0.9) :]
    for settings, size in [({}, 256), ({"window": 64}, 64)]:
        dataset = opened("shakespeare", **settings)
        split = dataset.split(SplitSettings(validation=0), 0)
        test, train = dataset.events[split.test], dataset.events[split.train]
        assert (test.shape[1], train.shape[1]) == (size, size)
        assert held_out.startswith(bytes(test.ravel().tolist()))
        assert text[: -len(held_out)].startswith(bytes(train.ravel().tolist()))
        assert len(held_out) - test.size < size
        assert len(text) - len(held_out) - train.size < size


def test_windows_of_another_size_keep_the_parts_of_the_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(bytes(range(32, 127)) * 60)
    dataset = _shakespeare(tmp_path / "a.txt")
    assert dataset.test_rows == 570 // 256
