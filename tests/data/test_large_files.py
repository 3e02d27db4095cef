"""What makes large text files quick to read changes nothing: parts, pieces and dictionaries of texts."""

import random
import re

import numpy as np
import pandas as pd
import pytest

from genzoo import DataError
from genzoo.config.data import DataSettings
from genzoo.data.columns import pieces
from genzoo.data.columns.pieces import Pieces, extent, side_by_side
from genzoo.data.readers import text_input
from genzoo.data.readers.csv_files import CsvSource
from genzoo.data.readers.text_input import TextInput

pytestmark = pytest.mark.usefixtures("in_a_shell")  # whose messages they check


@pytest.fixture
def small_pieces(monkeypatch):
    """Convert seven rows at a time."""
    monkeypatch.setattr(pieces, "_CACHED", 1)
    monkeypatch.setattr(pieces, "_LEAST_ROWS", 7)


@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_codes_are_found_wherever_they_stand(tmp_path, monkeypatch, separator):
    monkeypatch.setattr(text_input, "_SEARCHED", 16)
    monkeypatch.setattr(text_input, "_PART", 64)
    chosen, path, seen = random.Random(1), tmp_path / "a.csv", {True: 0, False: 0}
    for _ in range(800):
        text = "".join(chosen.choice(f"1234567899999{separator}\n.-a") for _ in range(chosen.randint(1, 300)))
        if chosen.random() < 0.5:
            place = chosen.randrange(len(text))
            text = f"{text[:place]}{chosen.choice(chr(34) + separator + '.-9e')}{chosen.choice('0+')}{text[place:]}"
        path.write_text(text)
        expected = re.search(rf"(?:^|[\n\"{re.escape(separator)}])[0+]\d", text) is not None
        assert TextInput(path, "a").may_hold_codes(separator) == expected, text
        seen[expected] += 1
    assert min(seen.values()) > 50


def test_telephone_numbers_stay_text(table):
    found = table("phone,x\n+4917112345,1.5\n+4917112346,2.5\n+4930123456,3\n", columns=["phone"])
    assert found.spec.features[0].levels == ("+4917112345", "+4917112346", "+4930123456")
    assert table("change,x\n+5,1e+05\n-3,2.5\n").spec.features[0].levels is None


def test_a_code_behind_the_mark_of_an_encoding_stays_text(table):
    text = "05412,3.5\n10115,2.5\n80331,2.25\n10116,2.0\n"
    for content in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        found = table(content, header=False)
        assert found.spec.features[0].levels == ("05412", "10115", "10116", "80331")


def test_whole_numbers_and_codes_as_pandas_reads_them(table, monkeypatch):
    monkeypatch.setattr(text_input, "_SEARCHED", 64)
    monkeypatch.setattr(text_input, "_PART", 256)
    rows = [f"{i},{i * 7 % 11},{i / 4}" for i in range(1, 900)]
    text = "a,b,c\n" + "\n".join(rows) + "\n"
    found = table(text)
    expected = pd.read_csv(pd.io.common.StringIO(text))
    np.testing.assert_array_equal(found.events, expected.to_numpy(np.float64))
    assert [feature.type for feature in found.spec.features] == ["int64", "int64", "float64"]
    coded = table(text.replace("\n700,", "\n0700,"))
    assert coded.spec.features[0].levels is not None
    assert [feature.type for feature in coded.spec.features[1:]] == ["int64", "float64"]


@pytest.fixture
def looked_through(monkeypatch):
    """Take every file for a large one, in which lines at eight places suggest types."""
    monkeypatch.setattr(text_input, "_LARGE", 1)
    monkeypatch.setattr(text_input, "_PLACES", 8)
    monkeypatch.setattr(text_input, "_SEARCHED", 8 * 64)


def test_lines_throughout_a_file_are_whole(tmp_path, looked_through):
    lines = [f"{i},{'x' * (i % 7)}" for i in range(400)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    found = TextInput(tmp_path / "a.csv", "a").lines_throughout()
    assert 8 < len(found) < 100
    assert set(found) <= set(lines)


def test_types_of_numbers_are_given_to_pyarrow(table, looked_through, monkeypatch):
    given, whole = [], CsvSource._read_whole

    def watched(source, text, columns, types):
        given.append({name: str(kind) for name, kind in types.items()})
        return whole(source, text, columns, types)

    monkeypatch.setattr(CsvSource, "_read_whole", watched)
    rows = [f"{i + 1},{i}.5,{'Bonn' if i % 2 else 'Ulm'}" for i in range(400)]
    table("a,b,c\n" + "\n".join(rows) + "\n")
    words = "dictionary<values=string, indices=int32, ordered=0>"
    assert given == [{"a": "int64", "b": "double", "c": words}]


@pytest.mark.parametrize("late", ["2.5", "-1e-3", "99999999999999999999.5", "", "NA", "12"])
@pytest.mark.parametrize("place", [150, 333, 998])
def test_a_type_that_the_lines_suggest_is_only_a_guess(table, looked_through, late, place):
    rows = [[str(i * 7 % 50), f"{i / 8}", "Bonn" if i % 3 else "Ulm"] for i in range(1000)]
    rows[place][:2] = late, late
    text = "a,b,c\n" + "\n".join(map(",".join, rows)) + "\n"
    found = table(text)
    expected = [[float("nan" if value in ("", "NA") else value) for value in row[:2]] for row in rows]
    np.testing.assert_array_equal(found.events[:, :2], expected)
    np.testing.assert_array_equal(found.events[:, 2], [row[2] == "Ulm" for row in rows])


def test_a_late_text_among_numbers_is_named_or_read(table, looked_through):
    rows = [f"{i},{i}.5" for i in range(900)]
    rows[700] = "x,700.5"
    with pytest.raises(DataError, match="'a' must hold numbers, and holds 'x' in line 702"):
        table("a,b\n" + "\n".join(rows) + "\n")
    rows[700] = '"1,700",1e3'
    assert table("a,b\n" + "\n".join(rows) + "\n", thousands=",").events[700].tolist() == [1700, 1000]
    rows[700] = "1,2,3"
    with pytest.raises(DataError, match="line 702 has 3 fields"):
        table("a,b\n" + "\n".join(rows) + "\n")


def test_nanoseconds_stay_whole_numbers(tmp_path, looked_through):
    times = [1_700_000_000_000_000_000 + i * 10**6 for i in range(900)]
    (tmp_path / "a.csv").write_text("t,a\n" + "".join(f"{t},{i}.5\n" for i, t in enumerate(times)))
    settings = DataSettings(source=str(tmp_path / "a.csv"))
    assert CsvSource(tmp_path / "a.csv", settings).read(["t"]).column("t").to_pylist() == times


def test_quoted_lines_do_not_mislead(table, looked_through):
    rows = "".join(f'{i},"first\n{i},{i}\n",{i}.5\n' for i in range(300))
    found = table("a,b,c\n" + rows, columns=["a", "c"])
    np.testing.assert_array_equal(found.events, [[i, i + 0.5] for i in range(300)])


def test_texts_are_the_same_however_they_are_stored(table):
    words = ["Ulm ", "Bonn", "x", "Kiel", "", "NA", "Zürich"]
    rows = [f"{words[i % 7]},{'yes' if i % 3 else 'no'},{'True' if i % 2 else 'False'},{i}" for i in range(300)]
    text = "city,member,late,n\n" + "\n".join(rows) + "\n"
    found = table(text)
    city, member, late, _ = found.spec.features
    assert city.levels == ("Bonn", "Kiel", "Ulm", "Zürich", "x")
    assert (city.stored, member.levels, late.levels) == ("string", ("no", "yes"), ("false", "true"))
    expected = pd.read_csv(pd.io.common.StringIO(text))
    codes = pd.Categorical(expected["city"].str.strip(), categories=list(city.levels)).codes.astype(float)
    np.testing.assert_array_equal(found.events[:, 0], np.where(codes < 0, np.nan, codes))
    assert table(text, missing=["x"]).spec.features[0].levels == city.levels[:-1]
    assert table(text, kinds={"city": "categorical"}).spec.features[0].levels == city.levels


def test_numbers_and_dates_below_words_are_still_found(table):
    months = [f"{m} {d}, 2024" for m in ("Jan", "Feb", "Mar") for d in range(1, 29)]
    dated = table("day,x\n" + "".join(f'"{day}",{i}\n' for i, day in enumerate(months * 2)))
    assert dated.spec.features[0].stored == "date"
    late = "x\n" + "none\n" * 120 + "".join(f"{i}.5\n" for i in range(400))
    with pytest.raises(DataError, match=r"holds 'none' in line 2.*--missing none"):
        table(late)
    assert table(late, missing=["none"]).events[120:].ravel().tolist() == [i + 0.5 for i in range(400)]


def test_a_fault_in_a_later_piece_is_named_by_its_line(table, small_pieces):
    rows = "".join(f"{i},{i}.5\n" for i in range(40))
    with pytest.raises(DataError, match="'b' holds inf in line 42"):
        table("a,b\n" + rows + "40,inf\n")
    with pytest.raises(DataError, match=r"'b' holds 0.5 in line 2"):
        table("a,b\n" + rows, kinds={"b": "count"})


def test_pieces_are_put_together_in_order(small_pieces):
    rng = np.random.default_rng(0)
    columns = [rng.normal(size=50) for _ in range(4)]
    columns[1][::3] = np.nan
    columns[2][:] = np.nan
    columns[3][:10] = np.nan  # a whole piece
    events = np.empty((50, 4))
    found = side_by_side([Pieces(50, lambda start, stop, c=c: c[start:stop]) for c in columns], events)
    np.testing.assert_array_equal(events, np.column_stack(columns))
    for column, one in zip(columns, found, strict=True):
        whole = extent(column)
        assert one.missing == whole.missing == np.isnan(column).any()
        finite = column[~np.isnan(column)]
        ends = (finite.min(), finite.max()) if len(finite) else (np.nan, np.nan)
        np.testing.assert_array_equal([(one.low, one.high), (whole.low, whole.high)], [ends, ends])
