"""A text that is read in blocks holds what it would hold if it was read whole, or is read whole."""

import random

import numpy as np
import pytest
from pyarrow import csv, parquet

from genzoo import DataError
from genzoo.config.data import DataSettings
from genzoo.data.align import match_table
from genzoo.data.loading import open_dataset
from genzoo.data.readers import plain_text, text_blocks
from genzoo.data.readers.csv_files import CsvSource
from genzoo.data.streams import rows as blocks_of_rows
from genzoo.data.streams.rows import open_blocks
from genzoo.plugins.manager import get_registry

TRAINING = "a,b,day,shade\n" + "".join(
    f"{row},{row / 8},{row % 28 + 1:02d}/{row % 12 + 1:02d}/2020,{'red' if row % 3 else 'blue'}\n" for row in range(400)
)


@pytest.fixture
def spec(tmp_path):
    """The columns of a small table of whole numbers, fractions, dates with the day first, and categories."""
    (tmp_path / "few.csv").write_text(TRAINING)
    return open_dataset(DataSettings(source=str(tmp_path / "few.csv")), get_registry()).spec


@pytest.fixture
def small_blocks(monkeypatch):
    """Read any text in blocks of 64 rows."""
    monkeypatch.setattr(blocks_of_rows, "block_rows", lambda columns, multiple: 64)
    monkeypatch.setattr(text_blocks, "LARGE_TEXT", 0)
    monkeypatch.setattr(text_blocks, "_ROWS", 50)
    monkeypatch.setattr(plain_text, "_PIECE", 700)


def both(path, spec, **settings):
    """Return the blocks, `None` if there are none, and the whole table; an error instead if one is raised."""
    how = DataSettings(source=str(path), **settings)
    try:
        whole = match_table("whole", CsvSource(path, how), how, spec, keep_unknown=True)
    except DataError as error:
        whole = error
    blocks = open_blocks(how, spec, get_registry(), keep_unknown=True)
    try:
        return None if blocks is None else list(blocks.read()), whole
    except DataError as error:
        return error, whole


def same(blocks, whole):
    """Compare blocks with the whole table."""
    np.testing.assert_array_equal(np.concatenate([block.dataset.events for block in blocks]), whole.events)
    unknown = {block.first + row: text for block in blocks for row, text in block.dataset.unknown.items()}
    assert unknown == whole.unknown
    assert blocks[0].dataset.facts == whole.facts


def lines_of(count, *, quote=""):
    """Return the lines of a table like the one of training, with gaps."""
    rng = random.Random(1)
    return [
        f"{rng.choice(['', row, -row])},{rng.choice(['NA', row / 8, f'{row}e-3'])},"
        f"{row % 28 + 1:02d}/{row % 12 + 1:02d}/2021,{quote}{rng.choice(['red', 'blue', 'mauve'])}{quote}"
        for row in range(count)
    ]


FIFTH_OF_JANUARY = (np.datetime64("2021-01-05") - np.datetime64("1970-01-01")).astype(int)
HEAD = "a,b,day,shade"


@pytest.mark.parametrize(
    "text",
    [
        "\n".join([HEAD, *lines_of(301)]),
        "\r\n".join([HEAD, *lines_of(320), ""]),
        "\n".join(["\ufeff" + HEAD, *lines_of(300), ""]),
        "\n".join([HEAD, *lines_of(300, quote='"'), '7,8,01/01/2020,"a\n""b"""', *lines_of(9)]),
        "\n".join([HEAD, *lines_of(150), "", "", *lines_of(150), "", ""]),
        "\n".join(["A title", "", HEAD, *lines_of(200)]),
        "\n".join([HEAD, *lines_of(200), "7,8,01/01/2020,\u00e9"]),
    ],
    ids=["plain", "crlf", "bom", "quotes", "blank-lines", "title", "utf-8"],
)
def test_plain_texts_are_read_in_blocks(tmp_path, spec, small_blocks, text):
    (tmp_path / "a.csv").write_text(text, newline="")
    blocks, whole = both(tmp_path / "a.csv", spec)
    assert [len(block.dataset) for block in blocks[:-1]] == [64] * (len(blocks) - 1)
    same(blocks, whole)


@pytest.mark.parametrize(
    "line",
    [
        "007,1,01/01/2020,red",
        '"1,234",1,01/01/2020,red',
        "1.5,1,01/01/2020,red",
        "x,1,01/01/2020,red",
        "1,1 kg,01/01/2020,red",
        "1,1,12/31/2020,red",
        "1,1,2020-12-31,red",
        '1,5" pipe,01/01/2020,red',
        '1,1,01/01/2020,5" pipe',
        "1,1,01/01/2020,\xe9",
        "# a comment",
        "1,1,01/01/2020",
        "1,1,01/01/2020,red,5",
        "99999999999999999999,1,01/01/2020,red",
        "9007199254740993,1,01/01/2020,red",
        "1,9007199254740993,01/01/2020,red",
        "1,inf,01/01/2020,red",
        "1,1,,",
        "\x1a",
        "true,1,01/01/2020,red",
        ' 1 , 1 , 01/01/2020 , "red"',
        '1,1,01/01/2020,"',
    ],
)
@pytest.mark.parametrize("place", [0, 200, 299])
def test_an_unusual_line_changes_nothing_but_how_the_text_is_read(tmp_path, spec, small_blocks, line, place):
    lines = lines_of(300)
    lines.insert(place, line)
    (tmp_path / "a.csv").write_bytes("\n".join([HEAD, *lines]).encode("cp1252"))
    blocks, whole = both(tmp_path / "a.csv", spec)
    if isinstance(blocks, DataError):
        assert str(blocks) == str(whole)
    elif blocks is not None:
        assert not isinstance(whole, DataError), whole
        same(blocks, whole)


def test_decimal_commas_and_other_marks_are_read_in_blocks(tmp_path, spec, small_blocks):
    lines = [line.replace(",", ";").replace(".", ",") for line in lines_of(300)]
    lines[250] = "-;-;01/01/2020;-"
    (tmp_path / "a.csv").write_text("\n".join([HEAD.replace(",", ";"), *lines]))
    blocks, whole = both(tmp_path / "a.csv", spec, missing=["-"])
    same(blocks, whole)
    assert np.isnan(whole.events[250]).tolist() == [True, True, False, True]


def test_dates_of_another_form_are_recognized_over_all_rows(tmp_path, spec, small_blocks):
    lines = [f"1,2,{row % 12 + 1:02d}/05/2021,red" for row in range(300)]
    (tmp_path / "a.csv").write_text("\n".join([HEAD, *lines, "1,2,12/31/2021,red"]))
    assert both(tmp_path / "a.csv", spec)[0] is None  # the last row shows that the month comes first
    arrow = csv.read_csv(tmp_path / "a.csv")
    parquet.write_table(arrow, tmp_path / "a.parquet")
    how = DataSettings(source=str(tmp_path / "a.parquet"))
    assert open_blocks(how, spec, get_registry()) is None
    (block,) = open_blocks(how, spec, get_registry(), small=True).read()
    assert block.dataset.events[0, 2] == FIFTH_OF_JANUARY
    blocks, whole = both(tmp_path / "a.csv", spec, date_formats={"day": "%m/%d/%Y"})
    same(blocks, whole)
    assert whole.events[0, 2] == FIFTH_OF_JANUARY
