"""Windows of long texts: whole characters, no gap, and every byte new in exactly one of those that overlap."""

import dataclasses
import gzip

import numpy as np
import pytest

import genzoo
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.opening.given import given_data, matching_data
from genzoo.data.texts.content import windows_of
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.lines import read_texts
from genzoo.data.texts.symbols import byte_spec
from genzoo.data.texts.windows import MovingWindows, Windows
from genzoo.errors import ConfigError, DataError
from genzoo.plugins.manager import get_registry

ASCII = "".join(chr(97 + place * place % 26) for place in range(203))
MIXED = "".join(("a", "é", "日", "😀", "\n")[place * place % 7 % 5] for place in range(120))


def codes(text):
    return np.frombuffer(text.encode(), np.uint8)


def cut(size, *texts):
    return Windows.cut([codes(text) for text in texts], size, 256)


def strings(block):
    return [bytes(row[row < 256].tolist()).decode() for row in block]


@pytest.mark.parametrize("size", [4, 7, 16, 64])
def test_windows_of_whole_characters_follow_each_other(size):
    windows = cut(size, MIXED)
    pieces = strings(windows[:])
    assert MIXED.startswith("".join(pieces))
    assert len("".join(pieces).encode()) + windows.left_out == len(MIXED.encode())
    assert windows.left_out < size
    rest = MIXED.removeprefix("".join(pieces))
    for piece, after in zip(pieces, [*pieces[1:], rest or "x"], strict=True):
        assert len(piece.encode()) <= size < len((piece + after[0]).encode())


def test_windows_of_ascii_are_full_and_have_no_end():
    windows = cut(16, ASCII)
    assert windows[:].tolist() == codes(ASCII)[: 12 * 16].reshape(12, 16).tolist()
    assert windows.left_out == 203 - 12 * 16
    assert np.array_equal(np.concatenate(windows.whole), codes(ASCII))


def test_several_texts_are_cut_on_their_own_and_a_short_one_is_a_window():
    windows = cut(8, "a" * 20, "", "bé", "c" * 8)
    assert strings(windows[:]) == ["a" * 8, "a" * 8, "bé", "c" * 8]
    assert windows.pieces.tolist() == [0, 2, 2, 3, 4]
    assert windows.left_out == 4


@pytest.mark.parametrize("text", [ASCII, MIXED], ids=["ascii", "mixed"])
@pytest.mark.parametrize(("size", "stride"), [(16, 16), (16, 8), (16, 1), (64, 10), (4, 1), (7, 3)])
@pytest.mark.parametrize("rows", [None, [0, 1, 2, 5, 6]], ids=["all", "some"])
def test_each_byte_is_new_in_one_overlapping_window(text, size, stride, rows):
    windows = cut(size, text, text[:5])
    rows = None if rows is None else [row for row in rows if row < len(windows)]
    block, context = windows.overlapping(stride, rows)
    assert block.shape == (len(context), size)
    new = [bytes(row[row < 256].tolist())[seen:] for row, seen in zip(block, context, strict=True)]
    chosen = windows[range(len(windows)) if rows is None else rows]
    assert b"".join(new) == "".join(strings(chosen)).encode()
    assert all(new)
    strings(block)  # raises if a character is divided
    firsts = set(windows.stretches(np.arange(len(windows)) if rows is None else np.array(rows))[0].tolist())
    known = size - stride - (6 if text == MIXED and stride < 7 else 0)
    assert (context < known).sum() <= len(firsts)


@pytest.mark.parametrize("stride", [1, 3, 16])
def test_overlapping_windows_of_ascii_are_those_of_a_sliding_window(stride):
    windows = cut(16, ASCII)
    block, context = windows.overlapping(stride)
    text = codes(ASCII)[: 12 * 16].tolist()
    starts = [0, *range(stride, len(text) - 16 + stride, stride)]
    wanted = [text[start : start + 16] for start in starts]
    assert [row[row < 256].tolist() for row in block] == wanted
    assert context.tolist() == [0] + [16 - stride] * (len(starts) - 1)
    assert windows.overlapping(stride, np.arange(0))[0].shape == (0, 16)


@pytest.mark.parametrize("stride", [0, 17])
def test_a_stride_lies_within_a_window(stride):
    with pytest.raises(DataError, match="a stride of 1 to 16"):
        cut(16, ASCII).overlapping(stride)


@pytest.mark.parametrize("shift", [0, 1, 7, 15])
def test_windows_of_training_move_by_a_shift_and_stay_within_their_stretch(shift):
    windows = cut(16, ASCII, MIXED, "ab")
    rows = np.array([0, 1, 2, 4, 5, 12, 13, 14, len(windows) - 1])
    moving = MovingWindows(windows, rows)
    moving.move(shift)
    found = strings(moving.block(np.arange(len(rows)), 16))
    assert found[:3] == [ASCII[shift : 16 + shift], ASCII[16 + shift : 32 + shift], ASCII[32:48]]
    assert found[3:5] == [ASCII[64 + shift : 80 + shift], ASCII[80:96]]
    assert found[-1] == "ab"
    inside = "".join(strings(windows[12:15]))
    assert all(text in inside and len(text.encode()) > 12 for text in found[5:8])
    assert inside.endswith(found[7])


def test_the_last_windows_are_held_out_whatever_the_split():
    dataset = windows_of("a", "a", [codes(ASCII)], 4)
    split = dataset.split(SplitSettings(), 3)
    assert np.concatenate([split.train, split.validation, split.test]).tolist() == list(range(50))
    assert (len(split.train), len(split.validation), len(split.test)) == (34, 8, 8)
    folds = dataset.divider(SplitSettings()).folds(np.arange(10), 5, np.random.default_rng(0))
    assert folds.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    grouped = dataclasses.replace(dataset, groups=np.zeros(50, np.int64))
    for data, settings in [(dataset, SplitSettings(duplicates_together=True)), (grouped, SplitSettings())]:
        with pytest.raises(DataError, match="holds windows"):
            data.divider(settings)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_file_is_one_text_whose_ends_of_lines_are_line_feeds(tmp_path, name):
    content = "\ufeffone\r\n\r\ntwo\rthree\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    dataset = read_texts(tmp_path / name, DataSettings(source="a", window=4))
    assert strings(dataset.events[:]) == ["one\n", "\ntwo", "\rthr"]
    assert dataset.notes == (f"2 ends of lines in {name}, a carriage return and a line feed, are line feeds alone",)
    assert dataset.events.about_rests == ("left out: 3 bytes at the end, less than a window of 4",)
    assert dataset.spec.windows
    assert dataset.name == "a"


def test_only_the_spec_of_windows_mentions_them():
    assert byte_spec(4, windows=True).as_dict()["windows"] is True
    assert "windows" not in byte_spec(4).as_dict()
    assert "windows" not in str(byte_spec(4, windows=True))  # digests of earlier versions stay the same
    with pytest.raises(ValueError, match="Tables are no windows"):
        genzoo.DataSpec((1,), "table", (genzoo.Feature("x"),), windows=True)


@pytest.mark.parametrize(
    ("command", "code", "why"),
    [
        ("short.txt --window 64", 4, "cannot be cut into windows of 64 bytes: its longest text has 5"),
        ("empty.txt --window 64", 4, "holds no text"),
        ("odd.txt --window 64", 4, "no UTF-8 text"),
        ("table.csv --window 64", 2, "--window is for texts, and"),
        ("numerals --window 64", 2, "holds short ones"),
        ("short.txt --window 3", 2, "must be at least 4, not 3"),
        ("cut.txt.gz --window 4", 4, "cannot be read"),
        ("short.txt --text a", 2, "names a column of a table"),
        ("table.csv --text", 2, "requires an argument"),
        ("table.csv --text a", 4, "holds numbers, and --text names a column of texts"),
        ("table.jsonl --text a", 4, "holds int64, and --text names a column of texts"),
        ("table.csv --text c", 2, "has no column 'c' of texts"),
        ("table.csv --text b --drop a", 2, "--drop is for the columns of tables"),
        ("table.csv --text b --condition a --window 4", 2, "belongs to whole texts"),
        ("table.csv --text b --joint", 2, "--joint is for tables"),
        ("iris --text species", 2, "--text is for texts"),
    ],
)
def test_what_cannot_be_cut_or_read_is_one_clear_error(tmp_path, cli, monkeypatch, command, code, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("anna\n")
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "odd.txt").write_bytes(b"\xff" * 99)
    (tmp_path / "cut.txt.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "table.csv").write_text("a,b\n1,xyz\n2,uvwx\n")
    (tmp_path / "table.jsonl").write_text('{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n')
    found, out, err = cli("data", *command.split())
    assert (found, why in " ".join(err.split())) == (code, True), out + err


def test_long_texts_in_a_list_are_cut_and_a_model_keeps_its_window():
    dataset, _ = given_data({"source": [ASCII, MIXED], "window": 16})
    assert np.array_equal(dataset.events[:], cut(16, ASCII, MIXED)[:])
    spec, registry = byte_spec(16, windows=True), get_registry()
    short = matching_data({"source": ["ab"], "window": 16}, spec, registry)
    assert strings(short.events[:]) == ["ab"]
    for wanted, trained in [(spec, "windows of 16 bytes"), (byte_spec(16), "whole texts")]:
        with pytest.raises(ConfigError, match=f"trained on {trained}"):
            matching_data({"source": [ASCII], "window": 32}, wanted, registry)
    assert isinstance(matching_data([ASCII[:9]], spec, registry).events, Texts)


def test_a_file_for_a_model_of_windows_is_cut_as_in_training(tmp_path):
    (tmp_path / "a.txt").write_text(MIXED, "utf-8")
    (tmp_path / "b.txt").write_text("short", "utf-8")
    spec, registry = byte_spec(32, windows=True), get_registry()
    found = matching_data(tmp_path / "a.txt", spec, registry)
    assert np.array_equal(found.events[:], cut(32, MIXED)[:])
    assert strings(matching_data(tmp_path / "b.txt", spec, registry).events[:]) == ["short"]
